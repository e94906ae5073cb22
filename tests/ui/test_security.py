"""Which requests are our own pages'."""

import pytest

from services.settings import Settings
from ui.security import is_same_origin


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "public_url", "ours"),
    [
        ("http", "desk.example", "http://desk.example", None, True),
        ("http", "desk.example:80", "http://desk.example", None, True),
        ("http", "desk.example", "https://desk.example", None, True),
        ("http", "desk.example:8443", "https://desk.example:8443", None, True),
        ("http", "desk.example:8080", "http://desk.example:8081", None, False),
        ("https", "desk.example", "http://desk.example", None, False),
        ("http", "internal:8080", "https://desk.example", None, False),
        ("http", "internal:8080", "https://desk.example", "https://desk.example/", True),
        ("http", "[::1]:8080", "http://[::1]:8080", None, True),
        ("http", "", "http://", None, False),
        ("http", "desk.example", "http://desk.example:99999", None, False),
    ],
)
def test_what_counts_as_ours(scheme: str, host: str, origin: str, public_url: str | None, ours: bool) -> None:
    headers = [(b"host", host.encode()), (b"origin", origin.encode())]
    scope = {"type": "http", "scheme": scheme, "headers": headers}
    assert is_same_origin(scope, Settings(public_url=public_url, _env_file=None)) is ours
