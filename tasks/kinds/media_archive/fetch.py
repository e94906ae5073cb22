"""Asks yt-dlp what an address holds, or fetches it. Run as a script, so that ending it is certain:

    MULLIGAN_ORDER='{"do": "look", "url": …}' python -P fetch.py

Prints one JSON object a line: `{"info": …}`, `{"progress": …}`, and where it fails `{"error": …}` as the last.
`look` leaves what it learned in `info.json`; `fetch` goes on from there and leaves files in `media/`.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# All of these go through the proxy; rtmp, mms, rtsp and the like would not.
_PROTOCOLS = {"http", "https", "m3u8", "m3u8_native", "http_dash_segments", "ism", "f4m"}
_MOST_FORMATS = 40
_TELL_SECONDS = 0.2
_out = sys.stdout


class OwnError(Exception):
    """Something that yt-dlp would not mind; `code` is for `failures.py`."""

    def __init__(self, code: str, words: str = "") -> None:
        super().__init__(words or code)
        self.code = code


def main() -> int:
    """Does what the order says."""
    sys.stdout = sys.stderr  # whatever a library prints is not ours
    order = json.loads(os.environ.pop("MULLIGAN_ORDER"))
    from yt_dlp import YoutubeDL

    try:
        with YoutubeDL(_options(order)) as downloader:
            (_look if order["do"] == "look" else _fetch)(downloader, order)
    except Exception as error:  # noqa: BLE001 - told to the parent, which knows what it means
        _tell(error=_described(error))
        return 1
    return 0


def _options(order: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "quiet": True,
        "noprogress": True,
        "logger": _Log(),
        "cachedir": False,
        "proxy": order["proxy"],  # "" for none, also none of the environment
        "socket_timeout": order["socket_seconds"],
        "retries": order["retries"],
        "fragment_retries": order["retries"],
        "skip_unavailable_fragments": False,  # a video with holes is no success
        "extractor_retries": 1,
        "noplaylist": True,
        "playlist_items": "1:2",
        "format": order["selector"],
        "merge_output_format": "mp4/mkv",
        "paths": {"home": "media"},
        "outtmpl": {"default": "media.%(ext)s"},
        "ffmpeg_location": order["ffmpeg"],
        "external_downloader": {"default": "native"},
        "writethumbnail": order["thumbnail"],
        "writesubtitles": order["subtitles"],
        "subtitleslangs": ["all", "-live_chat"],
        "progress_hooks": [_Progress(order["max_bytes"])],
    }
    if order["audio"]:
        options["postprocessors"] = [{"key": "FFmpegExtractAudio", "preferredcodec": "mp3"}]
    return options


def _look(downloader: Any, order: dict[str, Any]) -> None:
    info = downloader.extract_info(order["url"], download=False)
    if info.get("_type") == "playlist":
        entries = [entry for entry in info.get("entries") or () if entry]
        if len(entries) != 1:
            raise OwnError("list" if entries else "nothing")
        info = entries[0]
    if info.get("extractor_key") == "HTML5MediaEmbed":
        info["title"] = str(info.get("title") or "").removesuffix(" (1)")  # of the page's only video
    if info.get("is_live") or info.get("live_status") in {"is_live", "is_upcoming"}:
        raise OwnError("live")
    known = info.get("formats") or ([info] if info.get("url") else [])
    formats = [f for f in known if f.get("protocol") in _PROTOCOLS]
    if not formats:
        raise OwnError("protocol" if known else "nothing")
    if "formats" in info:
        info["formats"] = formats
    clean = downloader.sanitize_info(info, remove_private_keys=True)
    Path("info.json").write_text(json.dumps(clean), encoding="utf-8")
    _tell(info=_facts(clean, formats) | {"has_own_id": _has_own_id(downloader, clean)})


def _has_own_id(downloader: Any, info: dict[str, Any]) -> bool:
    """Whether a site has named the video. For any page, the name is only the last part of the address."""
    key = info.get("extractor_key")
    return bool(key and key != "Generic" and downloader.get_info_extractor(key)._VALID_URL)


def _fetch(downloader: Any, _order: dict[str, Any]) -> None:
    info = json.loads(Path("info.json").read_text(encoding="utf-8"))
    downloader.process_ie_result(info, download=True)


def _facts(info: dict[str, Any], formats: list[dict[str, Any]]) -> dict[str, Any]:
    """What people want to know of it."""
    names = (
        "id",
        "title",
        "duration",
        "upload_date",
        "description",
        "view_count",
        "webpage_url",
        "thumbnail",
    )
    return {
        **{name: info.get(name) for name in names},
        "extractor": info.get("extractor_key") or info.get("extractor"),
        "uploader": info.get("uploader") or info.get("channel"),
        "formats": [_format(f) for f in formats[-_MOST_FORMATS:]],
    }


def _format(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": found.get("format_id"),
        "ext": found.get("ext"),
        "width": found.get("width"),
        "height": found.get("height"),
        "fps": found.get("fps"),
        "video": found.get("vcodec"),
        "audio": found.get("acodec"),
        "size": found.get("filesize") or found.get("filesize_approx"),
        "note": found.get("format_note"),
    }


class _Progress:
    """Tells how far it is, and stops at the limit. A picture and its sound may be two files, fetched in turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._done: dict[str, int] = {}
        self._told_at = 0.0

    def __call__(self, said: dict[str, Any]) -> None:
        self._done[str(said.get("filename"))] = said.get("downloaded_bytes") or 0
        total = said.get("total_bytes")
        if max(sum(self._done.values()), total or 0) > self._most:
            raise OwnError("too_large")
        if time.monotonic() - self._told_at < _TELL_SECONDS and said.get("status") != "finished":
            return
        self._told_at = time.monotonic()
        info = said.get("info_dict") or {}
        _tell(
            progress={
                "file": len(self._done),
                "done": said.get("downloaded_bytes"),
                "total": total or said.get("total_bytes_estimate"),
                "speed": said.get("speed"),
                "left": said.get("eta"),
                "format": info.get("format_id"),
            }
        )


class _Log:
    """What yt-dlp says: its troubles come as exceptions, the rest is for whoever reads stderr."""

    def debug(self, words: str) -> None:
        pass

    info = debug

    def warning(self, words: str) -> None:
        if not words.startswith("[generic]"):  # that it takes any page for what it is
            _tell(warning=str(words)[:500])

    def error(self, words: str) -> None:
        pass


def _described(error: BaseException) -> dict[str, Any]:
    chain = list(_chain(error))
    status = next((s for e in chain if isinstance(s := getattr(e, "status", None), int)), None)
    words = str(error).removeprefix("ERROR: ").partition("; please report this")[0]
    return {
        "code": next((e.code for e in chain if isinstance(e, OwnError)), None),
        "types": [type(e).__name__ for e in chain],
        "status": status,
        "errno": next((e.errno for e in chain if isinstance(e, OSError) and e.errno), None),
        "words": words[:1000],
        "all_words": " | ".join(str(e) for e in chain)[:4000],
    }


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        inner = getattr(found, "exc_info", None) or (None, None)
        waiting += [inner[1], getattr(found, "cause", None), found.__cause__, found.__context__]


def _tell(**said: Any) -> None:
    print(json.dumps(said, default=str), file=_out, flush=True)


if __name__ == "__main__":
    sys.exit(main())
