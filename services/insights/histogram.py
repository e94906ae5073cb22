"""Durations on a fixed logarithmic scale, so that counts of any spans can be added up and still give percentiles.

Four buckets an octave: a percentile read from them is at most 9 % off (`PRECISION`).
"""

from collections.abc import Mapping
from math import ceil, floor, log2

_PER_OCTAVE = 4
PRECISION = 2 ** (1 / (2 * _PER_OCTAVE)) - 1
_SHORTEST_SECONDS = 0.001


def bucket_of(seconds: float) -> int:
    """The bucket that a duration falls into; 0 is anything under a millisecond."""
    if seconds < _SHORTEST_SECONDS:
        return 0
    return 1 + floor(_PER_OCTAVE * log2(seconds / _SHORTEST_SECONDS))


def percentile(runs: Mapping[int, int], share: float) -> float | None:
    """Seconds that this share (0 to 1) of the runs took at most, by the middle of its bucket; None where none ran."""
    rank, seen = ceil(share * sum(runs.values())), 0
    for bucket in sorted(runs):
        seen += runs[bucket]
        if seen >= max(rank, 1):
            return _middle(bucket)
    return None


def _middle(bucket: int) -> float:
    if bucket == 0:
        return 0.0
    return float(_SHORTEST_SECONDS * 2 ** ((bucket - 0.5) / _PER_OCTAVE))
