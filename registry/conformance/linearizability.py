"""Whether one order of writes explains what concurrent readers saw, key by key.

After J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects" (1993). Their search over all orders
is not needed here: every write says its revision, so the order of the writes is known, and each read only has
to find a place in it. To take the first free place for each read, in the order in which they began, finds one
for all of them if there is any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple


class Call(NamedTuple):
    """One call of one key.

    Attributes:
        begun, ended: when it was sent and when its answer was there, on one clock, in seconds.
        wrote: revision of the change that it made; None for a read, or for a delete that found nothing.
        value: what it stored or read; None for no entry.
        saw: revision that a read was told, where there was an entry.
    """

    key: str
    begun: float
    ended: float
    wrote: int | None
    value: str | None
    saw: int | None = None


def explain(calls: Iterable[Call]) -> str:
    """Why no order explains the calls; empty where one does."""
    history = sorted(calls, key=lambda call: call.begun)
    writes = sorted((call for call in history if call.wrote is not None), key=lambda call: call.wrote or 0)
    for earlier, later in pairwise(writes):
        if earlier.wrote == later.wrote:
            return f"two changes have the revision {earlier.wrote}"
    latest = 0.0
    for write in writes:
        if write.ended < latest:
            return f"revision {write.wrote} was answered before a change with a smaller one was asked for"
        latest = max(latest, write.begun)
    for key in sorted({call.key for call in history}):
        own = [call for call in history if call.key == key]
        reason = _explain_reads(
            [call for call in own if call.wrote is None], [call for call in writes if call.key == key]
        )
        if reason:
            return f"{key!r}: {reason}"
    return ""


def _explain_reads(reads: Sequence[Call], writes: Sequence[Call]) -> str:
    """Place each read after one of the writes; place 0 is before all of them."""
    placed: list[tuple[float, int]] = []  # when a read had ended, and where it was placed
    for read in reads:
        first = max((place for ended, place in placed if ended < read.begun), default=0)
        first = max(
            first, max((n for n, write in enumerate(writes, 1) if write.ended < read.begun), default=0)
        )
        last = max((n for n, write in enumerate(writes, 1) if write.begun < read.ended), default=0)
        place = next((n for n in range(first, last + 1) if _shows(read, writes[n - 1] if n else None)), None)
        if place is None:
            what = "no entry" if read.value is None else f"{read.value} at revision {read.saw}"
            return f"a read saw {what}, which was the state at no moment of it"
        placed.append((read.ended, place))
    return ""


def _shows(read: Call, write: Call | None) -> bool:
    """Whether the state after ``write`` is what the read saw."""
    if write is None or write.value is None:
        return read.value is None
    return read.value == write.value and read.saw == write.wrote
