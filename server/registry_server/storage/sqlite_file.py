"""Opening a SQLite file: is it ours, is it free, can it be trusted with writes, and what its tables are."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from pathlib import Path
from typing import Final
from uuid import uuid4

from registry_server.storage.base import (
    StorageError,
    StorageFullError,
    StorageSetupError,
    StorageUnavailableError,
)
from registry_server.storage.file_lock import FileHeldError, FileLock
from registry_server.storage.held_files import HeldFiles, identity_of
from registry_server.storage.times import Stamper

APPLICATION_ID: Final = 0x4E616D65
"""``Name``: tells ``file`` and us that a SQLite file is a registry's."""

# Keys are bytes: a text's NUL would end it for half of SQLite's functions, and a prefix is a range of bytes.
# The envelope comes last, so that reading the columns before it never touches the pages it overflows into.
_MIGRATIONS: Final = (
    (
        "CREATE TABLE store (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), epoch TEXT NOT NULL)",
        """CREATE TABLE namespaces (
            id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, head INTEGER NOT NULL,
            size INTEGER NOT NULL)""",
        """CREATE TABLE entries (
            id INTEGER PRIMARY KEY, namespace INTEGER NOT NULL, key BLOB NOT NULL, created INTEGER NOT NULL,
            revision INTEGER NOT NULL, updated_at TEXT NOT NULL, digest TEXT NOT NULL,
            envelope BLOB NOT NULL)""",
        "CREATE UNIQUE INDEX entries_by_key ON entries (namespace, key)",
        "CREATE UNIQUE INDEX entries_in_order ON entries (namespace, created)",
    ),
    (
        """CREATE TABLE changes (
            namespace INTEGER NOT NULL, revision INTEGER NOT NULL, op TEXT NOT NULL, key BLOB NOT NULL,
            digest TEXT NOT NULL, updated_at TEXT NOT NULL, last INTEGER NOT NULL,
            PRIMARY KEY (namespace, revision)) WITHOUT ROWID""",
        # Changes up to this revision are not in the table; of those before this migration, none is.
        "ALTER TABLE namespaces ADD COLUMN compacted INTEGER NOT NULL DEFAULT 0",
        "UPDATE namespaces SET compacted = head",
    ),
    # The epochs that a restore has ended.
    ("CREATE TABLE epochs (epoch TEXT PRIMARY KEY, ended_at TEXT NOT NULL) WITHOUT ROWID",),
    # The device and inode that the store was last opened at, or `BACKUP`; empty: not known.
    ("ALTER TABLE store ADD COLUMN place TEXT NOT NULL DEFAULT ''",),
)
SCHEMA_VERSION: Final = len(_MIGRATIONS)
BACKUP: Final = "backup"
"""The place of a store that ``registry backup`` made: wherever it is opened, it is a copy."""

NETWORK_FILE_SYSTEMS: Final = frozenset(
    """9p afs beegfs ceph cifs coda davfs fuse.ceph fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs glusterfs
    gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs smb3 smbfs""".split()  # noqa: SIM905
)
_ELSEWHERE: Final = "name another file: --storage sqlite:///other.db"


def translate(exc: Exception, path: Path) -> StorageError:
    """What went wrong, in the words of `StorageBackend`."""
    primary = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and not _has_room(path)):
        return StorageFullError(f"there is no room left for {path}; free some, nothing need be restarted")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or not isinstance(exc, sqlite3.Error):
        return StorageUnavailableError(f"{path} is damaged ({exc}); stop the server and restore a backup")
    return StorageUnavailableError(f"{path} cannot be used now: {exc}")


def _has_room(path: Path) -> bool:
    try:
        room = os.statvfs(path)
    except OSError:
        return True
    return room.f_bavail * room.f_frsize > 1024 * 1024


class SqliteFile:
    """A registry's SQLite file, from its lock to its schema; opens the connections, checks nothing twice."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self.path = path
        self.held = HeldFiles()
        self._synchronous = synchronous
        self._lock = FileLock(path)
        self._own_lock = FileLock(path, note=False)

    def prepare(self) -> sqlite3.Connection:
        """Take the file for this process, bring its tables up to date, return the connection that writes.

        Raises:
            StorageSetupError: it is held, unwritable, no database, another program's, or newer than we are.
        """
        try:
            self._find_place()
            self._take()
            return self._open()
        except OSError as exc:
            self.release()
            raise StorageSetupError(f"cannot use {self.path}: {exc.strerror}; {_ELSEWHERE}") from exc
        except StorageSetupError:
            self.release()
            raise

    def release(self) -> None:
        """Let other processes have the file; after every connection to it was closed."""
        self._own_lock.release()
        self._lock.release()

    def connect_reader(self) -> sqlite3.Connection:
        """A connection that cannot write, for any one thread at a time."""
        connection = self._connect()
        connection.execute("PRAGMA query_only = 1")
        # SQLite opens its files at the first read: now, while their names still lead to them.
        connection.execute("SELECT epoch FROM store").fetchone()
        return connection

    def _find_place(self) -> None:
        # Links are followed first: two names of one file must meet at one lock.
        self.path = Path(os.path.realpath(self.path))
        check_place(self.path)

    def _take(self) -> None:
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"))
        try:
            self._lock.acquire()
        except FileHeldError as exc:
            holder = f"process {exc.pid}" if exc.pid else "another process"
            raise StorageSetupError(
                f"{self.path} is held by {holder}; stop that one, or {_ELSEWHERE}"
            ) from exc
        # Readable by its owner only; SQLite gives its side files the same mode. Closed before SQLite opens
        # it.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self.held = HeldFiles()
        self._hold("", ".lock")
        if sys.platform == "linux":
            self._take_other_names()

    def _take_other_names(self) -> None:
        """A write-ahead log goes by a name: two names of one file would have two, and destroy it."""
        self._own_lock = FileLock(self.path, note=False)
        try:
            self._own_lock.acquire()
        except FileHeldError as exc:
            raise StorageSetupError(
                f"{self.path} is held by another process under another name of the file (a hard link); "
                f"stop that one, or {_ELSEWHERE}"
            ) from exc

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            version = self._version(connection)
            self._configure(connection)
            migrate(connection, version)
            settle(connection, place_of(self.path))
            self._hold("-wal", "-shm")
            sync_directory(self.path.parent)
        except sqlite3.Error as exc:
            connection.close()
            raise self.unusable(exc) from exc
        except BaseException:
            connection.close()
            raise
        return connection

    def _hold(self, *suffixes: str) -> None:
        for suffix in suffixes:
            self.held.hold(self.path.with_name(self.path.name + suffix), database=not suffix)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path, timeout=5.0, isolation_level=None, check_same_thread=False, cached_statements=512
        )

    def _version(self, connection: sqlite3.Connection) -> int:
        [application] = connection.execute("PRAGMA application_id").fetchone()
        [version] = connection.execute("PRAGMA user_version").fetchone()
        [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and (tables or application or version):
            raise StorageSetupError(f"{self.path} is another program's SQLite database; {_ELSEWHERE}")
        if version > SCHEMA_VERSION:
            raise StorageSetupError(
                f"{self.path} was written by a newer version (schema {version}; this one knows "
                f"{SCHEMA_VERSION}); upgrade, or {_ELSEWHERE}"
            )
        return int(version)

    def _configure(self, connection: sqlite3.Connection) -> None:
        [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StorageSetupError(f"SQLite cannot keep a write-ahead log for {self.path}; {_ELSEWHERE}")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        # Only macOS has these: there an ordinary fsync leaves the data in the drive's cache.
        connection.execute("PRAGMA fullfsync = 1")
        connection.execute("PRAGMA checkpoint_fullfsync = 1")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        # The writer merges the log after it has answered; within a COMMIT only where it did not get to it.
        connection.execute("PRAGMA wal_autocheckpoint = 16384")

    def unusable(self, exc: Exception) -> StorageSetupError:
        """What is said of a file that cannot be opened for ``exc``."""
        if getattr(exc, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            return StorageSetupError(f"{self.path} is not a SQLite database; {_ELSEWHERE}")
        return StorageSetupError(f"{translate(exc, self.path)}; or {_ELSEWHERE}")


def check_place(path: Path) -> None:
    """Raise `StorageSetupError` unless a store can lie at ``path``, an absolute one without links."""
    if path.is_dir():
        raise StorageSetupError(f"{path} is a directory; name a file: --storage sqlite:///registry.db")
    if not path.parent.is_dir():
        raise StorageSetupError(f"there is no directory {path.parent}; create it, or {_ELSEWHERE}")
    kind = file_system_of(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StorageSetupError(
            f"{path} lies on a network file system ({kind}), where the locks and memory maps that "
            f"SQLite trusts do not hold and answered writes get lost; use a local disk: {_ELSEWHERE}"
        )


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables from the schema ``version`` (0: there are none) to today's, in one transaction."""
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statements in _MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute("INSERT OR IGNORE INTO store (only_row, epoch) VALUES (1, ?)", (uuid4().hex,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def place_of(path: Path) -> str:
    """Name the file at ``path`` so that a copy of it has another name."""
    device, inode = identity_of(path)
    return f"{device}:{inode}"


def settle(connection: sqlite3.Connection, place: str) -> None:
    """Begin an epoch if the store is a copy: it was last opened at another place."""
    found = connection.execute("SELECT place FROM store").fetchone()
    if found is None or found[0] == place:
        return
    if found[0]:
        begin_epoch(connection, place)
    else:  # a new store, or one from before places were noted
        connection.execute("UPDATE store SET place = ?", (place,))


def begin_epoch(connection: sqlite3.Connection, place: str, *ended: str) -> None:
    """Give the store at ``place`` a new epoch; note that its former one ended, and those in ``ended``."""
    now = Stamper()()
    connection.execute("BEGIN IMMEDIATE")
    [own] = connection.execute("SELECT epoch FROM store").fetchone()
    connection.execute("UPDATE store SET epoch = ?, place = ?", (uuid4().hex, place))
    for epoch in dict.fromkeys((own, *ended)):
        connection.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?)", (epoch, now))
    connection.execute("COMMIT")


def sync_directory(directory: Path) -> None:
    """Make the names of new files survive a loss of power, as their content does."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_system_of(directory: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The type of the file system that holds ``directory``; empty where none is told (not Linux)."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        _, point, found, *_ = line.split(" ")
        mounted = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
        # Of two mounts on one point the later one is seen, so an equal length wins too.
        if directory.is_relative_to(mounted) and len(mounted) >= best:
            best, kind = len(mounted), found
    return kind
