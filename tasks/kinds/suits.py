"""How well an address suits a kind (`JobKind.suits`): told by its looks, since nothing is fetched for a suggestion."""

import re

from services.jobs.suggestions import extension, web_parts

_VIDEO_SITES = re.compile(
    r"(^|\.)(youtube\.com|youtube-nocookie\.com|youtu\.be|vimeo\.com|dailymotion\.com|twitch\.tv|tiktok\.com|"
    r"soundcloud\.com|bandcamp\.com|ted\.com|archive\.org|arte\.tv|media\.ccc\.de)$"
)
_MEDIA = {
    "mp4",
    "m4v",
    "mkv",
    "webm",
    "mov",
    "avi",
    "mp3",
    "m4a",
    "ogg",
    "opus",
    "flac",
    "wav",
    "m3u8",
    "mpd",
}
_PAGES = {"", "html", "htm", "php", "asp", "aspx", "jsp"}
_SITE, _LIKELY, _POSSIBLE = 3, 2, 1


def video(address: str) -> int:
    """A site that is known for videos, a media file, or a page that may have one."""
    parts = web_parts(address)
    if parts is None:
        return 0
    if _VIDEO_SITES.search(parts.hostname or ""):
        return _SITE + 1
    return _POSSIBLE if extension(parts) in _MEDIA | _PAGES else 0


def video_page(address: str) -> int:
    """A page of a site that is known for videos: what it holds can be looked up."""
    parts = web_parts(address)
    return _SITE if parts and _VIDEO_SITES.search(parts.hostname or "") else 0


def file(address: str) -> int:
    """A magnet link, or a file that is no page."""
    if address.startswith("magnet:?"):
        return _SITE
    parts = web_parts(address)
    return _LIKELY if parts and extension(parts) not in _PAGES else 0


def endpoint(address: str) -> int:
    """What calls itself a hook."""
    parts = web_parts(address)
    return _LIKELY if parts and "hook" in f"{parts.hostname}{parts.path}".lower() else 0
