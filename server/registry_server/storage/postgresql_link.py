"""Connections to PostgreSQL: a pool that outlives the server's restarts, deadlines, a border for errors.

Every connection is asked, when it is made, whose history it leads to (`Identity`). What does not lead to the
history that the backend speaks of is not used: after a failover or a restore no answer mixes two histories.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, NamedTuple, TypeVar

from psycopg import AsyncConnection, Error, InterfaceError, OperationalError, errors
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from registry_server.storage.base import (
    StorageCounters,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)
from registry_server.storage.postgresql_url import PostgresqlUrl

log = logging.getLogger(__name__)

READ_SECONDS: Final = 10.0
"""After so long a read's connection is cut: the server hangs, or the network swallows what is sent."""

_MOST_CONNECTIONS: Final = 8
_WAIT_SECONDS: Final = 2.0
"""How long an operation waits for a connection of the pool."""

# Each statement of ours is one look-up by key for each of a few rows. A plan that was made while a table was
# small would scan it, and be kept while it grows: so no plan may scan where an index serves. Whoever holds a
# lock within a transaction and falls silent (a stopped process) is cut off before those who wait give up.
_SESSION: Final = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "idle_in_transaction_session_timeout": "3s",
    "lock_timeout": "6s",
    "statement_timeout": "30s",
    "standard_conforming_strings": "on",
}
# A role's or a database's default may be off; what the URL says itself is left alone, and refused.
_DURABLE: Final = """
    SELECT set_config(name, 'on', false) FROM pg_settings
    WHERE name = 'synchronous_commit' AND setting = 'off' AND source <> 'client'"""
# The timeline from the log's own position: the control file tells of a promotion only after a checkpoint.
_PLACE: Final = """
    SELECT (SELECT system_identifier FROM pg_control_system()),
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint"""
_STORE: Final = """
    SELECT d.oid::bigint, 'entries'::regclass::oid::bigint, replace(s.epoch::text, '-', '')
    FROM store s, pg_database d WHERE d.datname = current_database()"""

T = TypeVar("T")


class Identity(NamedTuple):
    """Which history a connection leads to.

    The cluster (a restored base backup is another timeline of it, a dump is loaded into another table or
    database) and the UUID stored beside the tables. ``system`` and ``timeline`` are 0 where the user may not
    ask for them; then only the others tell.
    """

    system: int
    timeline: int
    database: int
    table: int
    stored: str

    @property
    def epoch(self) -> str:
        """Hexadecimal, 32 digits."""
        return hashlib.sha256(repr(tuple(self)).encode()).hexdigest()[:32]

    def is_overtaken_by(self, other: Identity) -> bool:
        """Whether ``other`` is a later timeline of the same cluster."""
        return self.system == other.system and self.timeline < other.timeline


class Connection(AsyncConnection[tuple[Any, ...]]):
    """A connection that knows which history it leads to."""

    identity: Identity | None = None


class LostConnectionError(StorageUnavailableError):
    """The connection died, or leads to another history; what was not committed before is not written."""


class _LeftBehindError(OperationalError):
    """The server's history ended with a failover to another one."""


class Link:
    """How a backend reaches its database.

    Args:
        url: where it is.
        on_new_history: called after `identity` has become another one.
        counters: where reads that fail are counted.
    """

    def __init__(
        self, url: PostgresqlUrl, on_new_history: Callable[[], object], counters: StorageCounters
    ) -> None:
        self.url = url
        self.identity: Identity | None = None
        self.away = "the storage is not open"
        """Why the database cannot be reached; empty while it can."""
        self._on_new_history = on_new_history
        self._counters = counters
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._renewing = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to serve connections; after the tables are there."""
        self._pool = self._new_pool()
        await self._pool.open()
        self.away = ""

    async def close(self) -> None:
        """Close every connection of the pool. Closing twice is harmless."""
        self.away = "the storage is not open"
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()
        await asyncio.gather(*self._closing)

    async def connect(self, *, configured: bool = True) -> Connection:
        """A connection of one's own, outside the pool.

        Raises:
            LostConnectionError: there was one, and it was of no use; another may be.
            StorageUnavailableError: there is none to be had.
        """
        try:
            connection = await Connection.connect(self.url.conninfo, autocommit=True)
        except Error as exc:
            raise StorageUnavailableError(f"{self.url.location} cannot be reached: {_said(exc)}") from exc
        try:
            await self.set_up(connection)
            if configured:
                await self._identify(connection)
        except Error as exc:
            another = connection.closed or isinstance(exc, _LeftBehindError)
            kind = LostConnectionError if another else StorageUnavailableError
            await connection.close()
            raise kind(f"{self.url.location} cannot be used: {_said(exc)}") from exc
        except BaseException:
            await connection.close()
            raise
        return connection

    @asynccontextmanager
    async def connection(self, seconds: float = READ_SECONDS) -> AsyncIterator[Connection]:
        """A connection of the pool for ``seconds`` at most; in here psycopg's errors become the storage's."""
        pool = self._pool
        if pool is None or self.away:
            raise StorageUnavailableError(self.away)
        connection = await self._take(pool)
        try:
            with cut_after(connection, seconds):
                yield connection
            if connection.identity != self.identity:
                await connection.close()
                raise LostConnectionError(f"{self.url.location} was replaced by another server meanwhile")
        except Error as exc:
            raise await self._failure(pool, connection, exc) from exc
        finally:
            await pool.putconn(connection)

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What ``work`` makes of a connection; once more with a new one where that one turns out dead."""
        try:
            try:
                async with self.connection() as connection:
                    return await work(connection)
            except LostConnectionError:
                async with self.connection() as connection:
                    return await work(connection)
        except StorageError:
            self._counters.errors += 1
            raise

    async def rows(
        self, query: str, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        """The rows of one statement that only reads."""

        async def work(connection: Connection) -> list[tuple[Any, ...]]:
            return await (await connection.execute(query, parameters, prepare=True, binary=True)).fetchall()

        return await self.read(work)

    async def set_reached(self) -> None:
        """The database can be reached again: no operation is to wait for the pool to notice."""
        pool = self._pool
        if self.away and pool is not None:
            await self._renew(pool)
            self.away = ""

    async def set_up(self, connection: Connection) -> None:
        """Make the session ours."""
        settings = {**_SESSION, "search_path": self.url.schema}
        await connection.execute(
            "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS s (name, value)",
            [list(settings), list(settings.values())],
        )
        if not self.url.allow_volatile:
            await connection.execute(_DURABLE)

    def _new_pool(self) -> AsyncConnectionPool[Connection]:
        return AsyncConnectionPool(
            self.url.conninfo,
            connection_class=Connection,
            kwargs={"autocommit": True},
            configure=self._configure,
            min_size=2,
            max_size=_MOST_CONNECTIONS,
            timeout=_WAIT_SECONDS,
            reconnect_timeout=5.0,
            open=False,
            name=self.url.location,
        )

    async def _configure(self, connection: Connection) -> None:
        await self.set_up(connection)
        await self._identify(connection)

    async def _identify(self, connection: Connection) -> None:
        found = connection.identity = await read_identity(connection)
        known = self.identity
        if known is not None and found.is_overtaken_by(known):
            raise _LeftBehindError("this server was left behind by a failover; its history has ended")
        if found == known:
            return
        self.identity = found
        if known is not None:
            log.warning("%s has another history now: the epoch changes", self.url.location)
            self._on_new_history()

    async def _take(self, pool: AsyncConnectionPool[Connection]) -> Connection:
        try:
            connection = await pool.getconn()
        except PoolClosed as exc:
            raise LostConnectionError(f"the connections to {self.url.location} were renewed") from exc
        except PoolTimeout as exc:
            raise StorageUnavailableError(
                self.away or f"{self.url.location} cannot be reached, or all connections to it are in use"
            ) from exc
        if connection.identity != self.identity:
            await connection.close()
            await pool.putconn(connection)
            await self._renew(pool)
            raise LostConnectionError(f"{self.url.location} was replaced by another server")
        return connection

    async def _failure(
        self, pool: AsyncConnectionPool[Connection], connection: Connection, exc: Error
    ) -> StorageError:
        ended = exc.diag.severity_nonlocalized in ("FATAL", "PANIC")
        standby = isinstance(exc, errors.ReadOnlySqlTransaction)
        if connection.closed or ended or standby or isinstance(exc, InterfaceError):
            await connection.close()
            await self._renew(pool)  # the others of its age are as dead
            return LostConnectionError(f"lost the connection to {self.url.location}: {_said(exc)}")
        with suppress(Error):
            await connection.rollback()
        return translate(exc, self.url.location)

    async def _renew(self, used: AsyncConnectionPool[Connection]) -> None:
        async with self._renewing:
            if self._pool is not used:
                return
            fresh = self._new_pool()
            await fresh.open()
            self._pool = fresh
        task = asyncio.create_task(used.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def read_identity(connection: AsyncConnection[Any]) -> Identity:
    """Which history ``connection`` leads to; psycopg's errors where it leads to none, a standby say."""
    system, timeline = 0, 0
    try:
        system, timeline = await (await connection.execute(_PLACE)).fetchone() or (0, 0)
    except (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.FeatureNotSupported):
        log.info("the server does not tell its system identifier or timeline")
    row = await (await connection.execute(_STORE)).fetchone()
    if row is None:
        raise OperationalError("its table `store` is empty")
    return Identity(system, timeline, *row)


@contextmanager
def cut_after(connection: AsyncConnection[Any], seconds: float) -> Iterator[None]:
    """Shut the connection's socket after ``seconds``: whoever waits for it fails, whatever hangs."""
    handle = asyncio.get_running_loop().call_later(seconds, _cut, connection)
    try:
        yield
    finally:
        handle.cancel()


def _cut(connection: AsyncConnection[Any]) -> None:
    with suppress(Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def translate(exc: Error, location: str) -> StorageError:
    """What went wrong with one statement, in the words of `StorageBackend`."""
    if isinstance(exc, errors.DiskFull):
        return StorageFullError(f"there is no room left at {location}; free some, nothing need be restarted")
    if isinstance(exc, errors.LockNotAvailable | errors.QueryCanceled):
        return StorageUnavailableError(f"{location} is busy: {_said(exc)}; try again")
    return StorageUnavailableError(f"{location} cannot do it now: {_said(exc)}")


def _said(exc: Error) -> str:
    """One line of what PostgreSQL or libpq said; neither repeats a password or a parameter."""
    text = exc.diag.message_primary or str(exc).strip() or type(exc).__name__
    return " ".join(text.split())
