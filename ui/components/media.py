"""What a site says of a video, as `video.download` and `video.metadata` have noted it."""

from typing import Any

from ui.components import wording
from ui.components.element import Tag

_NONE = {None, "none"}
# How yt-dlp calls what it finds on pages that it does not know.
_ANY_PAGE = {"Generic", "HTML5MediaEmbed"}
_DESCRIPTION_SHOWN = 600


def draw_media(result: dict[str, Any]) -> None:
    """Title, who, how long, and on request in which formats there is more of it."""
    Tag("h2", "Video")
    Tag("p", str(result.get("title") or "Without a title"), "media-title")
    if result.get("archived"):
        Tag("p", "Already in the archive: nothing was downloaded.", "media-note", data_icon="inventory_2")
    with Tag("dl", classes="facts left"):
        for name, value in _facts(result):
            Tag("dt", name)
            Tag("dd", value)
    if description := result.get("description"):
        Tag("p", str(description)[:_DESCRIPTION_SHOWN], "media-words")
    if formats := result.get("formats"):
        with Tag("details", classes="trace"):
            Tag("summary", f"{wording.plural(len(formats), 'format')} at the site")
            _draw_formats(formats)


def _facts(result: dict[str, Any]) -> list[tuple[str, str]]:
    day = str(result.get("upload_date") or "")
    found = {
        "By": result.get("uploader"),
        "Length": wording.duration(result["duration"]) if result.get("duration") else None,
        "Published": f"{day[:4]}-{day[4:6]}-{day[6:8]}" if len(day) == 8 else None,
        "Views": wording.number(result["view_count"]) if result.get("view_count") else None,
        "Site": result.get("extractor") if result.get("extractor") not in _ANY_PAGE else None,
        "Address": result.get("webpage_url"),
        "Size": wording.size(result["size"]) if result.get("size") else None,
    }
    return [(name, str(value)) for name, value in found.items() if value]


def _draw_formats(formats: list[dict[str, Any]]) -> None:
    with Tag("div", classes="table-holder"), Tag("table", classes="formats"):
        with Tag("thead"), Tag("tr"):
            for name in ("Format", "Picture", "Sound", "Size"):
                Tag("th", name, scope="col")
        with Tag("tbody"):
            for found in reversed(formats):
                with Tag("tr"):
                    Tag("td", f"{found.get('id') or '?'} · {found.get('ext') or '?'}", "mono")
                    Tag("td", _picture(found))
                    Tag(
                        "td", "none" if found.get("audio") == "none" else str(found.get("audio") or "unknown")
                    )
                    Tag("td", wording.size(int(found["size"])) if found.get("size") else "", "num")


def _picture(found: dict[str, Any]) -> str:
    if found.get("video") == "none":
        return "none"
    size = (
        f"{found['width']}\N{MULTIPLICATION SIGN}{found['height']}"
        if found.get("width") and found.get("height")
        else ""
    )
    codec = "" if found.get("video") in _NONE else str(found["video"])
    return " ".join(filter(None, (size, codec))) or "unknown"
