"""Real servers and small tools for tests: each works as a library, fixtures in `tests/conftest.py` hand them out."""
