"""What has to be true of a PostgreSQL server before it is trusted with writes, and what our tables are."""

from __future__ import annotations

from typing import Any, Final

from psycopg import AsyncConnection, Error, errors, sql

from registry_server.storage.base import StorageSetupError

OLDEST_SERVER: Final = 130000
"""As ``server_version_num`` has it: PostgreSQL 13."""

# Keys are bytes: text cannot hold NUL, and bytes have one order, that of code points, whatever the collation.
# `token` is random for each transaction: a server that lost its connection within COMMIT finds by it whether
# what it wrote is there. Rows of namespaces are replaced with every write: room on their page lets PostgreSQL
# do so in place.
_MIGRATIONS: Final = (
    (
        """CREATE TABLE namespaces (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text COLLATE "C" NOT NULL UNIQUE,
            head bigint NOT NULL DEFAULT 0,
            size bigint NOT NULL DEFAULT 0,
            compacted bigint NOT NULL DEFAULT 0) WITH (fillfactor = 20)""",
        """CREATE TABLE entries (
            namespace bigint NOT NULL, key bytea NOT NULL, created bigint NOT NULL, revision bigint NOT NULL,
            updated_at text NOT NULL, digest text NOT NULL, envelope bytea NOT NULL,
            PRIMARY KEY (namespace, key), UNIQUE (namespace, created)) WITH (fillfactor = 80)""",
        """CREATE TABLE changes (
            namespace bigint NOT NULL, revision bigint NOT NULL, op text NOT NULL, key bytea NOT NULL,
            digest text NOT NULL, updated_at text NOT NULL, last bigint NOT NULL, token bigint NOT NULL,
            PRIMARY KEY (namespace, revision))""",
    ),
)
SCHEMA_VERSION: Final = len(_MIGRATIONS)

_MIGRATION_SECONDS: Final = 60
"""How long a server waits for another one that migrates, and how long one step may take."""


async def check_server(connection: AsyncConnection[Any], *, allow_volatile: bool) -> bool:
    """Whether a COMMIT on this server survives a loss of power.

    Raises:
        StorageSetupError: it does not, and that was not allowed; or the server is too old.
    """
    if connection.info.server_version < OLDEST_SERVER:
        raise StorageSetupError("this PostgreSQL is older than version 13; upgrade it")
    risks = await _risks(connection)
    if risks and not allow_volatile:
        raise StorageSetupError(
            f"this PostgreSQL may lose writes that were answered: {'; '.join(risks)}. If that loss is fine, "
            "add ?allow_volatile=1 to the URL"
        )
    return not risks


async def _risks(connection: AsyncConnection[Any]) -> list[str]:
    cursor = await connection.execute(
        "SELECT name FROM pg_settings WHERE setting = 'off' "
        "AND name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name"
    )
    off = {name for (name,) in await cursor.fetchall()}
    steps = {
        "fsync": "set fsync = on in postgresql.conf and reload",
        "full_page_writes": "set full_page_writes = on in postgresql.conf and reload",
        "synchronous_commit": "take synchronous_commit=off out of the URL's options",
    }
    return [f"{name} is off: {steps[name]}" for name in sorted(off)]


async def migrate(connection: AsyncConnection[Any], schema: str) -> None:
    """Bring the tables of ``schema`` up to date; safe from any number of servers at once.

    ``connection`` is to be closed afterwards, which lets go of the lock where this fails.

    Raises:
        StorageSetupError: the tables are newer than we are, not ours, or may not be made.
    """
    try:
        if await _version(connection) == SCHEMA_VERSION:
            return
        wait = f"'{_MIGRATION_SECONDS}s'"
        await connection.execute(f"SET lock_timeout = {wait}; SET statement_timeout = {wait}")
        # One at a time; whoever comes second finds the work done. Not in the transaction: one that began
        # before it waited would look for the tables in what it knew of the catalog then.
        await connection.execute("SELECT pg_advisory_lock(hashtextextended('namestead ' || %s, 0))", [schema])
        async with connection.transaction():
            await _bring_up(connection, schema, await _version(connection))
        await connection.execute("SELECT pg_advisory_unlock_all()")
    except errors.InsufficientPrivilege as exc:
        raise StorageSetupError(
            f"the user of the URL may not make its tables ({exc.diag.message_primary}); "
            f"let an administrator run: CREATE SCHEMA {schema} AUTHORIZATION the_user"
        ) from exc
    except (errors.UndefinedColumn, errors.DuplicateTable) as exc:
        raise StorageSetupError(
            f"the schema {schema} holds another program's tables; name another one: ?schema=name"
        ) from exc
    except Error as exc:
        said = exc.diag.message_primary or str(exc)
        raise StorageSetupError(f"the tables in schema {schema} cannot be made: {said}") from exc


async def _version(connection: AsyncConnection[Any]) -> int:
    """The version of the tables; 0 where there are none."""
    cursor = await connection.execute("SELECT to_regclass('store') IS NOT NULL")
    if not (await cursor.fetchone() or [False])[0]:
        return 0
    cursor = await connection.execute("SELECT version FROM store")
    [version] = await cursor.fetchone() or (0,)
    if version > SCHEMA_VERSION:
        raise StorageSetupError(
            f"this database was migrated by a newer version (schema {version}; this one knows "
            f"{SCHEMA_VERSION}); upgrade this server"
        )
    return int(version)


async def _bring_up(connection: AsyncConnection[Any], schema: str, version: int) -> None:
    if version == 0:
        cursor = await connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [schema])
        # Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create one even where there is one.
        if await cursor.fetchone() is None:
            await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        await connection.execute(
            "CREATE TABLE store (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), "
            "version integer NOT NULL, epoch uuid NOT NULL DEFAULT gen_random_uuid())"
        )
        await connection.execute("INSERT INTO store (version) VALUES (0)")
    for statements in _MIGRATIONS[version:]:
        for statement in statements:
            await connection.execute(statement)
    await connection.execute("UPDATE store SET version = %s", [SCHEMA_VERSION])
