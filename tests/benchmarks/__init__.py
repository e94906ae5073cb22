"""Benchmarks on real parts: `python -m tests.benchmarks`. The figures and how they are made: docs/features/worker.md."""
