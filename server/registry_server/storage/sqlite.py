"""Entries in one SQLite file on a local disk, owned by one process.

    event loop                                    writer thread
    ----------                                    -------------
    put: queue a job, wait        ── jobs ──>     decide all that is queued, BEGIN, write, COMMIT
    apply: heads, cache, answers  <── batch ──    hand the batch back, one wake-up for all of it
    get: cache, else the file

The file is never behind what the event loop has applied, and ahead of it only between a COMMIT and its
batch's turn on the loop. A read that finds the file ahead waits for that turn before it answers: else its
reader could next be served an older entry from the cache, and go back in time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from bisect import insort
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

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
from registry_server.storage.batch import (
    Batch,
    ClearJob,
    DeleteJob,
    DeleteManyJob,
    Draft,
    Job,
    PutJob,
    PutManyJob,
    Tip,
)
from registry_server.storage.rules import within
from registry_server.storage.spaces import NotOpen, list_namespaces, sum_up
from registry_server.storage.sqlite_cache import EntryCache
from registry_server.storage.sqlite_file import SqliteFile, translate
from registry_server.storage.sqlite_reader import read_changes, read_many, read_page, read_small, read_whole
from registry_server.storage.sqlite_recent import RecentChanges
from registry_server.storage.sqlite_writer import Writer, read_tips

T = TypeVar("T")

_SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")
_READERS: Final = 2
_FORBIDDEN: Final = (AttributeError, TypeError, UnicodeError)
"""What a value brings about that the schema forbids, and that a damaged file may hold."""
_MAX_QUEUED: Final = 8_192
_MAX_QUEUED_BYTES: Final = 256 * 1024 * 1024
_CACHE_BYTES: Final = 64 * 1024 * 1024


class SqliteBackend(StorageBackend):
    """A store in one file, for one server process; a write is answered after COMMIT.

    Args:
        path: the file, created where there is none; beside it lie ``-wal``, ``-shm`` and ``.lock``. Its
            directory has to exist, on a local file system.
        synchronous: SQLite's pragma. With ``FULL`` and ``EXTRA`` a write that returned survives a loss of
            power; with ``NORMAL`` the death of the process only, with ``OFF`` not even the file may survive
            a power cut.

    Writes of concurrent callers share a COMMIT. When that fails, all of them fail and nothing of them is
    kept. A caller that is cancelled while it waits does not know whether its write happens. Once a file was
    deleted or replaced under the store, writes are refused until it is opened again; reads go on.

    Entries used lately are served from memory, 64 MiB at most, at about the cost of `MemoryBackend`. Others
    are read on the event loop up to 256 KiB (some 10 us from the page cache, less than a thread's hand-over
    costs; a slow disk shows), larger ones and pages in threads. The names and heads of all namespaces are
    held in memory, some 300 bytes each. A page with a prefix that over 1,000 keys have may look at every key
    of the namespace.
    """

    # Set by `open`; reached only behind a look into `_spaces` or `_writer`, which refuses while it is not
    # open.
    _loop: asyncio.AbstractEventLoop
    _drained: asyncio.Future[None]
    _cache: EntryCache
    _recent: RecentChanges
    _pool: ThreadPoolExecutor
    _reader: sqlite3.Connection
    _readers: list[sqlite3.Connection]

    def __init__(self, path: str | Path, *, synchronous: str = "FULL") -> None:
        if synchronous.upper() not in _SYNCHRONOUS:
            raise StorageSetupError(f"synchronous is one of {', '.join(_SYNCHRONOUS)}, not {synchronous!r}")
        self.durable = synchronous.upper() in ("FULL", "EXTRA")
        self.epoch = ""
        self._file = SqliteFile(Path(path), synchronous.upper())
        self._spaces: dict[str, Tip] = NotOpen()
        self._names: list[str] = []
        self._writer: Writer | None = None
        self._closing: asyncio.Task[None] | None = None
        self._queued = 0
        self._queued_bytes = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._listeners: list[Listener] = []
        self._counters = StorageCounters()

    @property
    def location(self) -> str:
        return f"sqlite:///{self._file.path}"

    async def open(self) -> None:
        if self._writer is not None:
            raise StorageSetupError(f"{self.location} is open already")
        self._loop = asyncio.get_running_loop()
        connection, tips = await asyncio.to_thread(self._open_files)
        self._cache = EntryCache(_CACHE_BYTES)
        self._recent = RecentChanges(self._cache)
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="registry-sqlite-reader")
        self._drained = self._loop.create_future()
        self._closing = None
        self._writer = Writer(
            connection,
            self._file.path,
            self._file.held,
            dict(tips),
            self._cache,
            self._deliver,
            self._deliver_the_end,
        )
        self._spaces, self._names = tips, sorted(tips)
        self._writer.start()

    async def close(self) -> None:
        """Finish what was begun: writes that were accepted are committed and answered, later ones refused."""
        if self._writer is None:
            return
        if self._closing is None:
            self._writer.stop()
            self._closing = self._loop.create_task(self._shut())
        await asyncio.shield(self._closing)

    async def ping(self) -> None:
        self._spaces.get("")
        self._file.held.check()
        self._read_here(lambda connection: connection.execute("SELECT epoch FROM store").fetchone())

    async def get(self, namespace: str, key: str) -> tuple[Entry | None, int]:
        space = self._spaces.get(namespace)
        if space is None:
            return None, 0
        entry = self._cache.young.get((namespace, key))
        if entry is not None and entry.revision > space.floor:
            return entry, space.head
        return await self._find(namespace, space, key)

    async def contains(self, namespace: str, key: str) -> tuple[bool, int]:
        space = self._spaces.get(namespace)
        if space is None:
            return False, 0
        entry, head = self._recall(namespace, space, key), space.head
        if entry is None and space.size:
            entry, head = self._read_here(lambda connection: read_small(connection, space.ident, key))
            await self._reached(self._spaces, namespace, head)
        return entry is not None, head

    async def count(self, namespace: str) -> tuple[int, int]:
        space = self._spaces.get(namespace)
        return (0, 0) if space is None else (space.size, space.head)

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
        spaces = self._spaces
        space = spaces.get(namespace)
        if space is None or not space.size:
            return [None] * len(keys), 0 if space is None else space.head
        held = [self._recall(namespace, space, key) for key in keys]
        if None not in held:
            return within(held, max_bytes), space.head
        ident = space.ident
        found, head = await self._read_aside(lambda connection: read_many(connection, ident, keys, max_bytes))
        await self._reached(spaces, namespace, head)
        return found, head

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
        spaces = self._spaces
        space = spaces.get(namespace)
        if space is None or not space.size:
            return Page([], 0 if space is None else space.head, more=False)
        ident = space.ident
        page = await self._read_aside(
            lambda connection: read_page(connection, ident, prefix, after, limit, max_bytes, values)
        )
        await self._reached(spaces, namespace, page.head)
        return page

    async def changes(
        self, namespace: str, since: int, *, limit: int, max_bytes: int, max_value: int
    ) -> Changes:
        spaces = self._spaces
        space = spaces.get(namespace)
        if space is None or since >= space.head:
            return Changes([], 0 if space is None else space.head)
        if since < space.compacted:
            raise CompactedError(space.head)
        recent = self._recent.since(
            namespace, since, space.floor, limit=limit, max_bytes=max_bytes, max_value=max_value
        )
        if recent is not None:
            return Changes(recent, space.head)
        ident = space.ident
        found = await self._read_aside(
            lambda connection: read_changes(
                connection, ident, since, limit=limit, max_bytes=max_bytes, max_value=max_value
            )
        )
        await self._reached(spaces, namespace, found.head)
        return found

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    async def namespaces(
        self, *, prefix: str = "", after: str = "", limit: int
    ) -> tuple[list[NamespaceInfo], bool]:
        self._spaces.get("")
        return list_namespaces(self._names, self._spaces, prefix=prefix, after=after, limit=limit)

    async def totals(self, *, largest: int) -> Totals:
        return sum_up(self._spaces, largest=largest)

    def counters(self) -> StorageCounters:
        self._counters.queued = self._queued
        return self._counters

    # Opening and closing

    def _open_files(self) -> tuple[sqlite3.Connection, dict[str, Tip]]:
        connection = self._file.prepare()
        try:
            [self.epoch] = connection.execute("SELECT epoch FROM store").fetchone()
            tips = read_tips(connection)
            self._reader = self._file.connect_reader()
            self._readers = [self._file.connect_reader() for _ in range(_READERS)]
        except (sqlite3.Error, *_FORBIDDEN) as exc:
            connection.close()
            self._file.release()
            raise self._file.unusable(exc) from exc
        return connection, tips

    async def _shut(self) -> None:
        await self._drained
        self._spaces = (
            NotOpen()
        )  # from here on reads are refused too, and none of them can find a closed file
        await asyncio.to_thread(self._close_files)
        self._writer = None

    def _close_files(self) -> None:
        self._pool.shutdown(wait=True)
        # The writer's connection goes last: the last one to close merges the log, and that has to be the one
        # that writes it.
        for reader in (self._reader, *self._readers):
            reader.close()
        if self._writer is not None:
            self._writer.close()
        self._file.release()

    # Writing: from the event loop to the writer and back

    def _submit(self, job: Job) -> asyncio.Future[Any]:
        writer = self._writer
        if writer is None or self._closing is not None:
            raise StorageUnavailableError("the storage is not open")
        if self._queued >= _MAX_QUEUED or self._queued_bytes >= _MAX_QUEUED_BYTES:
            raise StorageUnavailableError(f"{self._queued} writes are waiting for the disk; try again later")
        self._queued += 1
        self._queued_bytes += job.weight
        job.future = self._loop.create_future()
        writer.submit(job)
        return job.future

    def _deliver(self, batch: Batch) -> None:
        self._call_soon(self._apply, batch)

    def _deliver_the_end(self) -> None:
        self._call_soon(self._drained.set_result, None)

    def _call_soon(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            return  # the loop was closed without `close`: nobody is left to be told

    def _apply(self, batch: Batch) -> None:
        """Take over what was committed, then answer: a client that knows of a write never reads around it."""
        for draft in batch.drafts.values():
            if draft.dirty:
                self._take_over(draft)
        batch.applied = True
        if batch.failed:
            self._counters.errors += 1
        else:
            self._counters.committed(len(batch.jobs))
        for job, result in zip(batch.jobs, batch.results, strict=True):
            self._queued_bytes -= job.weight
            if job.future.done():  # cancelled
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        self._queued -= len(batch.jobs)
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)

    def _take_over(self, draft: Draft) -> None:
        name = draft.name
        if name not in self._spaces:
            insort(self._names, name)
        self._spaces[name] = draft.result
        for key, entry in draft.changed.items():
            if entry is None:
                self._cache.drop(name, key)
            else:
                self._cache.put(name, entry)
        self._recent.add(name, draft.changes)
        for listener in self._listeners:
            listener(name)

    # Reading

    def _recall(self, namespace: str, space: Tip, key: str) -> Entry | None:
        entry = self._cache.get(namespace, key)
        return entry if entry is not None and entry.revision > space.floor else None

    async def _find(self, namespace: str, space: Tip, key: str) -> tuple[Entry | None, int]:
        entry = self._recall(namespace, space, key)
        if entry is not None or not space.size:
            return entry, space.head
        spaces, ident = self._spaces, space.ident
        entry, head = self._read_here(lambda connection: read_small(connection, ident, key))
        if entry is not None and not entry.envelope:
            entry, head = await self._read_aside(lambda connection: read_whole(connection, ident, key))
        elif entry is not None and head == space.head:
            # Nothing came between the look at the head and this line, neither here, for there was no await,
            # nor in the file, for its head is the same: what was read is what is applied, and may be kept.
            self._cache.put(namespace, entry)
        await self._reached(spaces, namespace, head)
        return entry, head

    def _read_here(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Read on the event loop; what takes as long as a hand-over to a thread, or less."""
        try:
            return read(self._reader)
        except sqlite3.Error as exc:
            raise self._failed(exc) from exc

    async def _read_aside(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Read in a thread."""

        def work() -> T:
            reader = self._readers.pop()  # as many as the pool has threads, so there is always one
            try:
                return read(reader)
            finally:
                self._readers.append(reader)

        try:
            return await self._loop.run_in_executor(self._pool, work)
        except sqlite3.Error as exc:
            raise self._failed(exc) from exc

    def _failed(self, exc: sqlite3.Error) -> StorageError:
        self._counters.errors += 1
        return translate(exc, self._file.path)

    async def _reached(self, spaces: dict[str, Tip], namespace: str, head: int) -> None:
        """Wait until what was read in the file, at ``head``, is applied here as well."""
        while spaces[namespace].head < head:
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            await waiter
