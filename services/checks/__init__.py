"""Preflight tests that policies are composed of. A kind names them in its policy; `retry/plan_checks.py` makes them."""

from services.checks.input import input_in_storage
from services.checks.space import free_disk_space, owner_quota, remote_size_limit, size_at
from services.checks.state import not_a_torrent, not_running, service_answers

__all__ = [
    "free_disk_space",
    "input_in_storage",
    "not_a_torrent",
    "not_running",
    "owner_quota",
    "remote_size_limit",
    "service_answers",
    "size_at",
]
