"""Backups: of one moment, beside a server that writes, verified; and what a restore may and may not do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from registry.commands import backups as commands
from registry.errors import CoercionError
from registry_server.backups import back_up_storage, restore_storage
from registry_server.storage import sqlite_backup, sqlite_file
from registry_server.storage.base import Put
from registry_server.storage.sqlite import SqliteBackend
from registry_server.storage.sqlite_backup import BackupError, back_up, restore
from registry_server.storage.sqlite_file import APPLICATION_ID, SCHEMA_VERSION
from registry_server.testing import stored
from tests.server.processes import LiveServer
from tests.server.test_cli import process


def quiet(done: int, total: int) -> None:
    """A `Progress` that tells nobody."""


async def filled(path: Path, entries: int = 10, *, namespace: str = "space") -> None:
    """Make a store of ``entries`` entries, and let it go."""
    backend = SqliteBackend(path)
    await backend.open()
    for first in range(0, entries, 500):
        keys = range(first, min(first + 500, entries))
        await backend.put_many(namespace, [Put(f"k{n}", stored(n)) for n in keys])
    await backend.close()


async def content_of(path: Path, namespace: str = "space") -> tuple[str, dict[str, bytes], int]:
    """Epoch, entries and head."""
    backend = SqliteBackend(path)
    await backend.open()
    page = await backend.page(namespace, limit=100_000, max_bytes=10**9)
    epoch = backend.epoch
    await backend.close()
    return epoch, {entry.key: entry.envelope for entry in page.entries}, page.head


def files_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of ten entries that nobody has open."""
    path = tmp_path / "registry.db"
    asyncio.run(filled(path))
    return path


@pytest.fixture
def backup(store: Path, tmp_path: Path) -> Path:
    """A backup of `store`."""
    path = tmp_path / "backup.db"
    back_up(store, path, progress=quiet)
    return path


class TestBackup:
    def test_is_a_store_of_one_file_that_holds_the_same(self, store: Path, tmp_path: Path) -> None:
        summary = back_up(store, tmp_path / "backup.db", progress=quiet)

        assert summary[:2] == (1, 10)
        assert {name for name in files_of(tmp_path) if name.startswith("backup")} == {"backup.db"}
        assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600
        assert asyncio.run(content_of(tmp_path / "backup.db"))[1:] == asyncio.run(content_of(store))[1:]

    async def test_beside_a_server_holds_what_was_committed_when_it_began(self, tmp_path: Path) -> None:
        """Batches of one transaction each go on being written: of each, all or nothing is in the backup."""
        backend = SqliteBackend(tmp_path / "registry.db")
        await backend.open()
        written: list[int] = []

        async def write() -> None:
            number = 0
            while True:
                number += 1
                await backend.put_many("space", [Put(f"{number}.{n}", stored("x" * 500)) for n in range(20)])
                written.append(number)

        writer = asyncio.create_task(write())
        copied_at: list[int] = []
        for attempt in range(3):
            while len(written) < 30 * (attempt + 1):
                await asyncio.sleep(0)  # lets the writer on
            before = len(written)
            await asyncio.to_thread(
                back_up, tmp_path / "registry.db", tmp_path / f"backup{attempt}.db", progress=quiet
            )
            copied_at.append(before)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        await backend.close()

        for attempt, before in enumerate(copied_at):
            _, entries, head = await content_of(tmp_path / f"backup{attempt}.db")
            assert len(entries) % 20 == 0
            assert len(entries) == head
            assert len(entries) >= before * 20, "an acknowledged write is missing"

    async def test_is_not_begun_anew_by_each_write(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A writer commits between any two steps of the copy; it ends in as many steps as ever."""
        await filled(tmp_path / "registry.db", 5_000)
        monkeypatch.setattr(sqlite_backup, "_PAGES", 10)
        steps: list[int] = []
        with closing(sqlite3.connect(tmp_path / "registry.db", isolation_level=None)) as writer:

            def write_between(done: int, total: int) -> None:
                steps.append(total)
                writer.execute("UPDATE entries SET digest = digest || ?", (f"{len(steps)}",))

            back_up(tmp_path / "registry.db", tmp_path / "backup.db", progress=write_between)

        assert len(steps) == -(-steps[0] // 10)
        with closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
            assert copy.execute("SELECT count(*) FROM entries WHERE length(digest) <> 71").fetchone() == (0,)

    def test_tells_how_far_it_is(self, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite_backup, "_PAGES", 2)
        told: list[tuple[int, int]] = []

        back_up(store, tmp_path / "backup.db", progress=lambda done, total: told.append((done, total)))

        assert len(told) > 3
        assert told == sorted(told)
        assert told[-1][0] == told[-1][1]

    def test_includes_a_log_that_a_killed_server_left(self, tmp_path: Path) -> None:
        place = tmp_path / "killed"
        place.mkdir()
        script = (
            "import asyncio, os, sys\n"
            "from registry_server.storage.sqlite import SqliteBackend\n"
            "from registry_server.testing import stored\n"
            "async def main():\n"
            "    backend = SqliteBackend(sys.argv[1]); await backend.open()\n"
            "    await backend.put('space', 'key', stored(1)); os._exit(9)\n"
            "asyncio.run(main())"
        )
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", script, str(place / "registry.db")], env=environment)
        assert (place / "registry.db-wal").stat().st_size > 0

        summary = back_up(place / "registry.db", tmp_path / "backup.db", progress=quiet)

        assert summary.entries == 1

    def test_does_not_replace_without_force_and_only_an_older_backup_with_it(
        self, store: Path, backup: Path, tmp_path: Path
    ) -> None:
        before = backup.read_bytes()
        (tmp_path / "notes.txt").write_text("shopping: bread\n" * 100)
        with sqlite3.connect(tmp_path / "songs.db") as songs:
            songs.execute("CREATE TABLE songs (name TEXT)")
        songs.close()

        with pytest.raises(BackupError, match="there already") as refused:
            back_up(store, backup, progress=quiet)
        for name in ("notes.txt", "songs.db"):
            with pytest.raises(BackupError, match=r"no registry's file|cannot be read"):
                back_up(store, tmp_path / name, force=True, progress=quiet)

        assert backup.read_bytes() == before
        assert any("--force" in step for step in refused.value.suggestions)
        asyncio.run(filled(store, 20))
        assert back_up(store, backup, force=True, progress=quiet).entries == 20

    async def test_never_replaces_a_store_in_use(self, store: Path, tmp_path: Path) -> None:
        other = SqliteBackend(tmp_path / "other.db")
        await other.open()
        await other.put("space", "key", stored(1))

        with pytest.raises(BackupError, match="a server uses"):
            back_up(store, tmp_path / "other.db", force=True, progress=quiet)
        with pytest.raises(BackupError, match="the store itself"):
            back_up(store, store, force=True, progress=quiet)

        assert (await other.get("space", "key"))[0] is not None
        await other.close()

    @pytest.mark.parametrize(
        ("name", "says"),
        [("missing.db", "no store at"), ("notes.txt", "cannot be read"), ("empty.db", "no registry's")],
    )
    def test_of_what_is_no_store_is_refused(self, tmp_path: Path, name: str, says: str) -> None:
        (tmp_path / "notes.txt").write_text("shopping: bread\n" * 100)
        (tmp_path / "empty.db").touch()

        with pytest.raises(BackupError, match=says):
            back_up(tmp_path / name, tmp_path / "backup.db", progress=quiet)

        assert not (tmp_path / "backup.db").exists()

    def test_of_a_damaged_store_is_refused_and_leaves_no_file(self, store: Path, tmp_path: Path) -> None:
        """A page in the middle is overwritten: only the check of the copy can notice."""
        with closing(sqlite3.connect(store)) as connection:
            [page] = connection.execute(
                "SELECT rootpage FROM sqlite_master WHERE name = 'entries_by_key'"
            ).fetchone()
            [size] = connection.execute("PRAGMA page_size").fetchone()
        with store.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(os.urandom(size))

        with pytest.raises(BackupError, match=r"damaged|cannot be read"):
            back_up(store, tmp_path / "backup.db", progress=quiet)

        assert not any("backup" in name for name in files_of(tmp_path))

    def test_of_tables_that_do_not_agree_is_refused(self, store: Path, tmp_path: Path) -> None:
        """SQLite finds the file sound; it is our counter that is wrong."""
        with closing(sqlite3.connect(store, isolation_level=None)) as connection:
            connection.execute("UPDATE namespaces SET size = size + 1")

        with pytest.raises(BackupError, match="damaged") as refused:
            back_up(store, tmp_path / "backup.db", progress=quiet)

        assert "sizes differ" in str(refused.value.context)

    def test_that_fails_half_way_leaves_the_older_one(
        self, store: Path, backup: Path, tmp_path: Path
    ) -> None:
        before = backup.read_bytes()

        def fail(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            back_up(store, backup, force=True, progress=fail)

        assert backup.read_bytes() == before
        assert not any(name.endswith(".part") for name in files_of(tmp_path))

    def test_into_no_directory_is_refused(self, store: Path, tmp_path: Path) -> None:
        with pytest.raises(BackupError, match="no directory"):
            back_up(store, tmp_path / "missing" / "backup.db", progress=quiet)
        with pytest.raises(BackupError, match="is a directory"):
            back_up(store, tmp_path, progress=quiet)


class TestRestore:
    def test_brings_back_what_was_there_under_a_new_epoch(self, store: Path, backup: Path) -> None:
        epoch, entries, head = asyncio.run(content_of(store))
        asyncio.run(filled(store, 15))

        _, kept = restore(backup, store, force=True, progress=quiet)

        restored = asyncio.run(content_of(store))
        assert restored[1:] == (entries, head)
        assert restored[0] != epoch
        with closing(sqlite3.connect(store)) as connection:
            ended = connection.execute("SELECT epoch FROM epochs").fetchall()
        assert ended == [(epoch,)]
        assert kept is not None
        assert len(asyncio.run(content_of(kept))[1]) == 15, "what was replaced is lost"

    def test_notes_the_epochs_of_the_backup_and_of_what_it_replaced(
        self, backup: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.db"
        asyncio.run(filled(other))
        epochs = {asyncio.run(content_of(path))[0] for path in (backup, other)}

        restore(backup, other, force=True, progress=quiet)

        with closing(sqlite3.connect(other)) as connection:
            assert {epoch for [epoch] in connection.execute("SELECT epoch FROM epochs")} >= epochs

    def test_where_nothing_is_makes_a_store(self, backup: Path, tmp_path: Path) -> None:
        summary, kept = restore(backup, tmp_path / "new.db", progress=quiet)

        assert (summary.entries, kept) == (10, None)
        assert len(asyncio.run(content_of(tmp_path / "new.db"))[1]) == 10

    def test_twice_from_one_backup_gives_two_epochs(self, backup: Path, tmp_path: Path) -> None:
        epochs = {restore(backup, tmp_path / name, progress=quiet).summary.epoch for name in ("a.db", "b.db")}

        assert len(epochs) == 2

    def test_over_a_store_that_holds_anything_needs_force(self, store: Path, backup: Path) -> None:
        asyncio.run(filled(store, 12))
        before = asyncio.run(content_of(store))

        with pytest.raises(BackupError, match="holds entries") as refused:
            restore(backup, store, progress=quiet)

        assert asyncio.run(content_of(store)) == before
        assert "--force" in refused.value.suggestions[0]

    async def test_over_an_empty_store_needs_none(self, backup: Path, tmp_path: Path) -> None:
        await filled(tmp_path / "empty.db", 0)

        assert restore(backup, tmp_path / "empty.db", progress=quiet).summary.entries == 10

    async def test_of_a_held_store_is_refused_with_its_holder_even_by_force(
        self, backup: Path, store: Path
    ) -> None:
        backend = SqliteBackend(store)
        await backend.open()

        with pytest.raises(BackupError, match=f"held by process {os.getpid()}"):
            restore(backup, store, force=True, progress=quiet)

        assert (await backend.put("space", "key", stored(1))).head == 11
        await backend.close()

    def test_of_a_newer_schema_is_refused(self, store: Path, backup: Path, tmp_path: Path) -> None:
        with closing(sqlite3.connect(backup, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

        with pytest.raises(BackupError, match=f"schema {SCHEMA_VERSION + 1}") as refused:
            restore(backup, tmp_path / "new.db", progress=quiet)

        assert "upgrade" in refused.value.suggestions[0]
        assert not (tmp_path / "new.db").exists()

    def test_of_a_damaged_backup_changes_nothing(self, store: Path, backup: Path) -> None:
        before = asyncio.run(content_of(store))
        raw = bytearray(backup.read_bytes())
        raw[-4_096:] = os.urandom(4_096)
        backup.write_bytes(raw)
        raw_middle = len(raw) // 2
        with backup.open("r+b") as file:
            file.seek(raw_middle)
            file.write(os.urandom(4_096))

        with pytest.raises(BackupError):
            restore(backup, store, force=True, progress=quiet)

        assert asyncio.run(content_of(store)) == before

    def test_over_a_damaged_store_keeps_its_bytes(self, store: Path, backup: Path) -> None:
        raw = store.read_bytes()
        damaged = raw[:100] + b"\xff" * 4_000 + raw[4_100:]
        store.write_bytes(damaged)

        with pytest.raises(BackupError, match="cannot be read"):
            restore(backup, store, progress=quiet)
        _, kept = restore(backup, store, force=True, progress=quiet)

        assert kept is not None
        assert kept.read_bytes() == damaged
        assert len(asyncio.run(content_of(store))[1]) == 10

    def test_over_a_killed_server_keeps_its_log_and_never_applies_it(
        self, backup: Path, tmp_path: Path
    ) -> None:
        """A log left beside the restored file would be taken for its own."""
        other = tmp_path / "other.db"
        asyncio.run(filled(other, 40))
        crashed = sqlite3.connect(other, isolation_level=None)
        crashed.execute("PRAGMA journal_mode = WAL").fetchone()
        crashed.execute("UPDATE entries SET digest = 'of the log'")
        log = (tmp_path / "other.db-wal").read_bytes()
        content = other.read_bytes()
        crashed.close()
        other.write_bytes(content)
        (tmp_path / "other.db-wal").write_bytes(log)

        _, kept = restore(backup, other, force=True, progress=quiet)

        assert not (tmp_path / "other.db-wal").exists()
        assert len(asyncio.run(content_of(other))[1]) == 10
        assert kept is not None
        with closing(sqlite3.connect(kept)) as connection:
            assert connection.execute("SELECT DISTINCT digest FROM entries").fetchall() == [("of the log",)]

    def test_where_only_a_log_was_left_takes_nothing_of_it(self, backup: Path, tmp_path: Path) -> None:
        """The store was removed by hand, its log was not: beside the restored file it would be applied."""
        gone = tmp_path / "gone.db"
        asyncio.run(filled(gone))  # as large as the other: the log's pages are pages of that too
        with closing(sqlite3.connect(gone, isolation_level=None)) as writer:
            writer.execute("PRAGMA journal_mode = WAL").fetchone()
            writer.execute("UPDATE entries SET digest = 'of the log'")
            log = (tmp_path / "gone.db-wal").read_bytes()
        gone.unlink()
        (tmp_path / "gone.db-wal").write_bytes(log)

        restore(backup, gone, progress=quiet)

        with closing(sqlite3.connect(gone)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute(
                "SELECT count(*) FROM entries WHERE digest = 'of the log'"
            ).fetchone() == (0,)

    def test_on_a_network_file_system_is_refused(
        self, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_file, "file_system_of", lambda directory: "nfs4")

        with pytest.raises(BackupError, match="nfs4"):
            restore(backup, tmp_path / "new.db", progress=quiet)


class TestStorageUrls:
    @pytest.mark.parametrize("url", ["memory:", "redis://localhost", "postgresql://localhost/registry"])
    def test_a_storage_that_is_no_file_is_told_what_else_there_is(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(BackupError, match="Only a SQLite storage") as refused:
            back_up_storage(url, tmp_path / "backup.db", progress=quiet)

        assert any("registry export" in step for step in refused.value.suggestions)

    def test_a_url_that_is_none_says_why(self, backup: Path) -> None:
        with pytest.raises(BackupError, match="four slashes"):
            restore_storage(backup, "sqlite:relative.db", progress=quiet)

    def test_the_default_is_that_of_a_server(
        self, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        monkeypatch.setenv("HOME", str(tmp_path))

        store, restored = restore_storage(backup, None, progress=quiet)

        assert store.name == "registry.db"
        assert restored.summary.entries == 10


class TestWhoseStoreTheDefaultIs:
    """The default store is the local server's; it says nothing of a server that the environment names."""

    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("REGISTRY_SERVER_URL", "REGISTRY_SERVER_HOST", "REGISTRY_SERVER_PORT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        monkeypatch.setenv("HOME", str(tmp_path))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("REGISTRY_SERVER_URL", "https://registry.example.org"),
            ("REGISTRY_SERVER_URL", "http://10.0.0.5:8001"),
            ("REGISTRY_SERVER_URL", "http://[2001:db8::1]:8001/registry"),
            ("REGISTRY_SERVER_URL", "http://localhost:9001"),
            ("REGISTRY_SERVER_URL", "https://localhost"),
            ("REGISTRY_SERVER_URL", "http://localhost:8001,http://registry.example.org:8001"),
            ("REGISTRY_SERVER_HOST", "registry.example.org"),
        ],
    )
    def test_another_server_s_is_neither_copied_nor_overwritten(
        self,
        store: Path,
        backup: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        value: str,
    ) -> None:
        monkeypatch.setenv(name, value)

        for refused in (
            lambda: commands.backup(tmp_path / "b.db"),
            lambda: commands.restore(backup, force=True),
        ):
            with pytest.raises(CoercionError, match="not that server's") as error:
                refused()
            advice = " ".join(error.value.suggestions)
            assert "--storage" in advice and "registry export" in advice

        assert not (tmp_path / "data").exists()
        assert back_up_storage(f"sqlite:///{store}", tmp_path / "b.db", progress=quiet)[1].entries == 10

    @pytest.mark.parametrize(
        "variables",
        [
            {},
            {"REGISTRY_SERVER_URL": "http://localhost:8001"},
            {"REGISTRY_SERVER_URL": "http://127.0.0.1:8001/"},
            {"REGISTRY_SERVER_URL": "http://[::1]:9001", "REGISTRY_SERVER_PORT": "9001"},
            {"REGISTRY_SERVER_HOST": "0.0.0.0", "REGISTRY_SERVER_PORT": "9001"},
        ],
    )
    def test_the_local_server_s_is_the_default(
        self, backup: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        commands.restore(backup)

        assert restore_storage(backup, None, force=True, progress=quiet)[1].summary.entries == 10


# ---- files of older versions


VERSION_1: Sequence[str] = (
    "CREATE TABLE store (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), epoch TEXT NOT NULL)",
    """CREATE TABLE namespaces (
        id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, head INTEGER NOT NULL, size INTEGER NOT NULL)""",
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY, namespace INTEGER NOT NULL, key BLOB NOT NULL, created INTEGER NOT NULL,
        revision INTEGER NOT NULL, updated_at TEXT NOT NULL, digest TEXT NOT NULL, envelope BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX entries_by_key ON entries (namespace, key)",
    "CREATE UNIQUE INDEX entries_in_order ON entries (namespace, created)",
    "INSERT INTO store VALUES (1, '5f0c8e2b5f0c8e2b5f0c8e2b5f0c8e2b')",
    "INSERT INTO namespaces VALUES (1, CAST('space' AS BLOB), 7, 2)",
    "INSERT INTO entries VALUES (1, 1, CAST('a' AS BLOB), "
    "3, 3, '2026-01-31T12:00:00.000Z', 'sha256:a', x'7B7D')",
    "INSERT INTO entries VALUES (2, 1, CAST('b' AS BLOB), "
    "5, 7, '2026-01-31T12:00:01.000Z', 'sha256:b', x'7B7D')",
    f"PRAGMA application_id = {APPLICATION_ID}",
    "PRAGMA user_version = 1",
)
"""A store as the first version left it: no history. Written down, not made by today's code."""


@pytest.fixture
def first_version(tmp_path: Path) -> Path:
    path = tmp_path / "first.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in VERSION_1:
            connection.execute(statement)
    return path


class TestOlderFiles:
    async def test_a_file_of_the_first_version_is_taken_over(self, first_version: Path) -> None:
        backend = SqliteBackend(first_version)
        await backend.open()

        page = await backend.page("space", limit=9, max_bytes=1_000)
        assert backend.epoch == "5f0c8e2b5f0c8e2b5f0c8e2b5f0c8e2b"
        assert [(entry.key, entry.created, entry.revision) for entry in page.entries] == [
            ("a", 3, 3),
            ("b", 5, 7),
        ]
        # Its history was not kept, so nobody is told that nothing happened.
        with pytest.raises(Exception, match="no longer kept"):
            await backend.changes("space", 6, limit=9, max_bytes=0, max_value=0)
        assert (await backend.changes("space", 7, limit=9, max_bytes=0, max_value=0)).changes == []
        assert (await backend.put("space", "c", stored(1))).head == 8
        told = await backend.changes("space", 7, limit=9, max_bytes=0, max_value=0)
        assert [(change.revision, change.key) for change in told.changes] == [(8, "c")]
        await backend.close()
        with closing(sqlite3.connect(first_version)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)

    async def test_a_migration_that_is_cut_off_leaves_the_old_file(
        self, first_version: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = (*sqlite_file._MIGRATIONS[:-1], ("CREATE TABLE half (a)", "no statement"))
        with monkeypatch.context() as patched:
            patched.setattr(sqlite_file, "_MIGRATIONS", broken)
            with pytest.raises(Exception, match="cannot be used"):
                await SqliteBackend(first_version).open()

        with closing(sqlite3.connect(first_version)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (1,)
            tables = {name for [name] in connection.execute("SELECT name FROM sqlite_master")}
        assert not {"half", "changes"} & tables
        await TestOlderFiles().test_a_file_of_the_first_version_is_taken_over(first_version)

    def test_a_backup_of_a_store_of_the_first_version_begins_an_epoch(
        self, first_version: Path, tmp_path: Path
    ) -> None:
        summary = back_up(first_version, tmp_path / "backup.db", progress=quiet)

        assert (summary.schema, summary.size) == (SCHEMA_VERSION, (tmp_path / "backup.db").stat().st_size)
        assert asyncio.run(content_of(tmp_path / "backup.db"))[0] != summary.epoch
        assert asyncio.run(content_of(first_version))[0] == summary.epoch

    def test_a_backup_of_the_first_version_is_restored_into_today_s(
        self, first_version: Path, tmp_path: Path
    ) -> None:
        summary, _ = restore(first_version, tmp_path / "new.db", progress=quiet)

        assert (summary.entries, summary.schema) == (2, SCHEMA_VERSION)
        assert summary.epoch != "5f0c8e2b5f0c8e2b5f0c8e2b5f0c8e2b"
        with closing(sqlite3.connect(first_version)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (1,), "the backup was changed"


# ---- real processes


class TestCommands:
    def test_a_store_is_saved_beside_a_server_and_brought_back(
        self, start_server: Callable[..., LiveServer], tmp_path: Path
    ) -> None:
        server = start_server()
        put = {"key": {"type": "json", "data": '"a"', "encoding": "json"}}
        value = {"type": "json", "data": "1", "encoding": "json"}
        first = httpx.post(f"{server.url}/registry/space/set", json={**put, "value": value}).json()

        saved = process(tmp_path, "backup", "saved.db", "--storage", server.storage)
        httpx.post(f"{server.url}/registry/space/set", json={**put, "value": {**value, "data": "2"}})
        holder = server.process.pid
        held = process(tmp_path, "restore", "saved.db", "--force", "--storage", server.storage)
        server.stop()
        full = process(tmp_path, "restore", "saved.db", "--storage", server.storage)
        back = process(tmp_path, "restore", "saved.db", "--force", "--json", "--storage", server.storage)
        server.start()

        assert saved.returncode == 0, saved.stderr
        assert "saved.db holds 1 entries of 1 namespaces" in saved.stdout
        assert (held.returncode, full.returncode, back.returncode) == (2, 2, 0), (held, full, back)
        assert f"held by process {holder}" in held.stderr
        assert "holds entries" in full.stderr
        found = httpx.get(f"{server.url}/registry/space/get?key=a").json()
        assert found["value"]["data"] == "1"
        watched = httpx.get(f"{server.url}/registry/space/watch", params={"since": first["cursor"]})
        assert (watched.status_code, watched.json()["code"]) == (410, "epoch_changed")
