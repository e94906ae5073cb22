"""The files of a job: a preview of what a browser can show, and each with a way to have it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from nicegui import ui

from services.models import Artifact, Upload
from services.storage.pages import is_pdf
from services.storage.previews import is_text
from ui.components import wording
from ui.components.element import Tag
from ui.components.paper import PageLook, Paper

_PICTURES = {"image/jpeg", "image/png", "image/webp", "image/gif"}
"""Those that hold no script."""


@dataclass(frozen=True)
class FileLinks:
    """Where a file's links lead."""

    job: str
    """The address of the job in the API, without the file."""
    workspace: str
    process: str | None = None
    """The form for a job that works on the file; its name is put at the end. None: there is no such kind here."""

    def file(self, name: str, *, stream: bool = False) -> str:
        """The file itself; streamed from here, also where storage is elsewhere."""
        how = "&stream=1" if stream else ""
        return f"{self.job}/artifacts/{quote(name, safe='')}?w={quote(self.workspace)}{how}"

    @property
    def input(self) -> str:
        """The file that the job works on."""
        return f"{self.job}/input?w={quote(self.workspace)}"

    def page(self, number: int, name: str | None) -> str:
        """A page of a PDF as a picture."""
        file = f"&file={quote(name, safe='')}" if name is not None else ""
        return f"{self.job}/pages/{number}?w={quote(self.workspace)}{file}"


ReadText = Callable[[str], Awaitable[tuple[str, bool] | None]]
"""The beginning of the file of that name, and whether that is all; None where it cannot be read."""
LookAtPage = Callable[[str | None, int], Awaitable[PageLook | str]]
"""A page of the PDF of that name, or without one of the input; or why it cannot be shown."""


def draw_files(files: Sequence[Artifact], links: FileLinks, read: ReadText, look: LookAtPage) -> None:
    """The preview, and the list."""
    _preview(files, links, look)
    with Tag("ul", classes="files"):
        for artifact in files:
            with Tag("li", data_icon=_icon(artifact.content_type)):
                Tag("span", artifact.name, "name")
                Tag("span", wording.size(artifact.size), "muted num")
                if links.process and _is_media(artifact):
                    Tag(
                        "a", "Process this video", "btn small", href=f"{links.process}{quote(artifact.name, safe='')}",
                        data_icon="movie",
                    )  # fmt: skip
                Tag(
                    "a", "Download", "btn small download", href=links.file(artifact.name), data_icon="download",
                    download=artifact.name, aria_label=f"Download {artifact.name}",
                )  # fmt: skip
                if is_text(artifact):
                    _Glance(artifact.name, read)


def draw_input(upload: Upload, links: FileLinks, look: LookAtPage) -> None:
    """What the job works on."""
    with Tag("ul", classes="files"), Tag("li", data_icon=_icon(upload.content_type)):
        Tag("span", upload.filename, "name")
        Tag("span", wording.size(upload.size), "muted num")
        Tag(
            "a", "Download", "btn small", href=links.input, data_icon="download", download=upload.filename,
            aria_label=f"Download the input {upload.filename}",
        )  # fmt: skip
        if is_pdf(upload):
            _InputPages(_paper(None, upload.filename, links, look))


def _paper(name: str | None, title: str, links: FileLinks, look: LookAtPage) -> Callable[[], Paper]:
    return lambda: Paper(title, lambda number: links.page(number, name), lambda number: look(name, number))


class _InputPages:
    """The pages of the input, drawn when somebody first wants to see them."""

    def __init__(self, make: Callable[[], Paper]) -> None:
        self._make = make
        self._paper: Paper | None = None
        with Tag("details", classes="glance") as self._details:
            Tag("summary", "Show the pages")
        self._details.on("toggle", self._show, js_handler="(e) => { if (e.target.open) emit(); }")

    async def _show(self) -> None:
        if self._paper is None:
            with self._details:
                self._paper = self._make()
            await self._paper.turn()


def _preview(files: Sequence[Artifact], links: FileLinks, look: LookAtPage) -> None:
    """The first video, else sound, else picture, else PDF."""
    picture = next((a for a in files if a.content_type in _PICTURES), None)
    media = next((a for tag in ("video/", "audio/") for a in files if a.content_type.startswith(tag)), None)
    if media is None and picture is None:
        if paper := next(filter(is_pdf, files), None):
            shown = _paper(paper.name, paper.name, links, look)()
            ui.timer(0, shown.turn, once=True)  # drawing it takes a moment: the page is there first
        return
    with Tag("div", classes="preview"):
        if media is None and picture is not None:
            Tag("img", src=links.file(picture.name, stream=True), alt=picture.name, loading="lazy")
        elif media is not None:
            is_video = media.content_type.startswith("video/")
            poster = links.file(picture.name, stream=True) if is_video and picture else None
            Tag(
                "video" if is_video else "audio", src=links.file(media.name, stream=True), controls=True,
                preload="metadata", poster=poster, aria_label=f"Preview of {media.name}",
            )  # fmt: skip


class _Glance:
    """The beginning of a text, read when somebody first wants to see it."""

    def __init__(self, name: str, read: ReadText) -> None:
        self._name = name
        self._read = read
        self._text: Tag | None = None
        with Tag("details", classes="glance") as self._details:
            Tag("summary", "Show the beginning")
        self._details.on("toggle", self._show, js_handler="(e) => { if (e.target.open) emit(); }")

    async def _show(self) -> None:
        if self._text is not None:
            return
        with self._details:
            self._text = Tag(
                "pre", "Reading\N{HORIZONTAL ELLIPSIS}", "code", tabindex="0",
                aria_label=f"The beginning of {self._name}",
            )  # fmt: skip
        found = await self._read(self._name)
        if found is None:
            self._text.delete()
            self._text = None
            self._details.put(open=None)
            return
        text, whole = found
        self._text.say(text or "This file is empty.")
        if not whole:
            with self._details:
                Tag("p", "There is more: download it to see all.", "muted")


def _icon(content_type: str) -> str:
    match content_type.partition("/")[0]:
        case "application" if content_type.startswith("application/pdf"):
            return "picture_as_pdf"
        case "video":
            return "movie"
        case "audio":
            return "audiotrack"
        case "image":
            return "image"
        case _:
            return "insert_drive_file"


def _is_media(artifact: Artifact) -> bool:
    return artifact.content_type.startswith(("video/", "audio/"))
