"""What can be made of a video, and the words of ffmpeg for it."""

from dataclasses import dataclass
from enum import StrEnum


class Preset(StrEnum):
    """What to make: a video of that height, or its sound alone."""

    P480 = "480p"
    P720 = "720p"
    P1080 = "1080p"
    AUDIO = "audio"


@dataclass(frozen=True)
class Output:
    """How a preset is made."""

    suffix: str
    content_type: str
    height: int | None
    """None: no picture."""

    def options(self, video_stream: int | None, audio_stream: int | None) -> list[str]:
        """ffmpeg's output options, for the streams of these indexes."""
        if self.height is None:
            return ["-map", f"0:{audio_stream}", "-vn", "-c:a", "libmp3lame", "-q:a", "2", *_TIDY]
        # Never larger than the input, both sides even as yuv420p wants them.
        scale = rf"scale=-2:min({self.height}\,trunc(ih/2)*2):flags=bicubic,format=yuv420p"
        sound = (
            ["-map", f"0:{audio_stream}", "-c:a", "aac", "-b:a", "128k", "-ac", "2"]
            if audio_stream is not None
            else []
        )
        picture = [
            "-map",
            f"0:{video_stream}",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            "23",
            "-vf",
            scale,
        ]
        return [*picture, *sound, *_TIDY, "-movflags", "+faststart"]


_TIDY = ("-sn", "-dn", "-map_chapters", "-1", "-max_muxing_queue_size", "1024")

OUTPUTS = {
    Preset.P480: Output(".mp4", "video/mp4", 480),
    Preset.P720: Output(".mp4", "video/mp4", 720),
    Preset.P1080: Output(".mp4", "video/mp4", 1080),
    Preset.AUDIO: Output(".mp3", "audio/mpeg", None),
}
