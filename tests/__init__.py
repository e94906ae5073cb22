"""Tests, laid out like the source, plus `browser/`, `faults/` and `benchmarks/`.

They run on real stores: SQLite and PostgreSQL, a real Valkey, real engines, a real Chromium. `support/` starts those.
"""
