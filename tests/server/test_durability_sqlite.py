"""What an answered write survives, and what a write that failed leaves behind: nothing.

Killed processes, torn logs, full disks, commits that fail.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from registry_server.storage import batch, sqlite, sqlite_writer
from registry_server.storage.base import (
    Entry,
    Put,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
    Written,
)
from registry_server.storage.sqlite import SqliteBackend
from registry_server.testing import stored
from registry_server.testing.values import all_entries

WRITERS = 8
KILLS = 6
ANSWERS_PER_LIFE = 400

CHILD = """
import asyncio, json, os, random, sys
from registry_server.storage.base import Put
from registry_server.storage.sqlite import SqliteBackend
from registry_server.testing.values import stored

life = int(sys.argv[2])

def answer(*changes):
    # One system call, so that a kill cannot tear it: the parent reads all of an answer or nothing.
    os.write(1, "".join(json.dumps(change) + "\\n" for change in changes).encode())

async def write(backend, writer):
    number = 0
    chance = random.Random(f"{life} {writer}")
    while True:
        number += 1
        data = f"{life}.{writer}.{number}"
        key = f"{writer}.{chance.randrange(20)}"
        kind = chance.random()
        if kind < 0.2:
            removed = await backend.delete("space", key)
            if removed.existed:
                answer((key, removed.head, None))
        elif kind < 0.3:
            keys = [f"{writer}.batch.{index}" for index in range(5)]
            done = await backend.put_many("space", [Put(one, stored(data)) for one in keys])
            answer(*((one, written.entry.revision, data) for one, written in zip(keys, done.outcomes)))
        else:
            written = await backend.put("space", key, stored(data))
            answer((key, written.head, data))

async def main():
    backend = SqliteBackend(sys.argv[1])
    await backend.open()
    await asyncio.gather(*(write(backend, writer) for writer in range(int(sys.argv[3]))))

asyncio.run(main())
"""

Answer = tuple[str, int, str | None]
"""A key, the revision of its change, and the data that was put; None where it was deleted."""


def _live_and_die(path: Path, life: int) -> list[Answer]:
    """Let a process write until it has answered often enough, kill it, and return all that it answered."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CHILD, str(path), str(life), str(WRITERS)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(ANSWERS_PER_LIFE)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    return [tuple(json.loads(line)) for line in lines]


async def _read(path: Path) -> tuple[dict[str, Entry], int]:
    backend = SqliteBackend(path)
    await backend.open()
    entries = {entry.key: entry for entry in await all_entries(backend, "space")}
    size, head = await backend.count("space")
    assert size == len(entries)
    await backend.close()
    return entries, head


Lines = dict[str, tuple[int, bytes]]


def _lines(entries: dict[str, Entry]) -> Lines:
    return {key: (entry.revision, entry.envelope) for key, entry in entries.items()}


def _follow(lines: Lines, answers: list[Answer]) -> Lines:
    """``lines`` after what was answered."""
    followed = dict(lines)
    for key, revision, data in answers:
        if data is None:
            followed.pop(key, None)
        else:
            followed[key] = (revision, stored(data).envelope)
    return followed


def _check_unanswered(differing: set[str], found: Lines, answers: list[Answer]) -> None:
    """What differs from the answers is, for each writer, the one write that it had no answer to."""
    last = {key.split(".")[0]: revision for key, revision, _ in answers}
    for writer in {key.split(".")[0] for key in differing}:
        own = [key for key in differing if key.split(".")[0] == writer]
        assert len(own) == 1 or (len(own) == 5 and all(".batch." in key for key in own)), own
        assert all(found[key][0] > last.get(writer, 0) for key in own if key in found), "a write came back"


async def test_no_answered_write_is_lost_to_a_kill(tmp_path: Path) -> None:
    """Eight writers, killed in the middle of their writing, six times over one file.

    Every change that the head counts is either answered or visible as one that was in flight: so revisions
    are dense, and nothing was lost, doubled or invented.
    """
    path = tmp_path / "registry.db"
    lines, head = Lines(), 0
    for life in range(KILLS):
        answers = _live_and_die(path, life)
        revisions = [revision for _, revision, _ in answers]

        entries, new_head = await _read(path)

        found, expected = _lines(entries), _follow(lines, sorted(answers, key=lambda answer: answer[1]))
        differing = {key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)}
        assert len(set(revisions)) == len(revisions) >= ANSWERS_PER_LIFE
        assert head < min(revisions) <= max(revisions) <= new_head
        assert new_head - head == len(revisions) + len(differing)
        _check_unanswered(differing, found, answers)
        lines, head = found, new_head


async def test_a_torn_log_leaves_whole_batches_only(tmp_path: Path) -> None:
    """The log cut off anywhere, as by a power cut: what opens is the state after some batch."""
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()
    keys = [f"{index}" for index in range(5)]
    for number in range(12):
        await backend.put_many("space", [Put(key, stored(f"{number}" + "x" * 700)) for key in keys])
    log = (tmp_path / "registry.db-wal").read_bytes()
    database = (tmp_path / "registry.db").read_bytes()
    await backend.close()

    heads = set()
    for length in range(0, len(log) + 1, max(1, len(log) // 40)):
        torn = tmp_path / f"torn {length}"
        torn.mkdir()
        (torn / "registry.db").write_bytes(database)
        (torn / "registry.db-wal").write_bytes(log[:length])
        entries, head = await _read(torn / "registry.db") if length > 8_000 else ({}, 0)
        assert len({entry.envelope for entry in entries.values()}) <= 1
        assert (len(entries), head % 5) in ((5, 0), (0, 0))
        heads.add(head)
        shutil.rmtree(torn)
    assert len(heads) > 5, "the cuts all fell into one batch: the test is blind"


class Interposed:
    """Stands before the writer's connection: a gate that holds its commits, and faults that they meet."""

    def __init__(self, backend: SqliteBackend) -> None:
        assert backend._writer is not None
        self._writer = backend._writer
        self.connection = backend._writer._connection
        self.commits = 0
        self.faults: list[sqlite3.Error] = []
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        backend._writer._connection = self  # type: ignore[assignment]

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        if statement == "COMMIT":
            self.waiting.set()
            self.gate.wait()
            self.commits += 1
            if self.faults:
                raise self.faults.pop(0)
        return self.connection.execute(statement, parameters)

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[SqliteBackend]:
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()
    yield backend
    await backend.close()


def _fault(code: int) -> sqlite3.Error:
    fault = sqlite3.OperationalError("disk I/O error")
    fault.sqlite_errorcode = code
    return fault


async def test_if_a_commit_fails_all_of_its_batch_fails_and_nothing_shows(
    backend: SqliteBackend, tmp_path: Path
) -> None:
    kept = (await backend.put("space", "kept", stored(1))).entry
    interposed = Interposed(backend)
    interposed.faults = [_fault(sqlite3.SQLITE_IOERR_FSYNC)] * 10
    writes = [backend.put("space", f"{n}", stored(n)) for n in range(20)]
    writes += [backend.put("space", "kept", stored(2)), backend.put("new.space", "key", stored(1))]

    results = await asyncio.gather(*writes, backend.delete("space", "kept"), return_exceptions=True)

    assert all(isinstance(one, StorageUnavailableError) for one in results)
    assert len({id(one) for one in results}) == len(results), (
        "one exception raised at two places mixes their traces"
    )
    interposed.faults.clear()
    assert await backend.get("space", "kept") == (kept, 1)
    assert await all_entries(backend, "space") == [kept]
    assert [info.namespace for info in (await backend.namespaces(limit=9))[0]] == ["space"]
    assert (await backend.put("new.space", "key", stored(1))).head == 1
    assert (await backend.put("space", "0", stored(0))).head == 2, "a failed write used up a revision"


async def test_an_error_of_ours_fails_the_batch_and_the_writer_lives_on(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(batch, "decide", fail)
        with pytest.raises(StorageError, match="ZeroDivisionError"):
            await backend.put("space", "key", stored(1))

    assert (await backend.put("space", "key", stored(1))).head == 1


async def test_a_full_disk_refuses_writes_serves_reads_and_recovers(backend: SqliteBackend) -> None:
    """Full as SQLite sees it: the file may have no more pages."""
    assert backend._writer is not None
    connection = backend._writer._connection
    before = [(await backend.put("space", f"{n}", stored("x" * 2_000))).entry for n in range(10)]
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")

    for _ in range(3):
        with pytest.raises(StorageFullError, match="no room"):
            await backend.put("space", "large", stored("x" * 300_000))
    with pytest.raises(StorageFullError):
        await backend.put_many("space", [Put(f"{n}", stored("y" * 100_000)) for n in range(10)])

    assert await backend.get("space", "0") == (before[0], 10)
    assert await all_entries(backend, "space") == before
    await backend.ping()
    connection.execute("PRAGMA max_page_count = 1073741823")
    written = await backend.put("space", "large", stored("x" * 300_000))
    assert written.head == 11
    assert await all_entries(backend, "space") == [*before, written.entry]


async def test_writers_that_wait_together_share_a_commit(backend: SqliteBackend) -> None:
    """While one commit is under way, 600 writes queue up: they need three more, not 600."""
    interposed = Interposed(backend)
    interposed.gate.clear()
    first = asyncio.ensure_future(backend.put("space", "first", stored(0)))
    await asyncio.to_thread(interposed.waiting.wait)
    others = [asyncio.ensure_future(backend.put("space", f"{n}", stored(n))) for n in range(600)]
    await asyncio.sleep(0)  # lets them queue
    assert await backend.get("space", "first") == (None, 0), "an uncommitted write was seen"
    assert (await backend.page("space", limit=5, max_bytes=1_000)).entries == []

    interposed.gate.set()
    written = await asyncio.gather(first, *others)

    assert [one.head for one in written] == list(range(1, 602)), "first come, first served"
    assert interposed.commits == 1 + 3


async def test_a_key_that_goes_and_comes_back_within_a_commit_has_a_new_place(backend: SqliteBackend) -> None:
    for key in "abc":
        await backend.put("space", key, stored(1))
    interposed = Interposed(backend)
    interposed.gate.clear()
    first = asyncio.ensure_future(backend.put("space", "c", stored(2)))
    await asyncio.to_thread(interposed.waiting.wait)
    rest = asyncio.gather(backend.delete("space", "a"), backend.put("space", "a", stored(1)))
    await asyncio.sleep(0)  # lets them queue
    interposed.gate.set()
    await asyncio.gather(first, rest)

    page = await backend.page("space", limit=9, max_bytes=1_000)  # from the file, not from the cache

    assert interposed.commits == 2
    assert [(entry.key, entry.created) for entry in page.entries] == [("b", 2), ("c", 3), ("a", 6)]


async def test_a_full_queue_refuses_and_loses_nothing(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_MAX_QUEUED", 10)
    interposed = Interposed(backend)
    interposed.gate.clear()
    writes = [asyncio.ensure_future(backend.put("space", f"{n}", stored(n))) for n in range(15)]
    await asyncio.sleep(0)  # lets them queue
    interposed.gate.set()

    results = await asyncio.gather(*writes, return_exceptions=True)

    assert [type(one) for one in results] == [Written] * 10 + [StorageUnavailableError] * 5
    assert "10 writes are waiting" in str(results[-1])
    assert (await backend.put("space", "last", stored(0))).head == 11


async def test_closing_answers_what_is_queued_and_refuses_what_comes_later(backend: SqliteBackend) -> None:
    interposed = Interposed(backend)
    interposed.gate.clear()
    writes = [asyncio.ensure_future(backend.put("space", f"{n}", stored(n))) for n in range(300)]
    await asyncio.sleep(0)  # lets them queue
    closing = asyncio.ensure_future(backend.close())
    await asyncio.sleep(0)
    with pytest.raises(StorageUnavailableError):
        await backend.put("space", "late", stored(0))
    interposed.gate.set()

    await closing

    assert [one.head for one in await asyncio.gather(*writes)] == list(range(1, 301))
    await backend.open()
    assert await backend.count("space") == (300, 300)


async def test_the_log_stays_bounded_while_readers_come_and_go(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sqlite_writer, "_CHECKPOINT_BYTES", 256 * 1024)
    largest = 0
    for number in range(60):
        page = asyncio.ensure_future(backend.page("space", limit=100, max_bytes=1 << 30))
        await backend.put_many("space", [Put(f"{n}", stored(f"{number:04}" * 2_000)) for n in range(20)])
        await page
        largest = max(largest, (tmp_path / "registry.db-wal").stat().st_size)

    assert largest < 4 * 1024 * 1024, "60 rounds of 200 KiB: the log was never started over"
