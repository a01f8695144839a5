"""The thread that writes: many queued operations, one transaction, one answer to the event loop.

Each operation is decided in Python, against what the writer knows is committed and what the batch did before
it; only then the batch's net changes go to SQLite, in a handful of statements. Two things follow:

*   No operation needs a savepoint. One that fails its condition has written nothing, and nothing is written
    before all are decided, so the only thing that can be rolled back is the batch.
*   The interpreter's lock changes hands a few times per batch, not a few times per operation. Every call into
    SQLite releases it, and a busy event loop gives it back only every 5 ms.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from registry_server.storage.base import Entry, OutcomeUnknownError, StorageError
from registry_server.storage.batch import Batch, Draft, Job, Tip
from registry_server.storage.held_files import HeldFiles
from registry_server.storage.sqlite_cache import EntryCache
from registry_server.storage.sqlite_file import translate
from registry_server.storage.times import Stamper

MAX_BATCH: Final = 256
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
_ROWS: Final = 64
"""Rows per statement; below SQLite's least limit of 999 parameters."""
_IDLE_SECONDS: Final = 1.0
"""Between two looks at the files while nothing is written."""
_CHECKPOINT_BYTES: Final = 16 * 1024 * 1024
_TRUNCATE_BYTES: Final = 128 * 1024 * 1024
_COMPACT: Final = "DELETE FROM changes WHERE namespace = ? AND revision <= ?"


class Writer:
    """Owns the only connection that writes, and the thread it does so in.

    Args:
        held: the files that the connection has open.
        tips: every namespace as committed; the writer takes the dict as its own.
        recent: the event loop's cache, for entries that need not be read from the file again.
        deliver: called from the writer's thread with every batch, committed or failed, in order.
        finished: called from the writer's thread after the last batch.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        held: HeldFiles,
        tips: dict[str, Tip],
        recent: EntryCache,
        deliver: Callable[[Batch], object],
        finished: Callable[[], object],
    ) -> None:
        self._connection = connection
        self._path = path
        self._held = held
        self._tips = tips
        self._next_ident = 1 + max((tip.ident for tip in tips.values()), default=0)
        self._recent = recent
        self._deliver = deliver
        self._finished = finished
        self._ahead: deque[Batch] = deque()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._stopping = False
        self._log_bytes = 0
        self._now = Stamper()
        self._thread = threading.Thread(target=self._run, name="registry-sqlite-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue ``job``; its turn comes after everything submitted before."""
        self._queue.put(job)

    def stop(self) -> None:
        """Do what is queued, then end."""
        self._queue.put(None)

    def close(self) -> None:
        """Wait for the thread and close its connection, which merges the log; once no reader is open."""
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._stopping:
            jobs = self._take()
            if jobs:
                self._deliver(self._commit(jobs))
                self._checkpoint_if_due()  # after the answer: nobody waits for it but the next batch
        self._finished()

    def _take(self) -> list[Job]:
        """What is queued now, up to a batch; waits for the first, never for more."""
        jobs: list[Job] = []
        weight = 0
        while len(jobs) < MAX_BATCH and weight < MAX_BATCH_BYTES:
            if jobs and self._queue.empty():
                break
            job = self._next()
            if job is None:
                self._stopping = True
                break
            jobs.append(job)
            weight += job.weight
        return jobs

    def _next(self) -> Job | None:
        while True:
            try:
                return self._queue.get(timeout=_IDLE_SECONDS)
            except Empty:
                with suppress(StorageError):  # it is noted, and refuses the next write
                    self._held.check()

    def _commit(self, jobs: list[Job]) -> Batch:
        batch = Batch(jobs)
        try:
            self._held.check_known()
            self._connection.execute("BEGIN IMMEDIATE")
            self._decide(batch)
            dirty = batch.dirty()
            self._write(dirty)
            self._connection.execute("COMMIT")
        except (
            Exception
        ) as exc:  # whatever it was, the thread lives on and nobody is told that it was written
            self._give_up(batch, exc)
        else:
            # Answers are on their way only after this, so the next batch always knows more than any client.
            self._tips.update((draft.name, draft.result) for draft in dirty)
            self._ahead.append(batch)
            self._check_kept(batch)
        return batch

    def _check_kept(self, batch: Batch) -> None:
        """Answer no write that went to a file without its name."""
        try:
            self._held.check()
        except StorageError as exc:
            batch.doubt(OutcomeUnknownError(str(exc)))

    def _give_up(self, batch: Batch, exc: Exception) -> None:
        if isinstance(exc, sqlite3.Error):
            batch.fail(translate(exc, self._path))
        elif isinstance(exc, StorageError):
            batch.fail(exc)
        else:
            batch.fail(StorageError(f"the write failed inside the server: {type(exc).__name__}"))
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # Then the next BEGIN fails and comes here again, until the storage lets a rollback through.
            return

    def _decide(self, batch: Batch) -> None:
        while self._ahead and self._ahead[0].applied:
            self._ahead.popleft()
        self._prefetch(batch)
        now = self._now()
        for job in batch.jobs:
            batch.results.append(job.run(batch.drafts[job.namespace], now))

    def _prefetch(self, batch: Batch) -> None:
        missing: dict[str, list[str]] = {}
        for job in batch.jobs:
            draft = batch.drafts.get(job.namespace) or self._draft(batch, job.namespace)
            for key in job.touches():
                if key not in draft.known and not self._recall(draft, key):
                    draft.known[key] = None
                    missing.setdefault(draft.name, []).append(key)
        for name, keys in missing.items():
            draft = batch.drafts[name]
            for chunk in _chunks(keys):
                self._read(draft, chunk)

    def _draft(self, batch: Batch, namespace: str) -> Draft:
        tip = self._tips.get(namespace)
        if tip is None:
            tip = Tip(self._next_ident, 0, 0, 0, 0)
            self._next_ident += 1
        draft = batch.drafts[namespace] = Draft(namespace, tip, self._load)
        return draft

    def _recall(self, draft: Draft, key: str) -> bool:
        """Whether the committed entry is known without asking SQLite; if so, note it."""
        if not draft.size:
            draft.known[key] = None
            return True
        # Committed, but the event loop, whose cache comes next, may not have heard of it yet: latest first.
        for batch in reversed(self._ahead):
            later = batch.drafts.get(draft.name)
            if later is not None and (later.cleared or key in later.changed):
                draft.known[key] = later.changed.get(key)
                return True
        entry = self._recent.peek(draft.name, key)
        if entry is None or entry.revision <= draft.floor:
            return False
        draft.known[key] = entry
        return True

    def _read(self, draft: Draft, keys: Sequence[str]) -> None:
        parameters = [draft.ident, *(key.encode() for key in keys)]
        for key, created, revision, updated_at, digest in self._connection.execute(
            _select_entries(len(keys)), parameters
        ):
            text = key.decode()
            draft.known[text] = Entry(text, b"", digest, revision, created, updated_at)

    def _load(self, ident: int, entry: Entry) -> Entry:
        """``entry`` with its envelope: nothing of the batch is written yet, so the file still holds it."""
        [envelope] = self._connection.execute(
            "SELECT envelope FROM entries WHERE namespace = ? AND key = ?", (ident, entry.key.encode())
        ).fetchone()
        return entry._replace(envelope=envelope)

    def _write(self, drafts: list[Draft]) -> None:
        execute = self._connection.execute
        for draft in drafts:
            if draft.cleared and draft.tip.size:
                execute("DELETE FROM entries WHERE namespace = ?", (draft.ident,))
            elif not draft.cleared:
                gone = [key.encode() for key, entry in draft.changed.items() if entry is None]
                for chunk in _chunks(gone):
                    execute(_delete_entries(len(chunk)), [draft.ident, *chunk])
        for rows in _chunks([row for draft in drafts for row in _rows(draft)]):
            execute(_upsert_entries(len(rows)), [field for row in rows for field in row])
            self._log_bytes += sum(8192 + len(row[-1]) for row in rows)
        for changes in _chunks([row for draft in drafts for row in _changes(draft)]):
            execute(_insert_changes(len(changes)), [field for row in changes for field in row])
            self._log_bytes += 256 * len(changes)
        for draft in drafts:
            if draft.compact():
                execute(_COMPACT, (draft.ident, draft.compacted))
        for some in _chunks(drafts):
            heads = [field for draft in some for field in _head(draft)]
            execute(_upsert_namespaces(len(some)), heads)

    def _checkpoint_if_due(self) -> None:
        """Merge the log into the file, from the one connection that also writes it.

        A second connection that checkpoints while this one writes can lose a reset log (SQLite before
        3.51.3).
        """
        if self._log_bytes < _CHECKPOINT_BYTES:
            return
        self._log_bytes = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            log = self._path.with_name(self._path.name + "-wal")
            if log.stat().st_size > _TRUNCATE_BYTES:
                # Readers that follow closely upon each other keep the log from starting over: wait for a gap.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (sqlite3.Error, OSError):
            return  # no room, say: the log keeps everything, and the next round tries again


def read_tips(connection: sqlite3.Connection) -> dict[str, Tip]:
    """Every namespace of the file."""
    rows = connection.execute("SELECT name, id, head, size, compacted FROM namespaces")
    return {
        name.decode(): Tip(ident, head, size, 0, compacted) for name, ident, head, size, compacted in rows
    }


Row = tuple[int, bytes, int, int, str, str, bytes]
ChangeRow = tuple[int, int, str, bytes, str, str, int]
T = TypeVar("T")


def _rows(draft: Draft) -> list[Row]:
    ident = draft.ident
    return [
        (
            ident,
            entry.key.encode(),
            entry.created,
            entry.revision,
            entry.updated_at,
            entry.digest,
            entry.envelope,
        )
        for entry in draft.changed.values()
        if entry is not None
    ]


def _changes(draft: Draft) -> list[ChangeRow]:
    ident = draft.ident
    return [
        (ident, revision, op, key.encode(), digest, updated_at, last)
        for revision, op, key, digest, updated_at, last, _ in draft.changes
    ]


def _head(draft: Draft) -> tuple[int, bytes, int, int, int]:
    return draft.ident, draft.name.encode(), draft.head, draft.size, draft.compacted


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _ROWS] for start in range(0, len(items), _ROWS))


@cache
def _select_entries(count: int) -> str:
    return (
        "SELECT key, created, revision, updated_at, digest FROM entries "
        f"WHERE namespace = ? AND key IN ({_marks(count)})"
    )


@cache
def _delete_entries(count: int) -> str:
    return f"DELETE FROM entries WHERE namespace = ? AND key IN ({_marks(count)})"


@cache
def _upsert_entries(count: int) -> str:
    # A key that went and came back within one batch has a new place in the order, hence `created` among
    # these.
    return (
        "INSERT INTO entries (namespace, key, created, revision, updated_at, digest, envelope) "
        f"VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?)'] * count)} "
        "ON CONFLICT (namespace, key) DO UPDATE SET created = excluded.created, "
        "revision = excluded.revision, updated_at = excluded.updated_at, "
        "digest = excluded.digest, envelope = excluded.envelope"
    )


@cache
def _insert_changes(count: int) -> str:
    return (
        "INSERT INTO changes (namespace, revision, op, key, digest, updated_at, last) "
        f"VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?)'] * count)}"
    )


@cache
def _upsert_namespaces(count: int) -> str:
    return (
        "INSERT INTO namespaces (id, name, head, size, compacted) "
        f"VALUES {', '.join(['(?, ?, ?, ?, ?)'] * count)} ON CONFLICT (id) DO UPDATE SET "
        "head = excluded.head, size = excluded.size, compacted = excluded.compacted"
    )


def _marks(count: int) -> str:
    return ", ".join("?" * count)
