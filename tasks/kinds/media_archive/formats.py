"""What may be had of a video, and the words of yt-dlp for it."""

from enum import StrEnum


class Format(StrEnum):
    """The best that there is, at most that height, or the sound alone."""

    BEST = "best"
    P1080 = "1080p"
    P720 = "720p"
    P480 = "480p"
    AUDIO = "audio"


def selector(wanted: Format) -> str:
    """yt-dlp's format selector. Where all are larger, or no height is known, the smallest is better than none."""
    match wanted:
        case Format.BEST:
            return "bv*+ba/b"
        case Format.AUDIO:
            return "ba/b"
        case _:
            height = wanted.removesuffix("p")
            return f"bv*[height<=?{height}]+ba/b[height<=?{height}]/wv*+ba/w"
