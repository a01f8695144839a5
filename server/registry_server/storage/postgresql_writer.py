"""One task that writes: many queued operations, one transaction, two round trips.

Each operation is decided in Python, against rows that are locked and read in the transaction and what the
batch did before it; then the batch's net changes go out in a statement or a few, with the COMMIT behind them.
Servers over one database take turns at the lock of a namespace's row; within one server nobody
waits for a lock, only for the batch before.

A connection that dies while COMMIT is on its way leaves open whether the batch was written. Nobody is told
that it was not: the writer finds out, by the token that it wrote along with the changes, from whatever server
it reaches next. Only if it reaches none does it say that it does not know.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from psycopg import Error

from registry_server.storage.base import (
    Entry,
    OutcomeUnknownError,
    StorageCounters,
    StorageError,
    StorageUnavailableError,
)
from registry_server.storage.batch import Batch, Draft, Job, Tip
from registry_server.storage.postgresql_heads import Head, Heads
from registry_server.storage.postgresql_link import Connection, Link, LostConnectionError, cut_after
from registry_server.storage.postgresql_tables import (
    begin,
    find_idents,
    holds_token,
    load,
    touched_by,
    write,
)
from registry_server.storage.times import Stamper

MAX_BATCH: Final = 256
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
MAX_QUEUED: Final = 8_192
MAX_QUEUED_BYTES: Final = 256 * 1024 * 1024

WRITE_SECONDS: Final = 15.0
SETTLE_SECONDS: Final = 3.0
"""How long the writer looks for a server that knows what became of a COMMIT."""

_SETTLE_PAUSE: Final = 0.1


class _Unsettled(Exception):
    """The connection died behind a COMMIT."""

    def __init__(self, drafts: list[Draft], token: int) -> None:
        super().__init__()
        self.drafts = drafts
        self.token = token


class Writer:
    """Takes jobs and answers their futures.

    Args:
        link: the way to the database.
        heads: where ids of namespaces are known, and where committed heads go.
        committed: called with each head that a batch has moved, after `heads` knows it, before the answers.
        counters: where batches are counted, committed and failed.
    """

    def __init__(
        self, link: Link, heads: Heads, committed: Callable[[Head], object], counters: StorageCounters
    ) -> None:
        self._link = link
        self._heads = heads
        self._committed = committed
        self._counters = counters
        self._queue: deque[Job] = deque()
        self._queued = 0
        self._queued_bytes = 0
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._now = Stamper()

    def submit(self, job: Job) -> asyncio.Future[Any]:
        """Queue ``job``; its future is answered after everything that was submitted before."""
        if self._closing or self._link.away:
            self._counters.errors += 1
            raise StorageUnavailableError(self._link.away or "the storage is not open")
        if self._queued >= MAX_QUEUED or self._queued_bytes >= MAX_QUEUED_BYTES:
            raise StorageUnavailableError(f"{self._queued} writes are waiting; try again later")
        self._queued += 1
        self._queued_bytes += job.weight
        job.future = asyncio.get_running_loop().create_future()
        self._queue.append(job)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="registry-postgresql-writer")
        return job.future

    @property
    def queued(self) -> int:
        """Jobs that are not answered."""
        return self._queued

    async def close(self) -> None:
        """Do what is queued, and take no more."""
        self._closing = True
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        while self._queue:
            batch = Batch(self._take())
            try:
                await self._commit(batch)
                self._counters.committed(len(batch.jobs))
            except StorageError as exc:
                self._fail(batch, exc)
            except Exception as exc:  # whatever it was, the next batch is tried
                self._fail(batch, StorageError(f"the write failed inside the server: {type(exc).__name__}"))
            self._answer(batch)

    def _fail(self, batch: Batch, error: StorageError) -> None:
        self._counters.errors += 1
        batch.fail(error)

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        weight = 0
        while self._queue and len(jobs) < MAX_BATCH and weight < MAX_BATCH_BYTES:
            job = self._queue.popleft()
            jobs.append(job)
            weight += job.weight
        return jobs

    def _answer(self, batch: Batch) -> None:
        for draft in batch.dirty():
            head = Head(draft.ident, draft.name, draft.head)
            self._heads.learn(head)
            self._committed(head)
        for job, result in zip(batch.jobs, batch.results, strict=True):
            self._queued -= 1
            self._queued_bytes -= job.weight
            if job.future.done():  # cancelled
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)

    async def _commit(self, batch: Batch) -> None:
        """Write ``batch``; tried once more where it is certain that nothing of it was written."""
        try:
            if await self._try(batch):
                return
        except LostConnectionError:
            pass
        if not await self._try(batch):
            raise StorageUnavailableError("the writes' connection died; nothing was written")

    async def _try(self, batch: Batch) -> bool:
        """Whether ``batch`` was written; if not, nothing of it was."""
        try:
            async with self._link.connection(WRITE_SECONDS) as connection:
                await self._transact(connection, batch)
            return True
        except _Unsettled as unsettled:
            return await self._settle(unsettled)

    async def _transact(self, connection: Connection, batch: Batch) -> None:
        idents = await self._identify(connection, batch.jobs)
        touched = {
            one: None
            for job in batch.jobs
            if job.namespace in idents
            for one in touched_by(job, idents[job.namespace])
        }
        tips, found = await begin(connection, list(idents.values()), touched)
        if gone := [name for name, ident in idents.items() if name not in tips or tips[name].ident != ident]:
            self._heads.forget(gone)
            await connection.close()
            raise LostConnectionError("namespaces are not where they were: the tables were replaced")
        known: dict[tuple[int, str], Entry] = {}
        for ident, entry in found:  # a key comes once for each digest that is brought to it
            if entry.envelope or (ident, entry.key) not in known:
                known[ident, entry.key] = entry
        await self._decide(connection, batch, tips, known)
        await self._write(connection, batch.dirty())

    async def _identify(self, connection: Connection, jobs: list[Job]) -> dict[str, int]:
        """The ids of the jobs' namespaces, where there are such, or there may come to be."""
        idents: dict[str, int] = {}
        unknown: dict[str, bool] = {}
        for job in jobs:
            ident = self._heads.ident(job.namespace)
            if ident is None:
                unknown[job.namespace] = unknown.get(job.namespace, False) or job.creates
            else:
                idents[job.namespace] = ident
        if unknown:
            create = [name for name, creates in unknown.items() if creates]
            for ident, name, head in await find_idents(connection, list(unknown), create=create):
                idents[name] = ident
                self._heads.learn(Head(ident, name, head))
        return idents

    async def _decide(
        self,
        connection: Connection,
        batch: Batch,
        tips: Mapping[str, Tip],
        known: dict[tuple[int, str], Entry],
    ) -> None:
        now = self._now()
        wanted = _run_jobs(batch, tips, known, now)
        if wanted:
            # Deciding is cheap and writes nothing: with the values that refusals carry, once more.
            for (ident, key), envelope in (await load(connection, wanted)).items():
                known[ident, key] = known[ident, key]._replace(envelope=envelope)
            _run_jobs(batch, tips, known, now)

    async def _write(self, connection: Connection, dirty: list[Draft]) -> None:
        if not dirty:
            await connection.execute("ROLLBACK")
            return
        token = secrets.randbits(63)
        try:
            said = await write(connection, dirty, token)
        except BaseException as exc:
            # An ERROR comes from a statement, and then COMMIT was passed over. All else may come after it.
            if isinstance(exc, Error) and exc.diag.severity_nonlocalized == "ERROR":
                raise
            await connection.close()
            raise _Unsettled(dirty, token) from exc
        if said != "COMMIT":
            raise StorageUnavailableError(f"PostgreSQL answered a COMMIT with {said}")
        if connection.identity != self._link.identity:
            raise _Unsettled(dirty, token)  # committed, on a server that was replaced meanwhile

    async def _settle(self, unsettled: _Unsettled) -> bool:
        """Whether the transaction was committed.

        Raises:
            OutcomeUnknownError: no server that could tell was reached in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        draft, token = unsettled.drafts[0], unsettled.token
        while True:
            try:
                connection = await self._link.connect()
                try:
                    with cut_after(connection, SETTLE_SECONDS):
                        return await holds_token(connection, draft, token)
                finally:
                    await connection.close()
            except Exception as exc:
                if loop.time() >= deadline:
                    raise OutcomeUnknownError(
                        f"the connection to {self._link.url.location} died while it committed; "
                        "whether this was written is not known: read before writing again"
                    ) from exc
                await asyncio.sleep(_SETTLE_PAUSE)


def _run_jobs(
    batch: Batch, tips: Mapping[str, Tip], known: Mapping[tuple[int, str], Entry], now: str
) -> list[tuple[int, str]]:
    """Decide every job anew; the entries whose envelopes are needed and were not at hand."""
    wanted: dict[tuple[int, str], None] = {}

    def want(ident: int, entry: Entry) -> Entry:
        wanted[ident, entry.key] = None
        return entry

    batch.drafts, batch.results = {}, []
    for job in batch.jobs:
        draft = batch.drafts.get(job.namespace)
        if draft is None:
            # One that there is not, and that no job of the batch may bring about, is empty and stays so.
            tip = tips.get(job.namespace, Tip(0, 0, 0, 0, 0))
            draft = batch.drafts[job.namespace] = Draft(job.namespace, tip, want)
        for key in job.touches():
            draft.known.setdefault(key, known.get((draft.ident, key)))
        batch.results.append(job.run(draft, now))
    return list(wanted)
