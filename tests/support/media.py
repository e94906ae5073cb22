"""Clips made with the real ffmpeg: good ones, and the ways in which a file can be bad."""

import os
import subprocess
from pathlib import Path

import imageio_ffmpeg


def ffmpeg(*options: str | Path) -> None:
    """Runs the ffmpeg of the wheel, so that clips are the same everywhere; raises where it fails."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", "-v", "error", *map(str, options)]
    subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)


def _picture(seconds: float, width: int, height: int) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=25:duration={seconds}")


def _sound(seconds: float) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}")


_QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def good_clip(path: Path, seconds: float = 2, width: int = 1280, height: int = 720, *more: str) -> Path:
    """A video with sound; the index stands at its beginning."""
    ffmpeg(
        *_picture(seconds, width, height),
        *_sound(seconds),
        *_QUICK,
        *("-c:a", "aac", "-movflags", "+faststart", *more),
        path,
    )
    return path


def silent_clip(path: Path, seconds: float = 1, width: int = 320, height: int = 240) -> Path:
    """A video without sound."""
    ffmpeg(*_picture(seconds, width, height), *_QUICK, path)
    return path


def song(path: Path, seconds: float = 1) -> Path:
    """Sound alone, with a picture of its cover: a video stream that is none."""
    cover = path.with_suffix(".png")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:duration=1", "-frames:v", "1", cover)
    ffmpeg(*_sound(seconds), "-i", cover, *("-map", "0", "-map", "1", "-c:v", "copy"), path)
    return path


def truncated_clip(path: Path, seconds: float = 6) -> Path:
    """A video whose second half never arrived: its index promises what is not there."""
    good_clip(path, seconds)
    os.truncate(path, path.stat().st_size // 2)
    return path


def damaged_clip(path: Path) -> Path:
    """A video whose index never arrived: nothing of it can be read."""
    ffmpeg(*_picture(2, 320, 240), *_QUICK, path)
    os.truncate(path, path.stat().st_size * 3 // 4)
    return path


def noise(path: Path) -> Path:
    """Bytes that mean nothing."""
    path.write_bytes(os.urandom(100_000))
    return path


def empty_file(path: Path) -> Path:
    """Nothing at all."""
    path.touch()
    return path


def playlist(path: Path, other: Path) -> Path:
    """A playlist that would have ffmpeg open another file of its folder."""
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\n{other.name}\n#EXT-X-ENDLIST\n")
    return path


def script(path: Path, other: Path) -> Path:
    """A concat script that would have ffmpeg open another file of its folder."""
    path.write_text(f"ffconcat version 1.0\nfile '{other.name}'\n")
    return path
