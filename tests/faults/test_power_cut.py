"""The power goes while SQLite writes; the disk keeps what was synced, and of the rest whatever it likes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from registry_server.storage import sqlite_file, sqlite_writer
from registry_server.storage.base import Put, StorageError, StorageSetupError
from registry_server.storage.sqlite import SqliteBackend
from registry_server.testing import stored
from registry_server.testing.values import PLENTY, all_entries
from tests.faults.disk import Tape, recorded
from tests.faults.findings import FULL, Finding, bound, effort, record

SEEDS = effort(60, 1_000)
CUTS_OF_A_TAPE = 20
WRITERS, WRITES = 6, 25
SPACE = "space"

pytestmark = pytest.mark.timeout(bound(120, 1_800))


class Answered(NamedTuple):
    """A change that was answered for: its revision, key, and value; None where it was a delete."""

    revision: int
    key: str
    value: str | None


class Asked(NamedTuple):
    """Values that were sent; written together or not at all."""

    values: tuple[str, ...]


async def _write(backend: SqliteBackend, tape: Tape, writer: int, chance: Random) -> None:
    for number in range(WRITES):
        kind, value = chance.random(), f"{writer}.{number}"
        size = "x" * chance.choice((0, 0, 300, 6_000))
        if kind < 0.2:
            key = f"{writer}.{chance.randrange(4)}"
            removed = await backend.delete(SPACE, key)
            if removed.existed:
                tape.note(Answered(removed.head, key, None))
        elif kind < 0.5:
            keys = [f"{writer}.batch{index}" for index in range(4)]
            values = [f"{value}.{index}{size}" for index in range(4)]
            tape.note(Asked(tuple(values)))
            puts = [Put(key, stored(one)) for key, one in zip(keys, values, strict=True)]
            done = await backend.put_many(SPACE, puts)
            for key, one, outcome in zip(keys, values, done.outcomes, strict=True):
                tape.note(Answered(outcome.entry.revision, key, one))  # type: ignore[union-attr]
        else:
            key = f"{writer}.{chance.randrange(4)}"
            tape.note(Asked((value + size,)))
            written = await backend.put(SPACE, key, stored(value + size))
            tape.note(Answered(written.entry.revision, key, value + size))


async def _tape(folder: Path, synchronous: str, seed: int) -> Tape:
    """A server's life on a disk that is watched."""
    folder.mkdir()
    with recorded(folder) as tape, pytest.MonkeyPatch.context() as patched:
        really = sqlite_file._sync_directory

        def sync_directory(directory: Path) -> None:
            really(directory)
            tape.sync_names()

        patched.setattr(sqlite_file, "_sync_directory", sync_directory)
        backend = SqliteBackend(folder / "registry.db", synchronous=synchronous)
        await backend.open()
        writers = (_write(backend, tape, n, Random(f"{seed} {n}")) for n in range(WRITERS))
        await asyncio.gather(*writers)
        await backend.close()
    return tape


async def _after(tape: Tape, end: int, seed: int, folder: Path) -> tuple[str, int]:
    """What is wrong with a store that lost power there (empty: nothing), and how many answers are gone."""
    folder.mkdir()
    for name, content in tape.disk(end, Random(f"disk {seed}")).items():
        if not name.endswith("-shm"):
            (folder / name).write_bytes(content)
    notes = tape.notes(end)
    answered = [note for note in notes if isinstance(note, Answered)]
    asked = [note for note in notes if isinstance(note, Asked)]
    path = folder / "registry.db"
    backend = SqliteBackend(path)
    try:
        await backend.open()
    except StorageSetupError as error:
        return f"does not open: {error}", len(answered)
    try:
        return await _compare(backend, answered, asked) or _damage(path), await _lost(backend, answered)
    except StorageError as error:
        return f"cannot be read: {error}", len(answered)
    finally:
        await backend.close()


async def _log(backend: SqliteBackend) -> list[tuple[str, str]]:
    found = await backend.changes(SPACE, 0, limit=100_000, max_bytes=PLENTY, max_value=PLENTY)
    assert [change.revision for change in found.changes] == [*range(1, found.head + 1)]
    return [(change.key, change.digest) for change in found.changes]


def _pair(answer: Answered) -> tuple[str, str]:
    return answer.key, "" if answer.value is None else stored(answer.value).digest


async def _lost(backend: SqliteBackend, answered: Sequence[Answered]) -> int:
    log = dict(enumerate(await _log(backend), 1))
    return sum(log.get(answer.revision) != _pair(answer) for answer in answered)


async def _compare(backend: SqliteBackend, answered: Sequence[Answered], asked: Sequence[Asked]) -> str:
    """Whether the log is dense, of what was asked, batches whole, and the entries what follows from it."""
    log = await _log(backend)
    written = {digest for _, digest in log}
    for batch in asked:
        there = {stored(value).digest in written for value in batch.values}
        if len(there) > 1:
            return f"a batch is there in part: {batch.values[0][:20]}"
    known = {stored(value).digest for batch in asked for value in batch.values}
    if written - known - {""}:
        return "a value that nobody sent"
    latest = {key: digest for key, digest in log}
    entries = {entry.key: entry.digest for entry in await all_entries(backend, SPACE)}
    if entries != {key: digest for key, digest in latest.items() if digest}:
        return "the entries are not what the log says"
    return ""


def _damage(path: Path) -> str:
    connection = sqlite3.connect(path)
    [result] = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return "" if result == "ok" else str(result)


async def _cut(tmp_path: Path, synchronous: str, seeds: range) -> tuple[list[str], list[int]]:
    """What was wrong, by seed; and how many seeds lost how many answers."""
    wrong, losses = [], []
    tape = Tape(tmp_path)
    for seed in seeds:
        if not seed % CUTS_OF_A_TAPE:
            tape = await _tape(tmp_path / f"{synchronous}{seed}", synchronous, seed)
        end = Random(f"cut {seed}").randrange(len(tape.events) + 1)
        problem, lost = await _after(tape, end, seed, tmp_path / f"{synchronous}{seed} cut")
        wrong += [f"seed {seed}: {problem}"] if problem else []
        losses.append(lost)
    return wrong, losses


@pytest.fixture(autouse=True)
def frequent_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that power cuts meet them: the log goes into the database, and is begun again."""
    monkeypatch.setattr(sqlite_writer, "_CHECKPOINT_BYTES", 64 * 1024)
    monkeypatch.setattr(sqlite_writer, "_TRUNCATE_BYTES", 256 * 1024)


async def test_a_power_cut_loses_no_answered_write_and_damages_nothing(tmp_path: Path) -> None:
    wrong, losses = await _cut(tmp_path, "FULL", range(SEEDS))

    assert wrong == []
    assert sum(losses) == 0, f"lost by seed: { {n: lost for n, lost in enumerate(losses) if lost} }"
    record(
        Finding(
            "power cut", "sqlite FULL", f"{SEEDS} cuts", "0 answers lost, 0 stores damaged", True, "0 and up"
        )
    )


async def test_without_syncing_answers_are_lost_and_the_test_sees_it(tmp_path: Path) -> None:
    """``synchronous=NORMAL`` is documented to lose the last writes, but damages nothing."""
    wrong, losses = await _cut(tmp_path, "NORMAL", range(effort(20, SEEDS)))

    assert wrong == []
    losing = sum(lost > 0 for lost in losses)
    assert losing, "the test is blind"
    found = f"{losing} of {len(losses)} cuts lost answers, {max(losses)} at most; 0 stores damaged"
    record(Finding("power cut", "sqlite NORMAL", f"{len(losses)} cuts", found, True, "0 and up"))


async def test_without_syncing_the_directory_answers_are_lost_and_the_test_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal of the very first transaction comes back, and takes the store to before it."""
    monkeypatch.setattr(Tape, "sync_names", lambda _: None)

    _, losses = await _cut(tmp_path, "FULL", range(20))

    assert any(losses)


async def test_without_any_syncing_stores_are_damaged_and_the_test_sees_it(tmp_path: Path) -> None:
    """With ``OFF`` the database is written to with no order kept: what is found then is no store any more."""
    wrong, losses = await _cut(tmp_path, "OFF", range(effort(20, 200)))

    assert wrong
    assert sum(lost > 0 for lost in losses) > len(losses) / 2
    assert not FULL or len(wrong) > 10
