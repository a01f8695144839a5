"""Entries in this process's memory: for tests, trials and what may be lost.

Everything happens between two awaits of one event loop, so every method is atomic without a lock.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import uuid4

from registry_server.storage.base import (
    ANY,
    BatchRemoved,
    BatchWritten,
    Change,
    Changes,
    Cleared,
    ConditionFailedError,
    Drop,
    Entry,
    Expect,
    Listener,
    NamespaceInfo,
    Page,
    Put,
    Refused,
    Removed,
    StorageBackend,
    Stored,
    Totals,
    Written,
)
from registry_server.storage.history import History, carrying
from registry_server.storage.rules import (
    change_of,
    decide,
    decide_all,
    holds,
    remove_all,
    removed_keys,
    within,
)
from registry_server.storage.spaces import NotOpen, list_namespaces, sum_up
from registry_server.storage.times import Stamper

_DEAD_TO_COMPACT: Final = 64


class _Space:
    """One namespace: its entries by key, its head, its history, and the order in which the keys came to be.

    ``_born`` and ``_keys`` run side by side and are only ever appended to: a removed key stays in them as a
    dead pair (its entry is gone, or was created later) until half of the pairs are dead. So a page resumes by
    binary search, and a removal costs constant time in the long run.
    """

    __slots__ = ("_born", "_keys", "head", "history", "table")

    def __init__(self) -> None:
        self.head = 0
        self.table: dict[str, Entry] = {}
        self.history = History()
        self._born: list[int] = []
        self._keys: list[str] = []

    @property
    def size(self) -> int:
        return len(self.table)

    def store(self, written: Written, last: int) -> None:
        entry = written.entry
        self.table[entry.key] = entry
        self.head = written.head
        self.history.add(change_of(entry, last))
        if written.outcome == "created":
            self._born.append(entry.created)
            self._keys.append(entry.key)

    def remove(self, key: str, now: str, last: int) -> None:
        del self.table[key]
        self.head += 1
        self.history.add(Change(self.head, "delete", key, "", now, last))
        dead = len(self._keys) - len(self.table)
        if dead > _DEAD_TO_COMPACT and dead * 2 > len(self._keys):
            # A dict keeps a replaced key in its place and appends one that comes back: creation order.
            self._keys = list(self.table)
            self._born = [entry.created for entry in self.table.values()]

    def clear(self, now: str) -> int:
        count = len(self.table)
        if count:
            self.table, self._born, self._keys = {}, [], []
            self.head += 1
            self.history.add(Change(self.head, "clear", "", "", now, self.head))
        return count

    def since(self, created: int) -> Iterator[Entry]:
        """The living entries created after ``created``, in that order."""
        for index in range(bisect_right(self._born, created), len(self._born)):
            entry = self.table.get(self._keys[index])
            if entry is not None and entry.created == self._born[index]:
                yield entry


class MemoryBackend(StorageBackend):
    """A store that dies with its process; every `open` begins an empty one, with an epoch of its own.

    ``get`` is two dict lookups. ``page`` costs a binary search and a step for each entry it looks at, which
    with a ``prefix`` that few keys have can be the whole namespace (on the event loop). A delete now and then
    costs a pass over the namespace, at most one for every half of it deleted.
    """

    durable = False

    def __init__(self) -> None:
        self.epoch = ""
        self._spaces: dict[str, _Space] = NotOpen[_Space]()
        self._names: list[str] = []
        self._now = Stamper()
        self._listeners: list[Listener] = []

    @property
    def location(self) -> str:
        return "memory:"

    async def open(self) -> None:
        self.epoch = uuid4().hex
        self._spaces, self._names = {}, []

    async def close(self) -> None:
        self._spaces = NotOpen[_Space]()

    async def ping(self) -> None:
        self._spaces.get("")

    async def get(self, namespace: str, key: str) -> tuple[Entry | None, int]:
        space = self._spaces.get(namespace)
        if space is None:
            return None, 0
        return space.table.get(key), space.head

    async def contains(self, namespace: str, key: str) -> tuple[bool, int]:
        space = self._spaces.get(namespace)
        return (False, 0) if space is None else (key in space.table, space.head)

    async def count(self, namespace: str) -> tuple[int, int]:
        space = self._spaces.get(namespace)
        return (0, 0) if space is None else (len(space.table), space.head)

    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        space = self._spaces.get(namespace) or _Space()
        done = decide(key, value, expect, space.table.get(key), space.head, self._now())
        if isinstance(done, Refused):
            raise ConditionFailedError(done.current, space.head)
        if done.outcome != "unchanged":
            self._keep(namespace, space)
            space.store(done, done.head)
            self._tell(namespace)
        return done

    async def put_many(self, namespace: str, writes: Sequence[Put], *, atomic: bool = False) -> BatchWritten:
        space = self._spaces.get(namespace) or _Space()
        outcomes = decide_all(writes, lambda write: space.table.get(write.key), space.head, self._now())
        if atomic and any(isinstance(done, Refused) for done in outcomes):
            return BatchWritten(outcomes, space.head, applied=False)
        stored = [done for done in outcomes if isinstance(done, Written) and done.outcome != "unchanged"]
        for done in stored:
            self._keep(namespace, space)
            space.store(done, stored[-1].head)
        if stored:
            self._tell(namespace)
        return BatchWritten(outcomes, space.head, applied=True)

    async def delete(self, namespace: str, key: str, *, expect: Expect = ANY) -> Removed:
        space = self._spaces.get(namespace) or _Space()
        current = space.table.get(key)
        if not holds(expect, current):
            raise ConditionFailedError(current, space.head)
        if current is not None:
            space.remove(key, self._now(), space.head + 1)
            self._tell(namespace)
        return Removed(current is not None, space.head)

    async def get_many(
        self, namespace: str, keys: Sequence[str], *, max_bytes: int
    ) -> tuple[list[Entry | None], int]:
        space = self._spaces.get(namespace) or _Space()
        return within([space.table.get(key) for key in keys], max_bytes), space.head

    async def delete_many(
        self, namespace: str, drops: Sequence[Drop], *, atomic: bool = False
    ) -> BatchRemoved:
        space = self._spaces.get(namespace) or _Space()
        outcomes = remove_all(drops, lambda drop: space.table.get(drop.key), space.head)
        if atomic and any(isinstance(done, Refused) for done in outcomes):
            return BatchRemoved(outcomes, space.head, applied=False)
        gone = removed_keys(drops, outcomes)
        now, last = self._now(), space.head + len(gone)
        for key in gone:
            space.remove(key, now, last)
        if gone:
            self._tell(namespace)
        return BatchRemoved(outcomes, space.head, applied=True)

    async def clear(self, namespace: str, *, head: int | None = None) -> Cleared:
        space = self._spaces.get(namespace) or _Space()
        if head not in (None, space.head):
            raise ConditionFailedError(None, space.head)
        count = space.clear(self._now())
        if count:
            self._tell(namespace)
        return Cleared(count, space.head)

    async def page(
        self,
        namespace: str,
        *,
        prefix: str = "",
        after: int = 0,
        limit: int,
        max_bytes: int,
        values: bool = True,
    ) -> Page:
        space = self._spaces.get(namespace) or _Space()
        entries: list[Entry] = []
        room = max_bytes
        for entry in space.since(after):
            if not entry.key.startswith(prefix):
                continue
            room -= len(entry.envelope) if values else 0
            if len(entries) == limit or (entries and room < 0):
                return Page(entries, space.head, more=True)
            entries.append(entry if values else entry._replace(envelope=b""))
        return Page(entries, space.head, more=False)

    async def changes(
        self, namespace: str, since: int, *, limit: int, max_bytes: int, max_value: int
    ) -> Changes:
        space = self._spaces.get(namespace) or _Space()
        found = space.history.since(since, limit)
        return Changes(carrying(found, space.table.get, max_bytes=max_bytes, max_value=max_value), space.head)

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    async def namespaces(
        self, *, prefix: str = "", after: str = "", limit: int
    ) -> tuple[list[NamespaceInfo], bool]:
        self._spaces.get("")
        return list_namespaces(self._names, self._spaces, prefix=prefix, after=after, limit=limit)

    async def totals(self, *, largest: int) -> Totals:
        return sum_up(self._spaces, largest=largest)

    def _tell(self, namespace: str) -> None:
        for listener in self._listeners:
            listener(namespace)

    def _keep(self, namespace: str, space: _Space) -> None:
        if not space.head:
            self._spaces[namespace] = space
            insort(self._names, namespace)
