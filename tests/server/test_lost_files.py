"""A server whose files are deleted, moved, replaced or unreadable: every answered write is in its file.

Whatever happens to a name while the server runs, a write is either found in the file that stands there, or in
the file that was moved away before it was answered, or it was refused.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from registry_server.storage import sqlite_writer
from registry_server.storage.base import OutcomeUnknownError, StorageUnavailableError
from registry_server.storage.sqlite import SqliteBackend
from registry_server.storage.sqlite_backup import back_up
from registry_server.testing import stored
from tests.server.processes import LiveServer

FILES = ("", "-wal", "-shm", ".lock")


def deleted(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.rename(path.with_name(f"moved{path.suffix}"))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy(path, other)
    other.replace(path)


def replaced_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced_by_link(path: Path) -> None:
    """To the very file: a server started on it would look for the log at the other end."""
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nothing"))


def folder_moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def folder_replaced_by_file(path: Path) -> None:
    folder_moved(path)
    path.parent.touch()


def emptied(path: Path) -> None:
    os.truncate(path, 0)


LOSSES = (
    *((file, loss) for file in FILES for loss in (deleted, moved, replaced, replaced_by_directory)),
    *((file, loss) for file in FILES for loss in (replaced_by_link, link_to_nothing)),
    *(("", loss) for loss in (folder_moved, folder_replaced_by_file, emptied)),
)
Loss = Callable[[Path], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "registry.db"


@pytest.fixture
async def backend(path: Path) -> AsyncIterator[SqliteBackend]:
    backend = SqliteBackend(path)
    await backend.open()
    await backend.put("space", "before", stored(1))
    yield backend
    await backend.close()


def _file(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@pytest.mark.parametrize(("file", "loss"), LOSSES)
async def test_no_write_is_answered_after_a_loss(
    backend: SqliteBackend, path: Path, file: str, loss: Loss
) -> None:
    loss(_file(path, file))

    with pytest.raises(OutcomeUnknownError, match=r"registry export"):
        await backend.put("space", "first", stored(2))
    for write in (
        backend.put("space", "later", stored(2)),
        backend.delete("space", "before"),
        backend.clear("space"),
    ):
        with pytest.raises(StorageUnavailableError, match="until the server is restarted"):
            await write
    with pytest.raises(StorageUnavailableError):
        await backend.ping()


@pytest.mark.parametrize(("file", "loss"), LOSSES)
async def test_what_is_read_goes_on_and_agrees_with_itself(
    backend: SqliteBackend, path: Path, file: str, loss: Loss
) -> None:
    """A write of unknown outcome is seen: no read waits for a revision that never comes."""
    if loss is emptied:
        return  # its pages are gone
    loss(_file(path, file))
    with pytest.raises(OutcomeUnknownError):
        await backend.put("space", "first", stored(2))

    page = await backend.page("space", limit=9, max_bytes=1 << 20)

    assert [entry.key for entry in page.entries] == ["before", "first"]
    assert page.head == 2
    assert (await backend.get("space", "first"))[1] == 2


@pytest.mark.parametrize(("file", "loss"), LOSSES)
async def test_readiness_notices_at_once(backend: SqliteBackend, path: Path, file: str, loss: Loss) -> None:
    loss(_file(path, file))

    with pytest.raises(StorageUnavailableError):
        await backend.ping()

    with pytest.raises(StorageUnavailableError):
        await backend.put("space", "key", stored(2))


async def test_an_idle_server_notices_and_does_not_forget(
    backend: SqliteBackend, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite_writer, "_IDLE_SECONDS", 0.01)
    await backend.put("space", "key", stored(1))  # the next wait is a short one
    aside = path.with_name("aside")

    with caplog.at_level(logging.ERROR):
        path.rename(aside)
        while not caplog.records:
            await asyncio.sleep(0.01)
    aside.rename(path)

    assert "was deleted or moved" in caplog.text
    with pytest.raises(StorageUnavailableError, match="restarted"):
        await backend.put("space", "key", stored(2))


async def test_a_file_that_cannot_be_looked_up_is_not_lost(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EACCES, EIO, ESTALE: the write may be lost, so it is not answered; it ends with the fault."""
    for error in (PermissionError(13, "Permission denied"), OSError(5, "Input/output error")):

        def fail(*arguments: object, error: OSError = error, **options: object) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr("registry_server.storage.held_files.os.stat", fail)
            with pytest.raises(OutcomeUnknownError, match=error.strerror):
                await backend.put("space", "key", stored(error.errno))
            with pytest.raises(StorageUnavailableError):
                await backend.ping()
        await backend.ping()
        await backend.put("space", "key", stored(1))


@pytest.mark.parametrize(("file", "loss"), [case for case in LOSSES if case[1] is not emptied])
async def test_answered_writes_are_in_the_file_whenever_it_goes(path: Path, file: str, loss: Loss) -> None:
    """The file goes between two writes of many; each answered one is in the files as they were taken away.

    The files' second names keep them: what was fsynced under a lost name counts only if it was answered
    before the loss.
    """
    backend = SqliteBackend(path)
    await backend.open()
    answered: list[str] = []
    kept = path.parent.parent / "kept"
    kept.mkdir()

    async def write(writer: int) -> None:
        for number in range(1_000):
            try:
                await backend.put("space", f"{writer}.{number}", stored(number))
            except StorageUnavailableError:
                return
            except OutcomeUnknownError:
                continue
            answered.append(f"{writer}.{number}")

    writers = [asyncio.create_task(write(writer)) for writer in range(4)]
    while len(answered) < 50:
        await asyncio.sleep(0)
    loss(_file(path, file))
    at_loss = len(answered)
    await asyncio.gather(*writers)
    entries = {entry.key for entry in (await backend.page("space", limit=9_999, max_bytes=1 << 30)).entries}
    await backend.close()

    assert set(answered) <= entries
    # Only batches that were committed before the loss, and not yet delivered, are answered after it.
    assert len(answered) - at_loss <= 4


async def test_a_backup_and_a_checkpoint_beside_it_are_no_loss(backend: SqliteBackend, path: Path) -> None:
    for number in range(3):
        await asyncio.to_thread(
            back_up, path, path.with_name(f"backup{number}.db"), progress=lambda done, total: None
        )
        await backend.put("space", "key", stored(number))
        await backend.put("space", "large", stored("x" * 200_000 * (number + 1)))
        await backend.ping()


def test_over_http_a_lost_store_is_503_and_a_restart_begins_another(
    path: Path, start_server: Callable[..., LiveServer]
) -> None:
    server = start_server(f"sqlite:///{path}")
    value = {"type": "json", "data": "1", "encoding": "json"}
    body = {"key": {"type": "json", "data": '"a"', "encoding": "json"}, "value": value}
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        before = client.post("/registry/space/set", json=body).json()
        path.unlink()

        other = body | {"value": {**value, "data": "2"}}
        writes = [client.post("/registry/space/set", json=other) for _ in range(2)]
        ready = client.get("/ready")
        health = client.get("/health")
        read = client.get("/registry/space/get?key=a")

        assert [write.status_code for write in writes] == [503, 503]
        assert {write.headers["content-type"] for write in writes} == {"application/problem+json"}
        assert (ready.status_code, ready.json()["code"]) == (503, "storage_unavailable")
        assert "registry.db was deleted or moved" in ready.json()["detail"]
        assert (health.status_code, read.status_code) == (200, 200)
    server.restart()
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        watched = client.get("/registry/space/watch", params={"since": before["cursor"]})
        assert watched.json()["code"] == "epoch_changed"
        assert client.post("/registry/space/set", json=body).status_code == 200
