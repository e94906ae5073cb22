"""The parts of `video.process`: probing, encoding, and what goes wrong there."""
