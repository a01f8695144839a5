"""Backup and restore of a SQLite store: whole copies, verified before they take a name.

A backup is read beside the server, through a connection of its own that cannot write and in one read
transaction: what it holds was true at one moment, and no write waits for it. It is a store itself, in one
file, as a server would open it.

A restored store begins a new epoch: writes since the backup are lost, so what clients have read of them must
match nothing any more. The epochs that ended are noted in the table ``epochs``.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from registry.errors import ValidationError
from registry_server.storage.base import StorageSetupError
from registry_server.storage.file_lock import FileHeldError, FileLock
from registry_server.storage.sqlite_file import (
    APPLICATION_ID,
    BACKUP,
    SCHEMA_VERSION,
    begin_epoch,
    check_place,
    migrate,
    place_of,
    sync_directory,
)

Progress = Callable[[int, int], object]
"""Called with how many pages are copied, and how many there are."""

_PAGES: Final = 2_048
"""Pages copied between two calls of a `Progress`: 8 MiB."""


class BackupError(ValidationError):
    """A backup cannot be made or restored; what was there before is there still."""


class Summary(NamedTuple):
    """What a copy holds.

    Attributes:
        namespaces: those that hold an entry.
        entries: of all namespaces.
        size: of the file, in bytes.
        epoch: of the store that the copy is.
        schema: the version of its tables.
    """

    namespaces: int
    entries: int
    size: int
    epoch: str
    schema: int


class Restored(NamedTuple):
    """What a restore did: what the store holds now, and where that which it replaced was put, if anywhere."""

    summary: Summary
    kept: Path | None


def back_up(store: Path, target: Path, *, force: bool = False, progress: Progress) -> Summary:
    """Copy the store into the file ``target``, also while a server has it open.

    Args:
        force: replace an older backup, once the new one is verified.

    Raises:
        BackupError: the store cannot be read, or ``target`` not be written, or is something else than an
            older backup.
    """
    store, target = Path(os.path.realpath(store)), Path(os.path.realpath(target))
    _check_target(store, target, force)
    with closing(_opened(store)) as source, _beside(target) as copy:
        source.execute("BEGIN")  # one moment, however long it takes: else each write would begin it anew
        _check_schema(source, store)
        _copy(source, copy, progress)
        summary = _verified(copy)
        _mark(copy)
        size = copy.stat().st_size
        _put(copy, target)
    return summary._replace(size=size, schema=SCHEMA_VERSION)


def restore(backup: Path, store: Path, *, force: bool = False, progress: Progress) -> Restored:
    """Make the store what the backup holds, under a new epoch; nobody may have it open.

    Args:
        force: replace a store that holds anything; it is kept beside, under a name with its epoch.

    Raises:
        BackupError: the backup is none, damaged, or of a newer version; or the store is held, or holds
            anything and ``force`` is not given. Nothing was changed.
    """
    backup, store = Path(os.path.realpath(backup)), Path(os.path.realpath(store))
    with closing(_opened(backup)) as source, _held(store):
        _check_schema(source, backup)
        replaced = _epoch_of_what_stands(store, force)
        with _beside(store) as copy:
            _copy(source, copy, progress)
            _verified(copy)  # before its tables are touched
            _begin_epoch(copy, replaced)
            summary = _verified(copy)
            kept = None if replaced is None else _keep(store, replaced)
            _remove_log(store)
            _put(copy, store)
    return Restored(summary, kept)


# ---- what is there


def _opened(path: Path) -> sqlite3.Connection:
    """A connection that reads a registry's file, its log included, and can change nothing of it.

    Raises:
        BackupError: there is none, or it is something else.
    """
    if not path.is_file():
        raise BackupError(f"There is no store at {path}", ["name another one: --storage sqlite:///path.db"])
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
        with _closed_on_failure(connection):
            [application] = connection.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                raise BackupError(f"{path} is no registry's file", ["name a file that registry backup made"])
    except sqlite3.Error as exc:
        raise _unreadable(path, exc) from exc
    return connection


@contextmanager
def _closed_on_failure(connection: sqlite3.Connection) -> Iterator[None]:
    """Close the connection if the block fails."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise BackupError(
            f"{path} was written by a newer version (schema {version}; this one knows {SCHEMA_VERSION})",
            ["upgrade namestead, and run this again"],
            {"schema": version, "known": SCHEMA_VERSION},
        )


def _check_target(store: Path, target: Path, force: bool) -> None:
    _check_folder(target)
    if target == store:
        raise BackupError(f"{target} is the store itself", ["name another file"])
    if not target.exists():
        return
    if not force:
        raise BackupError(f"{target} is there already", ["name another file", "replace it: --force"])
    _opened(target).close()  # what is no registry's is not replaced
    if _side_file(target, "-wal").exists():
        raise BackupError(f"{target} is a store that a server uses, not a backup", ["name another file"])


def _check_folder(path: Path) -> None:
    if path.is_dir():
        raise BackupError(f"{path} is a directory", ["name a file in it"])
    if not path.parent.is_dir():
        raise BackupError(f"There is no directory {path.parent}", ["create it, or name another file"])


@contextmanager
def _held(store: Path) -> Iterator[None]:
    """The store is nobody else's within the block."""
    try:
        check_place(store)
    except StorageSetupError as exc:
        raise BackupError(str(exc)) from exc
    lock = FileLock(_side_file(store, ".lock"))
    try:
        lock.acquire()
    except FileHeldError as exc:
        holder = f"process {exc.pid}" if exc.pid else "another process"
        raise BackupError(
            f"{store} is held by {holder}",
            ["stop that server first", "restore into another file: --storage sqlite:///other.db"],
            {"pid": exc.pid},
        ) from exc
    except OSError as exc:
        raise BackupError(f"Cannot use {store}: {exc.strerror}") from exc
    try:
        yield
    finally:
        lock.release()


def _epoch_of_what_stands(store: Path, force: bool) -> str | None:
    """The epoch of the store that a restore would replace; None where nothing is lost with it.

    Raises:
        BackupError: it holds anything and ``force`` is not given, or is no registry's.
    """
    if not store.exists() or store.stat().st_size == 0:
        return None
    try:
        with closing(_opened(store)) as connection:
            [heads] = connection.execute("SELECT count(*) FROM namespaces").fetchone()
            [epoch] = connection.execute("SELECT epoch FROM store").fetchone()
    except (sqlite3.Error, BackupError) as exc:
        if not isinstance(exc.__cause__ or exc, sqlite3.DatabaseError):
            raise
        heads, epoch = 1, "damaged"
    if heads and not force:
        raise BackupError(
            f"{store} holds {'a store that cannot be read' if epoch == 'damaged' else 'entries'}",
            ["replace it: --force (it is kept beside)", "restore into another file: --storage ..."],
        )
    return str(epoch) if heads else None


# ---- the copy


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A new file in the folder of ``target``, its owner's only; gone after the block, whatever happens."""
    path = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        yield path
    except OSError as exc:
        raise BackupError(f"Cannot write {target}: {exc.strerror or exc}", ["name another file"]) from exc
    finally:
        for leftover in (path, _side_file(path, "-journal")):
            leftover.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, path: Path, progress: Progress) -> None:
    def report(_status: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)

    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # it is synced once, when it is whole
            source.backup(copy, pages=_PAGES, progress=report)
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # all of it in one file
    except sqlite3.Error as exc:
        raise _unusable(path, exc) from exc


def _unusable(path: Path, exc: sqlite3.Error) -> BackupError:
    """Return the error for a copy that cannot be written."""
    if getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return BackupError(f"There is no room left in {path.parent}", ["free some, and try again"])
    return _unreadable(path, exc)


def _verified(path: Path) -> Summary:
    """What the copy holds.

    Raises:
        BackupError: SQLite finds a fault in it, or its tables do not agree with each other.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            faults = [fault for [fault] in copy.execute("PRAGMA integrity_check(10)") if fault != "ok"]
            faults += [f"namespace {name!r}: sizes differ" for [name] in copy.execute(_SIZES_THAT_DIFFER)]
            [namespaces, entries] = copy.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM namespaces WHERE size > 0"
            ).fetchone()
            [epoch] = copy.execute("SELECT epoch FROM store").fetchone()
            [schema] = copy.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as exc:
        raise _unreadable(path, exc) from exc
    if faults:
        raise BackupError("The copy is damaged; so is what it was made of", _OTHERWISE, {"faults": faults})
    return Summary(namespaces, entries, path.stat().st_size, epoch, schema)


_OTHERWISE: Final = ["restore an older backup", "registry export what can still be read"]
_SIZES_THAT_DIFFER: Final = """
    SELECT name FROM namespaces n
    WHERE size <> (SELECT count(*) FROM entries e WHERE e.namespace = n.id)
       OR head < (SELECT coalesce(max(revision), 0) FROM entries e WHERE e.namespace = n.id) LIMIT 10"""


def _unreadable(path: Path, exc: sqlite3.Error) -> BackupError:
    return BackupError(f"{path} cannot be read: {exc}", _OTHERWISE)


def _begin_epoch(path: Path, replaced: str | None) -> None:
    """Give the copy an epoch that nobody has seen."""
    with _migrated(path) as copy:
        begin_epoch(copy, place_of(path), *filter(None, [replaced]))


def _mark(path: Path) -> None:
    """Make a server that opens the copy begin an epoch: the store it was made from goes on in this one."""
    with _migrated(path) as copy:
        copy.execute("UPDATE store SET place = ?", (BACKUP,))


@contextmanager
def _migrated(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the copy and bring its tables up to date."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            [version] = copy.execute("PRAGMA user_version").fetchone()
            migrate(copy, version)
            yield copy
    except sqlite3.Error as exc:
        raise _unusable(path, exc) from exc


# ---- putting it in its place


def _put(copy: Path, target: Path) -> None:
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    copy.replace(target)
    sync_directory(target.parent)


def _keep(store: Path, epoch: str) -> Path:
    """Give what stands at ``store`` a second name."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()  # merges the log, where it is sound
    kept = store.with_name(f"{store.name}.replaced-{epoch[:8]}")
    for suffix in ("", "-wal"):
        file, name = _side_file(store, suffix), _side_file(kept, suffix)
        name.unlink(missing_ok=True)
        if file.exists():
            _link(file, name)
    return kept


def _remove_log(store: Path) -> None:
    """A log that stayed would be taken for that of the file which comes in its place."""
    for suffix in ("-wal", "-shm"):
        _side_file(store, suffix).unlink(missing_ok=True)


def _link(file: Path, name: Path) -> None:
    try:
        os.link(file, name)
    except OSError:  # a file system without links
        shutil.copy2(file, name)


def _side_file(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
