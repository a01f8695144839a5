"""What a batch of operations makes of the store: decided in Python, nothing written yet.

A draft starts from a namespace as it was last committed and takes the batch's operations one after the other.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from registry_server.storage.base import (
    ABSENT,
    ANY,
    BatchRemoved,
    BatchWritten,
    Change,
    Cleared,
    ConditionFailedError,
    Drop,
    Entry,
    Expect,
    Put,
    Refused,
    Removed,
    StorageError,
    Written,
)
from registry_server.storage.history import KEPT, SLACK
from registry_server.storage.rules import change_of, decide, decide_all, holds, remove_all, removed_keys
from registry_server.storage.weights import text_bytes


class Tip(NamedTuple):
    """A namespace as last committed.

    Entries with a revision up to ``floor`` went with a clear; changes up to ``compacted`` are no longer kept.
    """

    ident: int
    head: int
    size: int
    floor: int
    compacted: int


class Draft:
    """What a batch makes of one namespace; once committed, what the event loop has to take over."""

    __slots__ = (
        "_load",
        "changed",
        "changes",
        "cleared",
        "compacted",
        "floor",
        "head",
        "ident",
        "known",
        "name",
        "size",
        "tip",
    )

    def __init__(self, name: str, tip: Tip, load: Callable[[int, Entry], Entry]) -> None:
        self.name = name
        self.tip = tip
        self.ident, self.head, self.size, self.floor, self.compacted = tip
        self.cleared = False
        self.changes: list[Change] = []
        self.changed: dict[str, Entry | None] = {}
        self.known: dict[str, Entry | None] = {}
        self._load = load

    @property
    def dirty(self) -> bool:
        return self.head != self.tip.head

    @property
    def result(self) -> Tip:
        """What the namespace is once this is committed."""
        return Tip(self.ident, self.head, self.size, self.floor, self.compacted)

    def find(self, key: str) -> Entry | None:
        """The entry as the batch left it so far; without its envelope, where that was not at hand."""
        if key in self.changed:
            return self.changed[key]
        return None if self.cleared else self.known[key]

    def whole(self, key: str) -> Entry | None:
        """`find`, with the envelope."""
        entry = self.find(key)
        if entry is None or entry.envelope:
            return entry
        self.known[key] = entry = self._load(self.ident, entry)
        return entry

    def find_for(self, write: Put) -> Entry | None:
        """What `decide` has to see for ``write``: with its envelope only if it may matter."""
        entry = self.find(write.key)
        if entry is None or entry.envelope:
            return entry
        # Equal envelopes have equal digests, so another digest says "replaced" without reading the value.
        if entry.digest == write.value.digest or not holds(write.expect, entry):
            return self.whole(write.key)
        return entry

    def store(self, done: Written, last: int) -> None:
        """Note what was written; ``last`` is the head after all of its batch."""
        if done.outcome == "unchanged":
            return
        self.changed[done.entry.key] = done.entry
        self.changes.append(change_of(done.entry, last))
        self.head = done.head
        self.size += done.outcome == "created"

    def remove(self, key: str, now: str, last: int) -> None:
        self.changed[key] = None
        self.head += 1
        self.size -= 1
        self.changes.append(Change(self.head, "delete", key, "", now, last))

    def clear(self, now: str) -> int:
        count = self.size
        if count:
            self.head += 1
            self.changed, self.cleared, self.size, self.floor = {}, True, 0, self.head
            self.changes.append(Change(self.head, "clear", "", "", now, self.head))
        return count

    def compact(self) -> bool:
        """Move the watermark of what is kept, where it is due; whether it moved."""
        if self.head - self.compacted <= KEPT + SLACK:
            return False
        self.compacted = self.head - KEPT
        return True


class Job(ABC):
    """One queued operation. ``weight`` is about how many bytes it brings."""

    __slots__ = ("future", "namespace", "weight")

    future: asyncio.Future[Any]

    def __init__(self, namespace: str, weight: int = 0) -> None:
        self.namespace = namespace
        self.weight = weight

    @property
    def creates(self) -> bool:
        """Whether a namespace that there is not may come to be by it."""
        return False

    @abstractmethod
    def touches(self) -> Sequence[str]:
        """The keys whose entries `run` asks for."""

    def brings(self) -> Mapping[str, str]:
        """The digests of the values it brings, by key: an entry of another digest is another value."""
        return {}

    @abstractmethod
    def run(self, draft: Draft, now: str) -> object:
        """Decide, note the changes in ``draft``, and return the answer or the error that is the answer."""


_KEPT_DROP: Final = 200
"""Bytes that a delete of a batch takes beside its key."""


def _weight(write: Put) -> int:
    return len(write.value.envelope) + text_bytes(write.key)


class PutJob(Job):
    __slots__ = ("write",)

    def __init__(self, namespace: str, write: Put) -> None:
        super().__init__(namespace, _weight(write))
        self.write = write

    @property
    def creates(self) -> bool:
        return self.write.expect in (ANY, ABSENT)

    def touches(self) -> Sequence[str]:
        return (self.write.key,)

    def brings(self) -> Mapping[str, str]:
        return {self.write.key: self.write.value.digest}

    def run(self, draft: Draft, now: str) -> object:
        key, value, expect = self.write
        done = decide(key, value, expect, draft.find_for(self.write), draft.head, now)
        if isinstance(done, Refused):
            return ConditionFailedError(done.current, draft.head)
        draft.store(done, done.head)
        return done


class PutManyJob(Job):
    __slots__ = ("atomic", "writes")

    def __init__(self, namespace: str, writes: Sequence[Put], atomic: bool) -> None:
        super().__init__(namespace, sum(map(_weight, writes)))
        self.writes = writes
        self.atomic = atomic

    @property
    def creates(self) -> bool:
        return any(write.expect in (ANY, ABSENT) for write in self.writes)

    def touches(self) -> Sequence[str]:
        return [write.key for write in self.writes]

    def brings(self) -> Mapping[str, str]:
        return {write.key: write.value.digest for write in self.writes}

    def run(self, draft: Draft, now: str) -> object:
        outcomes = decide_all(self.writes, draft.find_for, draft.head, now)
        if self.atomic and any(isinstance(done, Refused) for done in outcomes):
            return BatchWritten(outcomes, draft.head, applied=False)
        written = [done for done in outcomes if isinstance(done, Written)]
        for done in written:
            draft.store(done, written[-1].head)
        return BatchWritten(outcomes, draft.head, applied=True)


class DeleteJob(Job):
    __slots__ = ("expect", "key")

    def __init__(self, namespace: str, key: str, expect: Expect) -> None:
        super().__init__(namespace)
        self.key = key
        self.expect = expect

    def touches(self) -> Sequence[str]:
        return (self.key,)

    def run(self, draft: Draft, now: str) -> object:
        current = draft.find(self.key)
        if not holds(self.expect, current):
            return ConditionFailedError(draft.whole(self.key), draft.head)
        if current is not None:
            draft.remove(self.key, now, draft.head + 1)
        return Removed(current is not None, draft.head)


class DeleteManyJob(Job):
    __slots__ = ("atomic", "drops")

    def __init__(self, namespace: str, drops: Sequence[Drop], atomic: bool) -> None:
        super().__init__(namespace, sum(_KEPT_DROP + text_bytes(drop.key) for drop in drops))
        self.drops = drops
        self.atomic = atomic

    def touches(self) -> Sequence[str]:
        return [drop.key for drop in self.drops]

    def run(self, draft: Draft, now: str) -> object:
        def find(drop: Drop) -> Entry | None:
            entry = draft.find(drop.key)
            return entry if holds(drop.expect, entry) else draft.whole(drop.key)

        outcomes = remove_all(self.drops, find, draft.head)
        if self.atomic and any(isinstance(done, Refused) for done in outcomes):
            return BatchRemoved(outcomes, draft.head, applied=False)
        gone = removed_keys(self.drops, outcomes)
        last = draft.head + len(gone)
        for key in gone:
            draft.remove(key, now, last)
        return BatchRemoved(outcomes, draft.head, applied=True)


class ClearJob(Job):
    __slots__ = ("head",)

    def __init__(self, namespace: str, head: int | None) -> None:
        super().__init__(namespace)
        self.head = head

    def touches(self) -> Sequence[str]:
        return ()

    def run(self, draft: Draft, now: str) -> object:
        if self.head not in (None, draft.head):
            return ConditionFailedError(None, draft.head)
        return Cleared(draft.clear(now), draft.head)


class Batch:
    """Operations that were committed, or failed, together; ``results`` answer ``jobs`` one by one."""

    __slots__ = ("applied", "drafts", "failed", "jobs", "results")

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs = jobs
        self.failed = False
        self.drafts: dict[str, Draft] = {}
        self.results: list[object] = []
        self.applied = False
        """Set by the event loop once its cache and heads hold what the batch did."""

    def dirty(self) -> list[Draft]:
        return [draft for draft in self.drafts.values() if draft.dirty]

    def fail(self, error: StorageError) -> None:
        self.drafts = {}
        self.doubt(error)

    def doubt(self, error: StorageError) -> None:
        """Answer every operation with ``error``, though the batch is committed and will be read."""
        self.failed = True
        self.results = [type(error)(*error.args) for _ in self.jobs]  # each waiter raises one of its own
