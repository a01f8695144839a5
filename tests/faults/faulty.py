"""Servers with a defect, to show that the checks would find it.

``python -m tests.faults.faulty [OPTIONS] FAULT``, with the options of ``python -m registry``; over SQLite.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import count
from typing import Any

from registry.cli import main
from registry_server.storage.base import (
    ANY,
    BatchWritten,
    Changes,
    ConditionFailedError,
    Entry,
    Expect,
    Put,
    Removed,
    Stored,
    Written,
)
from registry_server.storage.sqlite import SqliteBackend
from registry_server.storage.sqlite_file import SqliteFile

get, put, put_many = SqliteBackend.get, SqliteBackend.put, SqliteBackend.put_many
delete, changes, prepare = SqliteBackend.delete, SqliteBackend.changes, SqliteFile.prepare

STALE_SECONDS = 0.05
_old: dict[tuple[str, str], tuple[float, tuple[Entry | None, int]]] = {}
_turns = count(1)


async def stale_read(self: SqliteBackend, namespace: str, key: str) -> tuple[Entry | None, int]:
    """A cache in front that no write reaches; an answer is kept for 50 ms."""
    now = asyncio.get_running_loop().time()
    kept = _old.get((namespace, key))
    if kept is None or now - kept[0] > STALE_SECONDS:
        kept = _old[namespace, key] = now, await get(self, namespace, key)
    return kept[1]


async def lost_write(
    self: SqliteBackend, namespace: str, key: str, value: Stored, *, expect: Expect = ANY
) -> Written:
    """One write in forty is answered and not done."""
    if next(_turns) % 40 or expect != ANY:
        return await put(self, namespace, key, value, expect=expect)
    _, head = await self.count(namespace)
    return Written("created", Entry(key, *value, head + 1, head + 1, ""), head + 1)


async def condition_before_lock(
    self: SqliteBackend, namespace: str, key: str, value: Stored, *, expect: Expect = ANY
) -> Written:
    """The condition is looked at, and then the write waits for its turn."""
    if expect != ANY:
        current, head = await get(self, namespace, key)
        if (current.revision if current else 0) != expect:
            raise ConditionFailedError(current, head)
        await asyncio.sleep(0.002)
    return await put(self, namespace, key, value)


def revision_reused(self: SqliteFile) -> Any:
    """At a start the last change is forgotten, and its revision given again."""
    connection = prepare(self)
    for ident, head in connection.execute("SELECT id, head FROM namespaces WHERE head > 1").fetchall():
        connection.execute("DELETE FROM changes WHERE namespace = ? AND revision = ?", (ident, head))
        connection.execute("UPDATE namespaces SET head = head - 1 WHERE id = ?", (ident,))
    return connection


async def batch_in_two(
    self: SqliteBackend, namespace: str, writes: Sequence[Put], *, atomic: bool = False
) -> BatchWritten:
    """A batch is two transactions, so that others come between, and its half may be all that stays."""
    half = len(writes) // 2
    first = await put_many(self, namespace, writes[:half], atomic=atomic)
    await asyncio.sleep(0.002)
    second = await put_many(self, namespace, writes[half:], atomic=atomic)
    return BatchWritten([*first.outcomes, *second.outcomes], second.head, second.applied)


async def batch_answered_early(
    self: SqliteBackend, namespace: str, writes: Sequence[Put], *, atomic: bool = False
) -> BatchWritten:
    """A batch is answered as soon as it is queued: its own writer reads what was before."""
    _, head = await self.count(namespace)

    async def later() -> None:
        await asyncio.sleep(0.01)
        await put_many(self, namespace, writes, atomic=atomic)

    self.later = asyncio.create_task(later())  # type: ignore[attr-defined]
    outcomes = [
        Written("created", Entry(write.key, *write.value, head + n, head + n, ""), head + n)
        for n, write in enumerate(writes, 1)
    ]
    return BatchWritten(outcomes, head + len(writes), True)  # type: ignore[arg-type]


async def watch_skips(self: SqliteBackend, namespace: str, since: int, **bounds: int) -> Changes:
    """Under load, where more than three changes come at once, one of them is passed over."""
    found, head = await changes(self, namespace, since, **bounds)
    return Changes(found[:1] + found[2:] if len(found) > 3 else found, head)


async def double_write(
    self: SqliteBackend, namespace: str, key: str, value: Stored, *, expect: Expect = ANY
) -> Written:
    """Now and then a write is sent again, as if its answer had been lost; meanwhile another came."""
    written = await put(self, namespace, key, value, expect=expect)
    if not next(_turns) % 40:
        await delete(self, namespace, key)
        await put(self, namespace, key, value)
    return written


async def delete_before_commit(
    self: SqliteBackend, namespace: str, key: str, *, expect: Expect = ANY
) -> Removed:
    """A delete is answered before it is done."""
    current, head = await get(self, namespace, key)
    if current is None or expect != ANY:
        return await delete(self, namespace, key, expect=expect)
    asyncio.get_running_loop().call_later(0.01, lambda: asyncio.ensure_future(delete(self, namespace, key)))
    return Removed(True, head + 1)


FAULTS = {
    "stale_read": (SqliteBackend, "get", stale_read),
    "lost_write": (SqliteBackend, "put", lost_write),
    "condition_before_lock": (SqliteBackend, "put", condition_before_lock),
    "revision_reused": (SqliteFile, "prepare", revision_reused),
    "batch_in_two": (SqliteBackend, "put_many", batch_in_two),
    "batch_answered_early": (SqliteBackend, "put_many", batch_answered_early),
    "watch_skips": (SqliteBackend, "changes", watch_skips),
    "double_write": (SqliteBackend, "put", double_write),
    "delete_before_commit": (SqliteBackend, "delete", delete_before_commit),
}

if __name__ == "__main__":
    setattr(*FAULTS[sys.argv.pop()])
    main()
