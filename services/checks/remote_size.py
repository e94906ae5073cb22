"""How large a file on the web is, asked without fetching it."""

import httpx

from services.checks.checking import Unlearned
from services.guard.http import guarded_client
from services.settings import Settings

_SECONDS = 3.0
_HEADERS = {"Accept-Encoding": "identity"}  # else the length would be that of the compressed answer


async def remote_size(settings: Settings, url: str) -> int:
    """Bytes of the file at `url`: by HEAD, else by asking for its first byte.

    Raises:
        AddressRefused: it leads to where nobody may connect.
        Unlearned: nobody answers, or the answer does not say; in words.
    """
    try:
        async with guarded_client(settings, timeout=_SECONDS, follow_redirects=True) as http:
            head = await http.head(url, headers=_HEADERS)
            if size := _length(head):
                return size
            async with http.stream("GET", url, headers=_HEADERS | {"Range": "bytes=0-0"}) as first:
                return _told(first)
    except httpx.TimeoutException:
        raise Unlearned("the server did not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unlearned(str(error) or type(error).__name__) from None


def _told(answer: httpx.Response) -> int:
    """What the answer to a request for the first byte says of the whole."""
    if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        return 0  # there is no first byte
    if not answer.is_success:
        raise Unlearned(f"the server answers HTTP {answer.status_code}")
    if answer.status_code == httpx.codes.PARTIAL_CONTENT:
        _, _, total = answer.headers.get("Content-Range", "").rpartition("/")
        if total.isdecimal():
            return int(total)
    elif (size := _length(answer)) is not None:
        return size
    raise Unlearned("the server does not say it")


def _length(answer: httpx.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    plain = "Content-Encoding" not in answer.headers
    return int(length) if answer.is_success and plain and length.isdecimal() else None
