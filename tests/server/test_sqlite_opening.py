"""What is refused as a SQLite storage, each with its next step, and that refusing harms nothing."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_server.storage import sqlite_file
from registry_server.storage.base import StorageFullError, StorageSetupError, StorageUnavailableError
from registry_server.storage.sqlite import SqliteBackend
from registry_server.storage.sqlite_file import APPLICATION_ID, SCHEMA_VERSION, file_system_of, translate
from registry_server.testing import stored

OTHER_FILE = re.escape("--storage sqlite:///")


async def _refusal(path: Path) -> str:
    with pytest.raises(StorageSetupError, match=OTHER_FILE) as refused:
        await SqliteBackend(path).open()
    return str(refused.value)


async def test_a_second_opener_is_told_who_holds_the_file(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()

    message = await _refusal(tmp_path / "registry.db")

    assert f"held by process {os.getpid()}" in message
    await backend.put("space", "key", stored(1))  # the holder is not disturbed
    await backend.close()
    again = SqliteBackend(tmp_path / "registry.db")
    await again.open()
    assert await again.count("space") == (1, 1)
    await again.close()


async def test_another_process_is_told_too_and_may_have_the_file_later(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from registry_server.storage.sqlite import SqliteBackend\n"
        "async def main():\n"
        "    backend = SqliteBackend(sys.argv[1]); await backend.open(); await backend.close()\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "registry.db")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()

    refused = subprocess.run(command, env=environment, capture_output=True, text=True)
    await backend.close()
    opened = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert f"held by process {os.getpid()}" in refused.stderr
    assert (opened.returncode, opened.stderr) == (0, "")


async def test_two_names_of_one_file_meet_at_one_lock(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "registry.db")
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()

    assert "held by" in await _refusal(tmp_path / "link.db")
    await backend.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere flock and SQLite's own locks are one")
async def test_a_hard_link_to_a_file_in_use_is_refused(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "link.db").hardlink_to(tmp_path / "registry.db")

    assert "hard link" in await _refusal(tmp_path / "other" / "link.db")
    await backend.close()
    again = SqliteBackend(tmp_path / "other" / "link.db")
    await again.open()
    await again.close()


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("shopping: bread\n" * 500)

    assert "not a SQLite database" in await _refusal(path)

    assert path.read_text() == "shopping: bread\n" * 500
    path.unlink()
    backend = SqliteBackend(path)
    await backend.open()  # the lock was let go
    await backend.close()


async def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    before = path.read_bytes()

    assert "another program's" in await _refusal(path)
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()

    assert f"schema {SCHEMA_VERSION + 1}" in await _refusal(path)


async def test_a_damaged_registry_is_refused(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()
    await backend.put("space", "key", stored("x" * 100_000))
    await backend.close()
    content = (tmp_path / "registry.db").read_bytes()
    (tmp_path / "registry.db").write_bytes(content[:100] + b"\xff" * 4000 + content[4100:])

    assert "damaged" in await _refusal(tmp_path / "registry.db")


@pytest.mark.parametrize("damage", ["INSERT INTO namespaces VALUES (7, NULL, 1, 1, 0)", "DELETE FROM store"])
async def test_a_registry_with_values_that_its_schema_forbids_is_refused_and_let_go(
    damage: str, tmp_path: Path
) -> None:
    """As a power cut leaves it behind with ``synchronous=OFF``: pages of two moments in one file."""
    path = tmp_path / "registry.db"
    backend = SqliteBackend(path)
    await backend.open()
    await backend.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema = 1")
    connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')")
    connection.commit()
    connection.close()
    connection = sqlite3.connect(path)
    connection.execute(damage)
    connection.commit()
    connection.close()

    assert "damaged" in await _refusal(path)
    assert "damaged" in await _refusal(path), "the file is still held"


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "is a directory" in await _refusal(tmp_path)


async def test_a_missing_directory_is_refused_and_not_created(tmp_path: Path) -> None:
    assert "create it" in await _refusal(tmp_path / "missing" / "registry.db")
    assert not (tmp_path / "missing").exists()


async def test_a_directory_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, so the system's answer is played."""
    system_open = os.open

    def refuse(path: str | Path, flags: int, mode: int = 0o777, **others: int) -> int:
        if Path(path).parent == tmp_path and flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", str(path))
        return system_open(path, flags, mode, **others)

    monkeypatch.setattr(os, "open", refuse)

    assert "Permission denied" in await _refusal(tmp_path / "registry.db")


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
async def test_a_network_file_system_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(sqlite_file, "file_system_of", lambda directory: kind)

    message = await _refusal(tmp_path / "registry.db")

    assert kind in message
    assert "local disk" in message
    assert list(tmp_path.iterdir()) == []


def test_the_innermost_and_latest_mount_tells_the_file_system(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/a / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\n/dev/b /data/local\\040disk xfs rw 0 0\n"
        "/dev/c /over ext4 rw 0 0\nserver:/y /over cifs rw 0 0\n"
    )

    kinds = {
        path: file_system_of(Path(path), mounts)
        for path in ("/home", "/data", "/data/a/b", "/data/local disk/x", "/database", "/over/a")
    }

    assert kinds == {
        "/home": "ext4",
        "/data": "nfs4",
        "/data/a/b": "nfs4",
        "/data/local disk/x": "xfs",
        "/database": "ext4",
        "/over/a": "cifs",
    }
    assert file_system_of(Path("/home"), tmp_path / "not linux") == ""


async def test_the_file_is_for_its_owner_only_and_synced_at_every_commit(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()
    await backend.put("space", "key", stored(1))

    assert backend._writer is not None
    connection = backend._writer._connection
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert backend.durable
    await backend.close()


def test_a_weaker_mode_is_not_called_durable(tmp_path: Path) -> None:
    assert not SqliteBackend(tmp_path / "registry.db", synchronous="normal").durable
    with pytest.raises(StorageSetupError, match="OFF, NORMAL, FULL, EXTRA"):
        SqliteBackend(tmp_path / "registry.db", synchronous="1; DROP TABLE entries")


async def test_an_open_backend_is_not_opened_twice(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()

    with pytest.raises(StorageSetupError, match="open already"):
        await backend.open()

    await backend.close()
    await backend.open()
    await backend.close()


def _error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, StorageFullError),
        (sqlite3.SQLITE_IOERR, StorageUnavailableError),
        (sqlite3.SQLITE_IOERR_FSYNC, StorageUnavailableError),
        (sqlite3.SQLITE_READONLY, StorageUnavailableError),
        (sqlite3.SQLITE_BUSY, StorageUnavailableError),
        (sqlite3.SQLITE_CORRUPT, StorageUnavailableError),
        (0, StorageUnavailableError),
    ],
)
def test_every_error_of_sqlite_is_an_error_of_the_storage(
    tmp_path: Path, code: int, expected: type[Exception]
) -> None:
    assert type(translate(_error(code), tmp_path)) is expected


def test_an_io_error_on_a_disk_without_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room: Callable[[Path], bool] = lambda path: False  # noqa: E731
    monkeypatch.setattr(sqlite_file, "_has_room", room)

    assert isinstance(translate(_error(sqlite3.SQLITE_IOERR_SHMSIZE), tmp_path), StorageFullError)
