"""The parts of `video.download` and `video.metadata`: yt-dlp in a process of its own, and what goes wrong there."""
