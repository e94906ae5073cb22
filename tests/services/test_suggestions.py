"""Which kinds suit an address."""

import pytest

from services.jobs.suggestions import suggest
from services.kinds import load_kinds

KINDS = [
    f"tasks.kinds.{name}" for name in ("video_download", "video_metadata", "file_download", "webhook_deliver")
]


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("https://www.youtube.com/watch?v=abc", ["video.download", "video.metadata"]),
        (" https://vimeo.com/1234 ", ["video.download", "video.metadata"]),
        ("https://example.org/a/clip.mp4?x=1", ["file.download", "video.download"]),
        ("https://example.org/a/disk.iso", ["file.download"]),
        ("https://example.org/film.html", ["video.download"]),
        ("magnet:?xt=urn:btih:" + "a" * 40, ["file.download"]),
        ("https://hooks.example.org/a.json", ["file.download", "webhook.deliver"]),
        ("https://notyoutube.com/watch", ["video.download"]),
        ("ftp://example.org/a.zip", []),
        ("file:///etc/passwd", []),
        ("https://", []),
        ("https://[::1", []),
        ("two words", []),
        ("", []),
        ("https://example.org/" + "a" * 20_000 + ".iso", []),
    ],
)
def test_the_best_comes_first(address: str, names: list[str]) -> None:
    kinds = [kind for kind in load_kinds(KINDS) if kind.name in {
        "video.download", "video.metadata", "file.download", "webhook.deliver", "video.process",
    }]  # fmt: skip
    assert [kind.name for kind in suggest(kinds, address)] == names
