"""The latest changes of one namespace, held in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from registry_server.storage.base import Change, CompactedError, Entry

KEPT: Final = 10_000
"""Changes of a namespace that are kept at least, on every backend (REG-CHG-03)."""

SLACK: Final = KEPT // 10
"""How many more there may be before the oldest are compacted: in chunks, so that a change costs no move."""


class History:
    """Changes without gaps, oldest first; ``floor`` is the revision before the first one held.

    Holds the latest ``kept`` at least, and at most ``slack`` more.
    """

    __slots__ = ("_changes", "_kept", "_slack", "floor")

    def __init__(self, floor: int = 0, *, kept: int = KEPT, slack: int = SLACK) -> None:
        self.floor = floor
        self._kept = kept
        self._slack = slack
        self._changes: list[Change] = []

    def add(self, change: Change) -> None:
        """Append the change after the last one; now and then the oldest go."""
        self._changes.append(change)
        if len(self._changes) > self._kept + self._slack:
            gone = len(self._changes) - self._kept
            del self._changes[:gone]
            self.floor += gone

    def since(self, revision: int, limit: int) -> list[Change]:
        """Up to ``limit`` changes after ``revision``, and the rest of the batch that the last one is of.

        Raises:
            CompactedError: some of them are gone.
        """
        if revision < self.floor:
            raise CompactedError(self.floor + len(self._changes))
        start = revision - self.floor
        found = self._changes[start : start + limit]
        if found and found[-1].revision < found[-1].last:
            found = self._changes[start : found[-1].last - self.floor]
        return found


def carrying(
    changes: list[Change], find: Callable[[str], Entry | None], *, max_bytes: int, max_value: int
) -> list[Change]:
    """``changes`` with the envelopes that are still their entries', as `StorageBackend.changes` has them."""
    carried: list[Change] = []
    for change in changes:
        entry = find(change.key) if change.op == "set" else None
        if entry is not None and entry.revision == change.revision:
            size = len(entry.envelope)
            if size <= max_value and size <= max_bytes:
                max_bytes -= size
                change = change._replace(envelope=entry.envelope)
        carried.append(change)
    return carried
