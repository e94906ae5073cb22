"""Small media for the demo, made on the spot with the ffmpeg that is there."""

import subprocess
from pathlib import Path

from ui.demo.resume import write_resume
from ui.demo.server import BREAKS, SLOW

_SECONDS = 120


def make_media(folder: Path) -> None:
    """Makes what is not there yet: a clip of 12 s with a tone, a resume, large files, and damaged ones."""
    folder.mkdir(parents=True, exist_ok=True)
    clip, damaged, resume = folder / "clip.mp4", folder / "damaged.mp4", folder / "resume.pdf"
    if not clip.exists():
        _encode(clip)
    if not damaged.exists():
        damaged.write_bytes(b"\x00\x00\x00\x18ftypisom" + b"not a video after all " * 4000)
    if not resume.exists():
        write_resume(resume)
    (folder / "damaged.torrent").write_bytes(b"d8:announce20:")
    for name, size in ((BREAKS, 900_000), (SLOW, 12_000_000)):
        (folder / name).write_bytes(bytes(range(250)) * (size // 250))


def _encode(target: Path) -> None:
    from imageio_ffmpeg import get_ffmpeg_exe

    half_done = target.with_suffix(".part.mp4")
    subprocess.run(
        [
            *(get_ffmpeg_exe(), "-nostdin", "-y", "-v", "error"),
            *("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25:duration=12"),
            *("-f", "lavfi", "-i", "sine=frequency=440:duration=12"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest"),
            str(half_done),
        ],
        check=True,
        timeout=_SECONDS,
    )
    half_done.rename(target)
