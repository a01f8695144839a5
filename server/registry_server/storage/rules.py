"""What a write does to an entry: one decision, for every backend that decides in Python.

Pure functions over the entry as it is: they read no clock, touch no store and can be tried without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from registry_server.storage.base import (
    ANY,
    PRESENT,
    Change,
    Drop,
    Entry,
    Expect,
    Put,
    Refused,
    Removed,
    Stored,
    Written,
)


def holds(expect: Expect, current: Entry | None) -> bool:
    """Whether the condition ``expect`` is true of ``current``."""
    if expect == ANY:
        return True
    # `ABSENT` is 0, the revision of nothing: one comparison serves it and every revision; `NEVER` is none.
    revision = 0 if current is None else current.revision
    return expect == revision or (expect == PRESENT and revision > 0)


def decide(
    key: str, value: Stored, expect: Expect, current: Entry | None, head: int, now: str
) -> Written | Refused:
    """What storing ``value`` does where the key holds ``current`` and the namespace's head is ``head``."""
    if expect != ANY and not holds(expect, current):
        return Refused(current)
    revision = head + 1
    envelope, digest = value
    if current is None:
        return Written("created", Entry(key, envelope, digest, revision, revision, now), revision)
    if current.envelope == envelope:
        return Written("unchanged", current, head)
    return Written("replaced", Entry(key, envelope, digest, revision, current.created, now), revision)


def decide_all(
    writes: Sequence[Put], find: Callable[[Put], Entry | None], head: int, now: str
) -> list[Written | Refused]:
    """What each of ``writes`` does, in order; no key comes twice, so none depends on another's entry."""
    outcomes: list[Written | Refused] = []
    for write in writes:
        done = decide(write.key, write.value, write.expect, find(write), head, now)
        if isinstance(done, Written):
            head = done.head
        outcomes.append(done)
    return outcomes


def remove_all(
    drops: Sequence[Drop], find: Callable[[Drop], Entry | None], head: int
) -> list[Removed | Refused]:
    """What each of ``drops`` does, in order; no key comes twice."""
    outcomes: list[Removed | Refused] = []
    for drop in drops:
        current = find(drop)
        if not holds(drop.expect, current):
            outcomes.append(Refused(current))
            continue
        head += current is not None
        outcomes.append(Removed(current is not None, head))
    return outcomes


def removed_keys(drops: Sequence[Drop], outcomes: Sequence[Removed | Refused]) -> list[str]:
    """The keys whose entries ``outcomes`` say are removed."""
    pairs = zip(drops, outcomes, strict=True)
    return [drop.key for drop, done in pairs if isinstance(done, Removed) and done.existed]


def change_of(entry: Entry, last: int | None = None) -> Change:
    """The change that stored ``entry``; ``last`` is the last one's revision where it came in a batch."""
    revision = entry.revision
    return Change(
        revision, "set", entry.key, entry.digest, entry.updated_at, revision if last is None else last
    )


def within(entries: Sequence[Entry | None], max_bytes: int) -> list[Entry | None]:
    """``entries`` without the envelopes that have no room in ``max_bytes``; the first one always has."""
    fitting: list[Entry | None] = []
    first = True
    for entry in entries:
        if entry is not None:
            max_bytes -= len(entry.envelope)
            if max_bytes < 0 and not first:
                entry = entry._replace(envelope=b"")
            first = False
        fitting.append(entry)
    return fitting
