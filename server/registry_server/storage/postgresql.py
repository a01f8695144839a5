"""Entries in PostgreSQL: any number of server processes over one database are one registry.

    event loop                                                  PostgreSQL
    ----------                                                  ----------
    put: queue a job                ── batch, one transaction ─>  lock heads, read, write, COMMIT
    get, contains, count, changes   ── rounds ────────────────>  one statement for all who ask meanwhile
    listeners                      <── NOTIFY, and a look each second

Reads always go to the database. A write that another server acknowledged has to be seen by every read that
begins afterwards, and no memory of this process can know that there was none: what NOTIFY tells may be on its
way. That holds for a poll of an idle namespace too. What makes them cheap is that all polls and look-ups of a
moment share one statement, which begins after each of them did (`rounds`); known heads (`postgresql_heads`)
only ever shorten the way to what is certain to be new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Error

from registry_server.storage.base import (
    ANY,
    BatchRemoved,
    BatchWritten,
    Changes,
    Cleared,
    CompactedError,
    Drop,
    Entry,
    Expect,
    Listener,
    NamespaceInfo,
    Page,
    Put,
    Removed,
    StorageBackend,
    StorageCounters,
    StorageError,
    StorageSetupError,
    StorageUnavailableError,
    Stored,
    Totals,
    Written,
)
from registry_server.storage.batch import ClearJob, DeleteJob, DeleteManyJob, Job, PutJob, PutManyJob
from registry_server.storage.postgresql_heads import Heads
from registry_server.storage.postgresql_link import Connection, Link, cut_after, read_identity
from registry_server.storage.postgresql_reader import (
    Found,
    Lookup,
    Since,
    list_namespaces,
    read_changes,
    read_entries,
    read_heads,
    read_many,
    read_page,
    sum_up,
)
from registry_server.storage.postgresql_schema import check_server, migrate
from registry_server.storage.postgresql_url import parse_url
from registry_server.storage.postgresql_watch import Ears, Voice
from registry_server.storage.postgresql_watch import read_heads as learn_heads
from registry_server.storage.postgresql_writer import Writer
from registry_server.storage.rounds import Rounds

_OPENING_SECONDS = 90.0
"""Longer than a server waits for another one that migrates."""


class PostgresqlBackend(StorageBackend):
    """A store in one schema of a PostgreSQL database; a write is answered after COMMIT.

    Args:
        url: ``postgresql://...``, as `postgresql_url` has it.

    Writes of concurrent callers share a transaction, look-ups a statement: a write costs two round trips and
    PostgreSQL's flush to disk, a look-up one round trip, whether one caller or a hundred wait for it. While
    the database is away, operations are refused at once, or after 2 s at most. One connection listens and
    sees what is wrong; at most 8 serve.

    The names and heads of all namespaces are held in memory, some 300 bytes each, and looked over once a
    second, in the database (about 10 ms for 100,000 of them).
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self.durable = not self._url.allow_volatile
        self._heads = Heads()
        self._counters = StorageCounters()
        self._link = Link(self._url, self._heads.forget, self._counters)
        self._opened = False
        self._make_parts()

    def _make_parts(self) -> None:
        link = self._link
        self._ears = Ears(link, self._heads)
        self._voice = Voice(link)
        self._writer = Writer(link, self._heads, self._voice.announce, self._counters)
        self._lookups: Rounds[Lookup, Found] = Rounds(lambda asked: read_entries(link, asked), lanes=2)
        self._infos: Rounds[str, NamespaceInfo] = Rounds(lambda names: read_heads(link, names))
        self._changes: Rounds[Since, Changes | CompactedError] = Rounds(self._read_changes)

    @property
    def location(self) -> str:
        return self._url.location

    @property
    def epoch(self) -> str:  # type: ignore[override]  # an attribute elsewhere; nobody sets it from outside
        identity = self._link.identity
        return "" if identity is None else identity.epoch

    async def open(self) -> None:
        if self._opened:
            raise StorageSetupError(f"{self.location} is open already")
        try:
            connection = await self._link.connect(configured=False)
        except StorageError as exc:
            raise StorageSetupError(f"{exc}; see that it runs, and that the URL is right") from exc
        try:
            with cut_after(connection, _OPENING_SECONDS):
                await self._prepare(connection)
        except Error as exc:
            raise StorageSetupError(f"{self.location} cannot be used: {exc}") from exc
        finally:
            await connection.close()
        self._make_parts()
        await self._link.open()
        self._ears.start()
        self._opened = True

    async def close(self) -> None:
        """Finish what was begun: writes that were accepted are committed and answered, later ones refused."""
        await self._writer.close()
        await self._voice.close()
        await self._ears.close()
        for rounds in (self._lookups, self._infos, self._changes):
            await rounds.close()
        await self._link.close()
        self._heads.forget()
        self._opened = False

    async def ping(self) -> None:
        await self._link.rows("SELECT 1", [])

    async def get(self, namespace: str, key: str) -> tuple[Entry | None, int]:
        return await self._lookups.ask(Lookup(namespace, key, whole=True))

    async def contains(self, namespace: str, key: str) -> tuple[bool, int]:
        entry, head = await self._lookups.ask(Lookup(namespace, key, whole=False))
        return entry is not None, head

    async def count(self, namespace: str) -> tuple[int, int]:
        info = await self._infos.ask(namespace)
        return info.entries, info.head

    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        written: Written = await self._submit(PutJob(namespace, Put(key, value, expect)))
        return written

    async def put_many(self, namespace: str, writes: Sequence[Put], *, atomic: bool = False) -> BatchWritten:
        written: BatchWritten = await self._submit(PutManyJob(namespace, writes, atomic))
        return written

    async def delete(self, namespace: str, key: str, *, expect: Expect = ANY) -> Removed:
        removed: Removed = await self._submit(DeleteJob(namespace, key, expect))
        return removed

    async def get_many(
        self, namespace: str, keys: Sequence[str], *, max_bytes: int
    ) -> tuple[list[Entry | None], int]:
        return await read_many(self._link, namespace, keys, max_bytes)

    async def delete_many(
        self, namespace: str, drops: Sequence[Drop], *, atomic: bool = False
    ) -> BatchRemoved:
        removed: BatchRemoved = await self._submit(DeleteManyJob(namespace, drops, atomic))
        return removed

    async def clear(self, namespace: str, *, head: int | None = None) -> Cleared:
        cleared: Cleared = await self._submit(ClearJob(namespace, head))
        return cleared

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
        return await read_page(self._link, namespace, prefix, after, limit, max_bytes, values)

    async def changes(
        self, namespace: str, since: int, *, limit: int, max_bytes: int, max_value: int
    ) -> Changes:
        if since >= self._heads.head(namespace):
            # Nothing new that we know of: ask, along with all others who wait for something.
            info = await self._infos.ask(namespace)
            if since >= info.head:
                return Changes([], info.head)
        found = await self._changes.ask(Since(namespace, since, limit, max_bytes, max_value))
        if isinstance(found, CompactedError):
            raise CompactedError(found.head)
        return found

    def subscribe(self, listener: Listener) -> None:
        self._heads.subscribe(listener)

    async def namespaces(
        self, *, prefix: str = "", after: str = "", limit: int
    ) -> tuple[list[NamespaceInfo], bool]:
        return await list_namespaces(self._link, prefix, after, limit)

    async def totals(self, *, largest: int) -> Totals:
        return await sum_up(self._link, largest)

    def counters(self) -> StorageCounters:
        self._counters.queued = self._writer.queued
        return self._counters

    async def _prepare(self, connection: Connection) -> None:
        self.durable = await check_server(connection, allow_volatile=self._url.allow_volatile)
        await migrate(connection, self._url.schema)
        self._link.identity = await read_identity(connection)
        await learn_heads(connection, self._heads)

    async def _submit(self, job: Job) -> Any:
        if not self._opened:
            raise StorageUnavailableError("the storage is not open")
        return await self._writer.submit(job)

    async def _read_changes(self, asked: Sequence[Since]) -> Mapping[Since, Changes | CompactedError]:
        return {one: await read_changes(self._link, one) for one in asked}
