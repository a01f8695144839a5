"""A storage whose writes are written down: who, what, and what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from registry_server.access.audit import AuditLog
from registry_server.storage.base import (
    ANY,
    BatchRemoved,
    BatchWritten,
    Cleared,
    ConditionFailedError,
    Drop,
    Expect,
    Put,
    Refused,
    Removed,
    StorageBackend,
    StorageError,
    Stored,
    Written,
)

T = TypeVar("T")


class AuditedStorage:
    """Wraps a storage; what does not write goes straight through.

    Outcomes beside those of a write: ``refused`` by its condition, ``abandoned`` with the rest of an atomic
    batch, ``missing``, ``failed`` where the storage refused it, ``unknown`` where its answer never came.
    """

    def __init__(self, backend: StorageBackend, log: AuditLog) -> None:
        self._backend = backend
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        write = self._backend.put(namespace, key, value, expect=expect)
        written = await self._noted(write, namespace, [(key, value.digest)])
        self._log.note(
            namespace, written.outcome, key=key, revision=written.entry.revision, digest=written.entry.digest
        )
        return written

    async def put_many(self, namespace: str, writes: Sequence[Put], *, atomic: bool = False) -> BatchWritten:
        batch = self._backend.put_many(namespace, writes, atomic=atomic)
        offered = [(write.key, write.value.digest) for write in writes]
        written = await self._noted(batch, namespace, offered)
        for (key, digest), outcome in zip(offered, written.outcomes, strict=True):
            if isinstance(outcome, Refused):
                self._log.note(namespace, "refused", key=key, digest=digest)
            elif not written.applied:
                self._log.note(namespace, "abandoned", key=key, digest=digest)
            else:
                revision = outcome.entry.revision
                self._log.note(namespace, outcome.outcome, key=key, revision=revision, digest=digest)
        return written

    async def delete(self, namespace: str, key: str, *, expect: Expect = ANY) -> Removed:
        removed = await self._noted(
            self._backend.delete(namespace, key, expect=expect), namespace, [(key, None)]
        )
        self._note_removed(namespace, key, removed)
        return removed

    async def delete_many(
        self, namespace: str, drops: Sequence[Drop], *, atomic: bool = False
    ) -> BatchRemoved:
        batch = self._backend.delete_many(namespace, drops, atomic=atomic)
        removed = await self._noted(batch, namespace, [(drop.key, None) for drop in drops])
        for drop, outcome in zip(drops, removed.outcomes, strict=True):
            if isinstance(outcome, Refused):
                self._log.note(namespace, "refused", key=drop.key)
            elif not removed.applied:
                self._log.note(namespace, "abandoned", key=drop.key)
            else:
                self._note_removed(namespace, drop.key, outcome)
        return removed

    def _note_removed(self, namespace: str, key: str, removed: Removed) -> None:
        revision = removed.head if removed.existed else None
        self._log.note(namespace, "deleted" if removed.existed else "missing", key=key, revision=revision)

    async def clear(self, namespace: str, *, head: int | None = None) -> Cleared:
        cleared = await self._noted(self._backend.clear(namespace, head=head), namespace, [(None, None)])
        self._log.note(namespace, "cleared", revision=cleared.head, count=cleared.count)
        return cleared

    async def _noted(
        self, write: Awaitable[T], namespace: str, offered: Sequence[tuple[str | None, str | None]]
    ) -> T:
        """What ``write`` returns; where it raises, a line for each entry that it was about."""
        try:
            return await write
        except BaseException as error:
            for key, digest in offered:
                self._log.note(namespace, _failure(error), key=key, digest=digest)
            raise


def _failure(error: BaseException) -> str:
    if isinstance(error, ConditionFailedError):
        return "refused"
    return "failed" if isinstance(error, StorageError) else "unknown"
