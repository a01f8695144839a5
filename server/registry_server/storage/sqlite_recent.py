"""The changes of the last moments, for the many who follow a namespace closely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from registry_server.storage.base import Change, CompactedError, Entry
from registry_server.storage.history import History, carrying
from registry_server.storage.sqlite_cache import EntryCache

_NAMESPACES: Final = 1_024
_CHANGES: Final = 256


class RecentChanges:
    """What was committed lately, for a bounded number of namespaces; without values, which the cache has."""

    __slots__ = ("_cache", "_histories")

    def __init__(self, cache: EntryCache) -> None:
        self._cache = cache
        self._histories: dict[str, History] = {}

    def add(self, namespace: str, changes: Sequence[Change]) -> None:
        """Note what a batch did; its first change follows upon the last one noted."""
        history = self._histories.pop(namespace, None)
        if history is None:
            history = History(changes[0].revision - 1, kept=_CHANGES, slack=_CHANGES)
        self._histories[namespace] = history  # last: those that were written longest ago go first
        for change in changes:
            history.add(change)
        if len(self._histories) > _NAMESPACES:
            del self._histories[next(iter(self._histories))]

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
