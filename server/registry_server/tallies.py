"""What is counted of requests: plain numbers, for it happens with every one of them."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

SECONDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0
)  # fmt: skip
"""Upper bounds of the buckets; the last one is above the longest that a watch waits."""

_SHORT: Final = SECONDS[0]

_STATUSES: Final = 600
"""One more than the largest status of HTTP: a list is counted in faster than a dictionary."""


class Tally:
    """The requests of one operation that were answered: how many, by status, and how long they took."""

    __slots__ = ("by_status", "in_bucket", "seconds")

    def __init__(self) -> None:
        self.by_status = [0] * _STATUSES
        self.in_bucket = [0] * (len(SECONDS) + 1)
        """How many took up to each of `SECONDS` and more than the one before; then, how many took longer."""
        self.seconds = 0.0

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.in_bucket)

    def note(self, status: int, seconds: float) -> None:
        """Count one request."""
        self.by_status[status] += 1
        # Nearly every one is in the first bucket: no search for those.
        self.in_bucket[0 if seconds <= _SHORT else bisect_left(SECONDS, seconds)] += 1
        self.seconds += seconds
