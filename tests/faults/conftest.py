"""Faults are tried on the same desk and kinds as the worker's own tests."""

from tests.tasks.conftest import bench

__all__ = ["bench"]
