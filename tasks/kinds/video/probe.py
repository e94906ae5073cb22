"""Reads what a media file holds and prints it as JSON. Run as a script: a hostile file may crash a decoder's process.

    python -P probe.py FILE

Prints `{"error": …}` where the file cannot be read.
"""

import json
import sys
from typing import Any

# What people have. Not the playlists and scripts (hls, dash, concat, …) that make a demuxer open other files.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    *("matroska,webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "live_flv", "asf", "mxf", "ogg", "nut"),
    *(
        "wav",
        "w64",
        "mp3",
        "aac",
        "flac",
        "aiff",
        "caf",
        "amr",
        "ac3",
        "eac3",
        "wv",
        "ape",
        "gif",
        "rm",
        "dv",
    ),
    *("h264", "hevc", "ivf", "m4v", "obu", "av1", "wtv", "gxf", "swf", "avs", "y4m", "yuv4mpegpipe"),
)
MAX_PIXELS = 8192 * 8192
INPUT_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(FORMATS),
    "max_pixels": str(MAX_PIXELS),
}


def probe(path: str) -> dict[str, Any]:
    """What the file holds; seconds, pixels as they are shown, indexes of the streams to take."""
    import av

    options = {name: value for name, value in INPUT_OPTIONS.items() if name != "max_pixels"}
    with av.open(f"file:{path}", container_options=options, metadata_errors="replace") as container:
        video = next((s for s in container.streams.video if not _is_picture(s)), None)
        audio = next(iter(container.streams.audio), None)
        lengths = [
            float(s.duration * s.time_base) for s in (video, audio) if s and s.duration and s.time_base
        ]
        whole = container.duration / av.time_base if container.duration else 0
        return {
            "format": container.format.name,
            "duration": round(max(lengths, default=whole), 3) or None,
            "width": video.width if video else None,
            "height": video.height if video else None,
            "video_codec": _codec(video),
            "audio_codec": _codec(audio),
            "video_stream": video.index if video else None,
            "audio_stream": audio.index if audio else None,
        }


def _is_picture(stream: Any) -> bool:
    # Cover art of a song is a "video stream" of one picture.
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _codec(stream: Any) -> str | None:
    context = getattr(stream, "codec_context", None)
    return context.name if context else None


def main() -> None:
    """Prints what `probe` finds, or the error in the words of ffmpeg."""
    import av

    try:
        found = probe(sys.argv[1])
    except av.error.FFmpegError as error:
        found = {"error": error.strerror or type(error).__name__}
    print(json.dumps(found))  # noqa: T201 - what the script is for


if __name__ == "__main__":
    main()
