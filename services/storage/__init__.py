"""Where bytes lie and how they get there and back: a folder or S3, uploads, artifacts as input, the archive."""
