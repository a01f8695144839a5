"""Opening a store: what is refused, what is migrated, what is never printed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_server.storage.base import StorageSetupError
from registry_server.storage.postgresql import PostgresqlBackend
from registry_server.storage.postgresql_schema import SCHEMA_VERSION
from registry_server.storage.postgresql_url import parse_url
from registry_server.storage.select import backend_from_url
from registry_server.testing import stored
from tests.postgresql.server import PostgresServer
from tests.server.processes import environment


async def refused(url: str) -> str:
    backend = PostgresqlBackend(url)
    with pytest.raises(StorageSetupError) as caught:
        await backend.open()
    await backend.close()
    return str(caught.value)


@pytest.fixture(scope="module")
def careless() -> Iterator[PostgresServer]:
    """A server that loses what it answered when the power goes."""
    server = PostgresServer(fsync="off", full_page_writes="off")
    try:
        yield server.create()
    finally:
        server.remove()


async def test_a_server_that_loses_writes_is_refused_unless_that_is_fine(careless: PostgresServer) -> None:
    reason = await refused(careless.new_schema())
    assert "fsync is off: set fsync = on" in reason
    assert "full_page_writes is off" in reason
    assert "?allow_volatile=1" in reason

    backend = PostgresqlBackend(careless.url(schema="fine", allow_volatile="1"))
    await backend.open()
    assert backend.durable is False
    assert (await backend.put("space", "key", stored(1))).head == 1
    await backend.close()


async def test_commits_that_nobody_waits_for_are_refused_where_the_url_asks_for_them(
    postgres: PostgresServer,
) -> None:
    options = {"options": "-c synchronous_commit=off"}

    assert "take synchronous_commit=off out of the URL" in await refused(postgres.url(**options))

    backend = PostgresqlBackend(postgres.url(schema="hasty", allow_volatile="1", **options))
    await backend.open()
    assert backend.durable is False
    await backend.close()


async def test_a_default_that_loses_writes_is_overruled(mortal: PostgresServer) -> None:
    mortal.execute("ALTER ROLE postgres SET synchronous_commit = off")
    backend = PostgresqlBackend(mortal.new_schema())
    await backend.open()
    try:
        assert backend.durable
        for connection in (backend._link.connection(), backend._link.connection()):
            async with connection as held:
                assert await (await held.execute("SHOW synchronous_commit")).fetchone() == ("on",)
    finally:
        await backend.close()
        mortal.execute("ALTER ROLE postgres RESET synchronous_commit")


async def test_allowing_loss_takes_none_from_a_server_that_loses_nothing(postgres: PostgresServer) -> None:
    backend = PostgresqlBackend(postgres.url(schema="both", allow_volatile="1"))
    await backend.open()

    assert backend.durable
    await backend.close()


async def test_four_servers_migrate_one_database_at_once(postgres: PostgresServer) -> None:
    url = postgres.new_schema()
    backends = [PostgresqlBackend(url) for _ in range(4)]

    await asyncio.gather(*(backend.open() for backend in backends))

    written = await asyncio.gather(
        *(backend.put("space", "key", stored(id(backend))) for backend in backends)
    )
    assert sorted(one.head for one in written) == [1, 2, 3, 4]
    assert len({backend.epoch for backend in backends}) == 1
    for backend in backends:
        await backend.close()


async def test_a_newer_schema_is_refused_and_left_alone(postgres: PostgresServer, open_many) -> None:
    url = postgres.new_schema()
    await open_many(url, 1)
    table = f"{parse_url(url).schema}.store"
    postgres.execute(f"UPDATE {table} SET version = version + 1")

    reason = await refused(url)

    assert f"schema {SCHEMA_VERSION + 1}; this one knows {SCHEMA_VERSION}" in reason
    assert "upgrade" in reason
    assert postgres.execute(f"SELECT version FROM {table}") == [(SCHEMA_VERSION + 1,)]


async def test_another_programs_tables_are_refused_and_left_alone(postgres: PostgresServer) -> None:
    postgres.execute("CREATE SCHEMA shop")
    postgres.execute("CREATE TABLE shop.store (street text)")
    assert "another program's tables; name another one" in await refused(postgres.url(schema="shop"))

    postgres.execute("CREATE SCHEMA shop2")
    postgres.execute("CREATE TABLE shop2.entries (street text)")
    assert "another program's tables" in await refused(postgres.url(schema="shop2"))
    assert postgres.execute("SELECT to_regclass('shop2.store') IS NULL") == [(True,)]


async def test_a_user_without_rights_learns_what_to_ask_for(postgres: PostgresServer) -> None:
    postgres.execute("CREATE ROLE guest LOGIN")
    url = postgres.url(schema="guests").replace("postgres@", "guest@")
    assert "CREATE SCHEMA guests AUTHORIZATION the_user" in await refused(url)

    postgres.execute("CREATE SCHEMA guests AUTHORIZATION guest")
    backend = PostgresqlBackend(url)
    await backend.open()
    assert (await backend.put("space", "key", stored(1))).head == 1
    await backend.close()


async def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    reason = await refused("postgresql://me:hush@127.0.0.1:1/registry")

    assert "postgresql://me@127.0.0.1:1/registry cannot be reached" in reason
    assert "see that it runs" in reason
    assert "hush" not in reason


async def test_a_wrong_password_and_a_missing_database_are_not_printed(postgres: PostgresServer) -> None:
    reason = await refused(postgres.tcp_url("nowhere").replace("postgres@", "postgres:hush@"))

    assert 'database "nowhere" does not exist' in reason
    assert "hush" not in reason


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql:registry", "postgresql://user:password@host:5432/database"),
        ("postgresql://me:hush%zz@host/db", "percent-encoded"),
        ("postgresql://me:hush@[::1/db", "cannot be read"),
        ("postgresql://me:hu/sh@h/db", "cannot be read"),
        ("postgresql://me:hu%2Fsh/hush@h/db", "cannot be read"),
        ("postgresql://me:hush@host/db?sslmod=require", "no option 'sslmod'"),
        ("postgresql://me:hush@host/db?schema=Big", "schema is lower-case"),
        ("postgresql://me:hush@host/db?schema=pg_catalog", "schema is lower-case"),
        ("postgresql://me:hush@host/db?schema=a%22%3Bb", "schema is lower-case"),
        ("postgresql://me:hush@host/db?allow_volatile=perhaps", "allow_volatile is 1 or 0"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str, message: str) -> None:
    with pytest.raises(StorageSetupError) as caught:
        backend_from_url(url)

    assert message in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "hush" not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("postgresql://me:hush@host:6543/db", "postgresql://me@host:6543/db"),
        ("postgres://me:hush@host/db?sslmode=require", "postgresql://me@host/db"),
        ("postgresql://host/db?user=me&password=hush", "postgresql://me@host/db"),
        ("postgresql:///db?host=/run/pg&schema=own", "postgresql:///db?host=/run/pg&schema=own"),
        ("postgresql://me@one:1,two:2/db", "postgresql://me@one:1,two:2/db"),
        ("postgresql://", "postgresql:///"),
    ],
)
def test_the_location_is_for_people_and_holds_no_password(url: str, location: str) -> None:
    backend = backend_from_url(url)

    assert isinstance(backend, PostgresqlBackend)
    assert backend.location == location


def test_without_psycopg_the_extra_is_named_and_nothing_else_needs_it(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from registry_server.storage.select import backend_from_url as choose\n"
        "choose('memory:'); choose('sqlite:///x.db')\n"
        "try: choose('postgresql://me:hush@host/db')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(tmp_path), capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("StorageSetupError PostgreSQL storage needs psycopg")
    assert "pip install '.[server,postgresql]'" in done.stdout
    assert "hush" not in done.stdout
