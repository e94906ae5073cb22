"""Benchmarks on real parts: `python -m tests.benchmarks`. Their figures stand in docs/features/worker.md."""
