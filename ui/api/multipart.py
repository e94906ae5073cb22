"""A form with a file, read as it comes: never whole in memory, and not on disk before storage takes it."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.errors import Invalid

_FIELD = b"file"
# Other fields of the form are let go by, but not for ever.
_MOST_ELSEWHERE = 2**20


@dataclass(frozen=True)
class FilePart:
    """The file of a form: what the client calls it, and its bytes, to be read once."""

    filename: str
    content_type: str | None
    chunks: AsyncIterator[bytes]


async def file_part(request: Request) -> FilePart:
    """The field `file` of a multipart form; reads no further than to its beginning.

    Raises:
        Invalid: this is no multipart form, or has no such file. Its `chunks` raise it where the form ends too early.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Invalid("Send the file as multipart/form-data, in a field named file.")
    form = _Form(boundary)
    pieces = _fed(form, request.stream())
    found: list[bytes] = []
    async for piece in pieces:
        found.append(piece)
        break
    if form.filename is None:
        raise Invalid("The form has no file in a field named file.")

    async def chunks() -> AsyncIterator[bytes]:
        for piece in found:
            yield piece
        async for piece in pieces:
            yield piece

    return FilePart(form.filename, form.content_type, chunks())


async def _fed(form: "_Form", body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The file's bytes. Ends only when the whole form has come: a form cut short is no file cut short."""
    async for data in body:
        form.feed(data)
        if gathered := form.taken():
            yield gathered
    if not form.is_complete:
        raise Invalid(
            "The form ended in the middle of the file." if form.filename else "The form is not complete."
        )


@dataclass
class _Form:
    """The parser's callbacks: keeps the data of the field `file`, forgets that of others."""

    boundary: bytes
    filename: str | None = None
    content_type: str | None = None
    is_complete: bool = False
    _in_file: bool = False
    _elsewhere: int = 0
    _name: bytes = b""
    _value: bytes = b""
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _data: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        try:
            self._parser = MultipartParser(
                self.boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_name,
                    "on_header_value": self._on_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._start_part,
                    "on_part_data": self._on_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise Invalid(f"The form cannot be read: {error}") from None

    def feed(self, data: bytes) -> None:
        """Takes a piece of the body."""
        if self.is_complete:
            return
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise Invalid(f"The form cannot be read: {error}") from None
        if self._elsewhere > _MOST_ELSEWHERE:
            raise Invalid("The form holds more than a file.")

    def taken(self) -> bytes:
        """The file's bytes that came since the last time."""
        data = bytes(self._data)
        self._data.clear()
        return data

    def _begin(self) -> None:
        self._headers = {}

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _start_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        is_file = options.get(b"name") == _FIELD and b"filename" in options
        if is_file and self.filename is None:
            self.filename = options[b"filename"].decode("utf-8", "replace")
            self.content_type = self._headers.get(b"content-type", b"").decode("latin-1") or None
            self._in_file = True

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._data += data[start:end]
        else:
            self._elsewhere += end - start

    def _end_part(self) -> None:
        self._in_file = False

    def _end(self) -> None:
        self.is_complete = True
