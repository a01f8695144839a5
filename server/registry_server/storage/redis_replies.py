"""What the scripts answer, as the values of `StorageBackend`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from registry_server.storage.base import (
    BatchRemoved,
    BatchWritten,
    Change,
    Changes,
    CompactedError,
    Drop,
    Entry,
    NamespaceInfo,
    Page,
    Put,
    Refused,
    Removed,
    Written,
)

Reply = Sequence[Any]
"""An array of Redis: integers, bytes, None and arrays."""


def entry_of(key: str, record: bytes, envelope: bytes) -> Entry:
    """The entry of a record, ``<revision> <created> <updated_at> <digest>``."""
    revision, created, updated_at, digest = record.decode().split(" ", 3)
    return Entry(key, envelope, digest, int(revision), int(created), updated_at)


def written_of(reply: Reply, writes: Sequence[Put]) -> BatchWritten:
    """What ``put.lua`` did."""
    applied, head, _, outcomes = reply
    pairs = zip(writes, outcomes, strict=True)
    return BatchWritten([_written(write, outcome) for write, outcome in pairs], head, bool(applied))


def _written(write: Put, outcome: Reply) -> Written | Refused:
    kind = outcome[0].decode()
    if kind == "refused":
        return _refused(write.key, outcome)
    return Written(kind, entry_of(write.key, outcome[1], write.value.envelope), outcome[2])


def removed_of(reply: Reply, drops: Sequence[Drop]) -> BatchRemoved:
    """What ``delete.lua`` did."""
    applied, head, _, outcomes = reply
    pairs = zip(drops, outcomes, strict=True)
    return BatchRemoved([_removed(drop, outcome) for drop, outcome in pairs], head, bool(applied))


def _removed(drop: Drop, outcome: Reply) -> Removed | Refused:
    if outcome[0] == b"refused":
        return _refused(drop.key, outcome)
    return Removed(outcome[0] == b"deleted", outcome[1])


def _refused(key: str, outcome: Reply) -> Refused:
    return Refused(entry_of(key, outcome[1], outcome[2]) if len(outcome) > 1 else None)


def entries_of(reply: Reply, keys: Iterable[str]) -> tuple[list[Entry | None], int]:
    """What ``get.lua`` found."""
    head, *found = reply
    pairs = zip(keys, found, strict=True)
    return [None if one is None else entry_of(key, *one) for key, one in pairs], head


def page_of(reply: Reply) -> Page:
    """What ``page.lua`` found."""
    head, more, found = reply
    return Page(
        [entry_of(key.decode(), record, envelope) for key, record, envelope in found], head, bool(more)
    )


def changes_of(reply: Reply) -> Changes:
    """What ``changes.lua`` found.

    Raises:
        CompactedError: some of it is gone.
    """
    head, compacted, found = reply
    if compacted:
        raise CompactedError(head)
    return Changes([_change(*one) for one in found], head)


def _change(
    revision: int, op: bytes, key: bytes, digest: bytes, updated_at: bytes, last: int, envelope: bytes
) -> Change:
    return Change(
        revision,
        op.decode(),  # type: ignore[arg-type]  # one of the three that our scripts write
        key.decode(),
        digest.decode(),
        updated_at.decode(),
        last,
        envelope,
    )


def infos_of(found: Iterable[Reply]) -> list[NamespaceInfo]:
    """Namespaces as ``namespaces.lua`` and ``totals.lua`` name them."""
    return [NamespaceInfo(name.decode(), entries, head) for name, entries, head in found]
