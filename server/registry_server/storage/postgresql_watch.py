"""Hearing of other servers' writes, and telling them of ours.

A write is announced after its COMMIT, outside of its transaction: NOTIFY within one makes all COMMITs of a
database queue up behind each other. So a server that dies in between announces nothing, and a connection that
is cut hears nothing; therefore the heads are read again after every (re)connection and each second. NOTIFY
makes it fast, reading makes it sure.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from psycopg import Error, sql

from registry_server.storage.base import StorageError
from registry_server.storage.postgresql_heads import BUCKETS, Head, Heads, heads_of, notices
from registry_server.storage.postgresql_link import Connection, Link, LostConnectionError, cut_after

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
"""How long a change may go unheard where its NOTIFY was lost."""

_RETRY_SECONDS: Final = 0.2
_HANGS_SECONDS: Final = 5.0

# One look over all namespaces, and then only at the groups that have moved.
_SUMS: Final = f"SELECT id & {BUCKETS - 1}, sum(head)::bigint FROM namespaces GROUP BY 1"
_HEADS: Final = f"SELECT id, name, head FROM namespaces WHERE id & {BUCKETS - 1} = ANY(%s)"


def channel_of(schema: str) -> str:
    return f"namestead_{schema}"


async def read_heads(connection: Connection, heads: Heads) -> None:
    """Learn of every namespace that has moved."""
    cursor = await connection.execute(_SUMS, prepare=True, binary=True)
    moved = heads.differing(await cursor.fetchall())
    if moved:
        cursor = await connection.execute(_HEADS, [moved], prepare=True, binary=True)
        for row in await cursor.fetchall():
            heads.learn(Head(*row))


class Ears:
    """The one connection that listens; it is also who finds out that the database is away, or back."""

    def __init__(self, link: Link, heads: Heads) -> None:
        self._link = link
        self._heads = heads
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="registry-postgresql-listener")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except (StorageError, Error) as exc:
                log.info("listening to %s ended: %s", self._link.url.location, exc)
            except Exception:
                log.exception("listening to %s failed", self._link.url.location)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        try:
            connection = await self._link.connect()
        except LostConnectionError:
            raise  # to be tried again, before anybody else is told
        except StorageError as exc:
            self._link.away = str(exc)
            raise
        try:
            channel = channel_of(self._link.url.schema)
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            await self._link.set_reached()
            # What leads to a history that ended meanwhile is left, as every connection of the pool is.
            while connection.identity == self._link.identity:
                with cut_after(connection, _HANGS_SECONDS):
                    await read_heads(connection, self._heads)
                async for notice in connection.notifies(timeout=POLL_SECONDS):
                    for head in heads_of(notice.payload):
                        self._heads.learn(head)
        finally:
            await connection.close()


class Voice:
    """Announces our writes: what comes while one notice is on its way goes with the next."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pending: dict[str, Head] = {}
        self._task: asyncio.Task[None] | None = None

    def announce(self, head: Head) -> None:
        self._pending[head.name] = head
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._say(), name="registry-postgresql-notifier")

    async def close(self) -> None:
        """Say what is to be said."""
        if self._task is not None:
            await self._task

    async def _say(self) -> None:
        channel = channel_of(self._link.url.schema)
        while self._pending:
            heads, self._pending = list(self._pending.values()), {}
            try:
                await self._link.rows(
                    "SELECT pg_notify(%s, notice) FROM unnest(%s::text[]) AS n (notice)",
                    [channel, list(notices(heads))],
                )
            except StorageError as exc:
                # The others find out by reading, within `POLL_SECONDS`.
                log.info("a notice was lost: %s", exc)
