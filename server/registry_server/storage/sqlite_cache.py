"""The committed entries read or written lately, bounded by the memory they take."""

from __future__ import annotations

from typing import Final

from registry_server.storage.base import Entry
from registry_server.storage.weights import entry_bytes

LARGEST_CACHED: Final = 256 * 1024
"""Envelopes of more bytes are never held: a few of them would drive out thousands of small ones."""


class EntryCache:
    """Two generations of entries; a look-up that hits costs what a dict costs.

    An entry goes into the young generation. When that holds half of the limit, it becomes the old one and the
    former old one is forgotten; what is asked for in the meantime moves over. So what stays is what was used
    lately, as in an LRU list, without moving anything on a hit.

    Belongs to the event loop; other threads may only `peek`. Entries may outlive a ``clear`` of their
    namespace: who looks compares revisions with the namespace's floor.
    """

    __slots__ = ("_half", "_old", "_young_bytes", "young")

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._young_bytes = 0
        self._old: dict[tuple[str, str], Entry] = {}
        self.young: dict[tuple[str, str], Entry] = {}

    def get(self, namespace: str, key: str) -> Entry | None:
        """The entry, if it is held; one of the old generation becomes young."""
        entry = self.peek(namespace, key)
        if entry is not None and (namespace, key) not in self.young:
            self.put(namespace, entry)
        return entry

    def peek(self, namespace: str, key: str) -> Entry | None:
        """The entry, if it is held. Changes nothing, so any thread may ask."""
        name = (namespace, key)
        # Young first: the old generation may hold a former version of what the young one holds.
        return self.young.get(name) or self._old.get(name)

    def put(self, namespace: str, entry: Entry) -> None:
        """Hold ``entry``, in place of its former version."""
        name = (namespace, entry.key)
        if len(entry.envelope) > LARGEST_CACHED:
            self.drop(namespace, entry.key)
            return
        former = self.young.get(name)
        if former is not None:
            self._young_bytes -= entry_bytes(namespace, former)
        self._young_bytes += entry_bytes(namespace, entry)
        self.young[name] = entry
        if self._young_bytes > self._half:
            self._old, self.young, self._young_bytes = self.young, {}, 0

    def drop(self, namespace: str, key: str) -> None:
        """Forget the entry."""
        name = (namespace, key)
        former = self.young.pop(name, None)
        if former is not None:
            self._young_bytes -= entry_bytes(namespace, former)
        self._old.pop(name, None)
