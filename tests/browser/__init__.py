"""Tests of the pages in a real Chromium, on a whole Mulligan: Valkey, database, a worker, the web process."""
