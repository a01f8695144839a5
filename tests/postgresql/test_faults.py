"""The database dies, hangs, moves: nothing acknowledged is lost, nobody waits long, all comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from registry_server.storage import postgresql_writer
from registry_server.storage.base import (
    OutcomeUnknownError,
    Put,
    StorageBackend,
    StorageFullError,
    StorageSetupError,
    StorageUnavailableError,
)
from registry_server.storage.postgresql import PostgresqlBackend
from registry_server.storage.postgresql_link import LostConnectionError, translate
from registry_server.testing import stored
from registry_server.testing.lifecycle import OPERATIONS
from tests.contract.counting import check_commits_are_counted
from tests.postgresql.server import PostgresServer
from tests.postgresql.waiting import PATIENCE, persist, until

PLENTY = 1 << 26


class Writing:
    """Writes numbered keys until it is told to stop, and remembers what it was told of each."""

    def __init__(self, backend: StorageBackend, name: str) -> None:
        self.acknowledged: dict[str, int] = {}
        self.refused: set[str] = set()
        self.unknown: set[str] = set()
        self._backend = backend
        self._name = name
        self.stopped = False

    async def run(self) -> None:
        number = 0
        while not self.stopped:
            key, number = f"{self._name}.{number}", number + 1
            try:
                self.acknowledged[key] = (await self._backend.put("space", key, stored(key))).entry.revision
            except StorageUnavailableError:
                self.refused.add(key)
                await asyncio.sleep(0.01)
            except OutcomeUnknownError:
                self.unknown.add(key)


class Following:
    """Follows the namespace as a long poll does, and checks that no revision is missing."""

    def __init__(self, backend: StorageBackend) -> None:
        self.keys: dict[int, str] = {}
        self._backend = backend
        self._moved = asyncio.Event()
        backend.subscribe(lambda _: self._moved.set())

    async def run(self) -> None:
        while True:
            self._moved.clear()
            try:
                found = await self._backend.changes(
                    "space", len(self.keys), limit=100, max_bytes=0, max_value=0
                )
            except StorageUnavailableError:
                await asyncio.sleep(0.02)
                continue
            for change in found.changes:
                assert change.revision == len(self.keys) + 1
                self.keys[change.revision] = change.key
            if not found.changes:
                await self._moved.wait()


async def test_killed_under_load_nothing_acknowledged_is_lost(mortal: PostgresServer, open_many) -> None:
    backends = await open_many(mortal.new_schema(), 2)
    writings = [Writing(backends[index % 2], f"w{index}") for index in range(8)]
    following = [Following(backend) for backend in backends]
    followers = [asyncio.create_task(one.run()) for one in following]
    writers = [asyncio.create_task(one.run()) for one in writings]

    for _ in range(4):
        enough = sum(len(one.acknowledged) for one in writings) + 40
        await until(lambda enough=enough: sum(len(one.acknowledged) for one in writings) >= enough)
        await asyncio.to_thread(mortal.kill)
        await asyncio.to_thread(mortal.start)
    enough = sum(len(one.acknowledged) for one in writings) + 40
    await until(lambda: sum(len(one.acknowledged) for one in writings) >= enough)
    for one in writings:
        one.stopped = True
    await asyncio.gather(*writers)

    _, head = await backends[0].count("space")
    await until(lambda: all(len(one.keys) == head for one in following))
    for task in followers:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task  # and what it found wrong is raised
    log = following[0].keys
    assert following[1].keys == log
    acknowledged = {revision: key for one in writings for key, revision in one.acknowledged.items()}
    assert acknowledged.items() <= log.items(), "an acknowledged write is lost"
    unknown = set().union(*(one.unknown for one in writings))
    assert set(log.values()) - set(acknowledged.values()) <= unknown, "what was said not to be written was"
    assert len(set(log.values())) == len(log), "a write was done twice"
    assert len(connections(mortal)) <= 2 * 9


async def test_commits_and_failures_are_counted(mortal: PostgresServer, open_many) -> None:
    """REG-SRV-05: a condition that fails is none of them."""
    [backend] = await open_many(mortal.new_schema(), 1)
    await check_commits_are_counted(backend)

    mortal.kill()
    try:
        for failing in (backend.get("space", "1"), backend.put("space", "1", stored(3))):
            with pytest.raises(StorageUnavailableError):
                await failing
    finally:
        mortal.start()
    assert backend.counters().errors == 2


async def test_while_it_is_away_all_is_refused_and_then_all_works(mortal: PostgresServer, open_many) -> None:
    [backend] = await open_many(mortal.new_schema(), 1)
    await backend.put("space", "key", stored(1))
    mortal.kill()
    try:
        for name, operation in OPERATIONS.items():
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(StorageUnavailableError, match="postgresql://"):
                    await operation(backend)
                    pytest.fail(f"{name} did not notice")
        refusals = await asyncio.gather(
            *(backend.put("space", f"{index}", stored(1)) for index in range(100)), return_exceptions=True
        )
        assert {type(one) for one in refusals} == {StorageUnavailableError}
    finally:
        mortal.start()

    await persist(backend.ping)
    assert (await backend.put("space", "key", stored(2))).head == 2


async def test_a_connection_that_dies_between_is_replaced_unnoticed(
    postgres: PostgresServer, open_many
) -> None:
    [backend] = await open_many(postgres.new_schema(), 1)

    for number in range(5):
        cut(postgres)
        assert (await backend.put("space", "key", stored(number))).head == number + 1
        cut(postgres)
        assert (await backend.get("space", "key"))[1] == number + 1
        assert (await backend.page("space", limit=1, max_bytes=1)).head == number + 1


async def test_a_listener_that_was_cut_off_hears_again(postgres: PostgresServer, open_many) -> None:
    one, two = await open_many(postgres.new_schema())
    told: list[str] = []
    two.subscribe(told.append)

    for number in range(5):
        cut(postgres)
        await one.put("space", "key", stored(number))
        await until(lambda: told)
        told.clear()


async def test_a_commit_whose_answer_was_lost_is_found_out(
    postgres: PostgresServer, open_many, monkeypatch
) -> None:
    """Written, and answered as written; not written, and written then: each once."""
    [backend] = await open_many(postgres.new_schema(), 1)
    write = postgresql_writer.write
    faults = ["after", "before", "after"]

    async def dying(connection, drafts, token):
        fault = faults.pop() if faults else ""
        if fault == "before":
            await connection.close()
        said = await write(connection, drafts, token)
        if fault == "after":
            await connection.close()
            raise psycopg.OperationalError("the answer is lost")
        return said

    monkeypatch.setattr(postgresql_writer, "write", dying)

    assert [(await backend.put("space", key, stored(key))).head for key in "abcd"] == [1, 2, 3, 4]
    assert not faults
    found = await backend.changes("space", 0, limit=9, max_bytes=0, max_value=0)
    assert [change.key for change in found.changes] == list("abcd")


async def test_what_cannot_be_found_out_is_said_to_be_unknown(
    postgres: PostgresServer, open_many, monkeypatch
) -> None:
    [backend] = await open_many(postgres.new_schema(), 1)
    write = postgresql_writer.write

    async def dying(connection, drafts, token):
        await write(connection, drafts, token)
        await connection.close()
        raise psycopg.OperationalError("the answer is lost")

    async def unreachable(*_):
        raise psycopg.OperationalError("no server")

    monkeypatch.setattr(postgresql_writer, "write", dying)
    monkeypatch.setattr(postgresql_writer, "SETTLE_SECONDS", 0)
    with monkeypatch.context() as network:
        network.setattr(postgresql_writer, "holds_token", unreachable)
        with pytest.raises(OutcomeUnknownError, match="read before writing again"):
            await backend.put("space", "key", stored(1))

    assert (await persist(lambda: backend.get("space", "key")))[1] == 1


async def test_a_statement_that_fails_writes_nothing_and_spoils_nothing(
    postgres: PostgresServer, open_many
) -> None:
    [backend] = await open_many(postgres.new_schema(), 1)
    await backend.put("space", "key", stored(1))
    schema = backend._url.schema
    postgres.execute(f"ALTER TABLE {schema}.changes ADD CONSTRAINT small CHECK (revision < 3)")

    with pytest.raises(StorageUnavailableError, match="cannot do it now"):
        await backend.put_many("space", [Put("a", stored(1)), Put("b", stored(2))])

    assert await backend.count("space") == (1, 1)
    assert (await backend.put("space", "c", stored(1))).head == 2


async def test_a_server_that_falls_silent_with_a_lock_is_cut_off(postgres: PostgresServer, open_many) -> None:
    """A stopped process, say: the others go on before their patience ends."""
    one, two = await open_many(postgres.new_schema())
    await one.put("space", "key", stored(1))

    async with one._link.connection() as silent:
        await silent.execute("BEGIN")
        await silent.execute("SELECT FROM namespaces FOR UPDATE")
        async with asyncio.timeout(PATIENCE):
            assert (await two.put("space", "key", stored(2))).head == 2
    assert (await one.put("space", "key", stored(3))).head == 3


async def test_a_server_that_does_not_answer_in_time_is_left(postgres: PostgresServer, open_many) -> None:
    [backend] = await open_many(postgres.new_schema(), 1)

    with pytest.raises(LostConnectionError):
        async with backend._link.connection(0.1) as connection:
            await connection.execute("SELECT pg_sleep(60)")

    await backend.ping()


async def test_a_listener_that_fails_keeps_nobody_waiting(
    postgres: PostgresServer, open_many, caplog
) -> None:
    [backend] = await open_many(postgres.new_schema(), 1)

    def failing(_: str) -> None:
        raise RuntimeError("planted")

    backend.subscribe(failing)

    assert (await backend.put("space", "key", stored(1))).head == 1
    assert "a listener failed" in caplog.text


def test_a_full_disk_is_told_as_such() -> None:
    assert isinstance(translate(psycopg.errors.DiskFull("no space left on device"), "here"), StorageFullError)


@pytest.fixture(scope="module")
def standby(mortal: PostgresServer) -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        yield server.copy_of(mortal)
    finally:
        server.remove()


async def test_a_promoted_copy_has_another_epoch_and_its_clients_are_told(
    mortal: PostgresServer, standby: PostgresServer
) -> None:
    """One URL with both servers, as for a failover: first the one, and once that is gone, the other."""
    url = mortal.url(schema="moving").replace("postgres@", "postgres@,")
    url = url.replace(f"host={mortal.folder}", f"host={mortal.folder},{standby.folder}")
    url = url.replace(f"port={mortal.port}", f"port={mortal.port},{standby.port}")
    backend = PostgresqlBackend(url)
    await backend.open()
    try:
        await backend.put("space", "key", stored(1))
        epoch = backend.epoch
        told: list[str] = []
        backend.subscribe(told.append)
        alone = PostgresqlBackend(standby.url(schema="moving"))
        with pytest.raises(StorageSetupError, match="read-only"):
            await alone.open()
        await until(lambda: standby.execute("SELECT to_regclass('moving.entries') IS NOT NULL")[0][0])

        mortal.kill()
        standby.execute("SELECT pg_promote()")

        entry, head = await persist(lambda: backend.get("space", "key"))
        assert entry is not None
        assert head == 1
        assert backend.epoch != epoch
        await until(lambda: "space" in told)
        assert (await persist(lambda: backend.put("space", "key", stored(2)))).head == 2
        new = backend.epoch
        mortal.start()  # the former one comes back, and knows nothing of this
        cut(standby)
        await persist(backend.ping)
        assert await persist(lambda: backend.count("space")) == (1, 2)
        assert backend.epoch == new
    finally:
        await backend.close()


async def test_a_dump_that_was_loaded_has_another_epoch(postgres: PostgresServer, open_many) -> None:
    [backend] = await open_many(postgres.new_schema(), 1)
    await backend.put("space", "key", stored(1))
    dump = postgres.folder / "dump"
    postgres.run("pg_dump", "-Fc", "-f", dump, "-n", backend._url.schema, "postgres")
    postgres.execute("CREATE DATABASE restored")
    postgres.run("pg_restore", "-d", "restored", dump)

    [restored] = await open_many(postgres.url("restored", schema=backend._url.schema), 1)

    assert await restored.get("space", "key") == await backend.get("space", "key")
    assert restored.epoch != backend.epoch


async def test_a_store_that_was_replaced_under_us_changes_the_epoch(
    postgres: PostgresServer, open_many
) -> None:
    url = postgres.new_schema()
    one, two = await open_many(url)
    await one.put("space", "key", stored(1))
    epoch, schema = one.epoch, one._url.schema
    await until(lambda: two._heads.head("space"))
    told: list[str] = []
    two.subscribe(told.append)

    with postgres.connect() as connection, connection.transaction():
        connection.execute(f"SET LOCAL search_path = {schema}")
        connection.execute("DELETE FROM entries; DELETE FROM changes; DELETE FROM namespaces")
        connection.execute("UPDATE store SET epoch = gen_random_uuid()")
    cut(postgres)

    await until(lambda: one.epoch == two.epoch != epoch)
    await until(lambda: told)
    assert (await persist(lambda: one.put("space", "new", stored(1)))).head == 1
    assert (await two.get("space", "key")) == (None, 1)


def connections(server: PostgresServer) -> list[int]:
    rows = server.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'registry-server'")
    return [pid for (pid,) in rows]


def cut(server: PostgresServer) -> None:
    """End every connection of every backend, as an administrator may."""
    for pid in connections(server):
        server.execute("SELECT pg_terminate_backend(%s)", pid)
