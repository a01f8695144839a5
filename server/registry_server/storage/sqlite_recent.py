"""The changes of the last moments, for the many who follow a namespace closely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from registry_server.storage.base import Change, CompactedError, Entry
from registry_server.storage.history import History, carrying
from registry_server.storage.sqlite_cache import EntryCache
from registry_server.storage.weights import change_bytes

_NAMESPACES: Final = 1_024
_CHANGES: Final = 256
_BYTES: Final = 32 * 1024 * 1024
"""Of the changes of all namespaces; some 60,000 with short keys."""


class _Weighed(History):
    """A history that knows how many bytes it takes."""

    __slots__ = ("bytes",)

    def __init__(self, floor: int) -> None:
        super().__init__(floor, kept=_CHANGES, slack=_CHANGES)
        self.bytes = 0

    def add(self, change: Change) -> None:
        floor = self.floor
        super().add(change)
        if self.floor == floor:
            self.bytes += change_bytes(change)
        else:  # the oldest went
            self.bytes = sum(map(change_bytes, self._changes))


class RecentChanges:
    """The latest commits, bounded by namespaces and bytes; without values, which the cache has."""

    __slots__ = ("_bytes", "_cache", "_histories")

    def __init__(self, cache: EntryCache) -> None:
        self._cache = cache
        self._histories: dict[str, _Weighed] = {}
        self._bytes = 0

    def add(self, namespace: str, changes: Sequence[Change]) -> None:
        """Note what a batch did; its first change follows upon the last one noted."""
        history = self._histories.pop(namespace, None)
        if history is None:
            history = _Weighed(changes[0].revision - 1)
        self._bytes -= history.bytes
        self._histories[namespace] = history  # last: those that were written longest ago go first
        for change in changes:
            history.add(change)
        self._bytes += history.bytes
        while len(self._histories) > _NAMESPACES or (self._bytes > _BYTES and len(self._histories) > 1):
            self._bytes -= self._histories.pop(next(iter(self._histories))).bytes

    def since(
        self, namespace: str, revision: int, floor: int, *, limit: int, max_bytes: int, max_value: int
    ) -> list[Change] | None:
        """The changes after ``revision``, as `StorageBackend.changes` has them; None: the file has to tell.

        ``floor`` is the revision of the namespace's last clear: values set before it are gone.
        """
        history = self._histories.get(namespace)
        if history is None:
            return None
        try:
            found = history.since(revision, limit)
        except CompactedError:
            return None
        entries: dict[str, Entry] = {}
        for change in found:
            if change.op != "set" or change.revision <= floor:
                continue
            entry = self._cache.get(namespace, change.key)
            if entry is None:  # removed since, or too large, or just not held: the file knows
                return None
            entries[change.key] = entry
        return carrying(found, entries.get, max_bytes=max_bytes, max_value=max_value)
