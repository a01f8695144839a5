"""Two backends over one database are one registry: what one acknowledged, the readers of the other see."""

from __future__ import annotations

import asyncio
import json

from registry_server.storage.base import (
    ABSENT,
    ConditionFailedError,
    Drop,
    Entry,
    Put,
    StorageBackend,
    Written,
)
from registry_server.storage.postgresql_url import parse_url
from registry_server.storage.postgresql_watch import channel_of
from registry_server.testing import stored
from tests.postgresql.server import PostgresServer
from tests.postgresql.waiting import PATIENCE, until

PLENTY = 1 << 26


async def changes(backend: StorageBackend, since: int = 0, limit: int = 1_000):
    return await backend.changes("space", since, limit=limit, max_bytes=PLENTY, max_value=PLENTY)


async def test_what_one_acknowledged_every_read_of_the_other_sees(
    postgres: PostgresServer, open_many
) -> None:
    one, two = await open_many(postgres.new_schema())
    one._writer._committed = lambda head: None  # nothing is announced: the other has nothing but the database

    for number in range(40):
        written = await one.put("space", "key", stored(number))

        seen = await changes(two, number)
        assert [change.revision for change in seen.changes] == [number + 1]
        assert await two.get("space", "key") == (written.entry, number + 1)
        assert await two.contains("space", "key") == (True, number + 1)
        assert await two.count("space") == (1, number + 1)
        # A client that has heard more than this server knows of is not ahead of the registry.
        assert (await changes(two, number + 1)).head == number + 1


async def test_they_share_entries_epoch_and_listings(postgres: PostgresServer, open_many) -> None:
    one, two = await open_many(postgres.new_schema())
    await one.put_many("space", [Put("a", stored(1)), Put("b", stored(2))])
    await two.delete_many("space", [Drop("a")])
    await two.put("other", "c", stored(3))

    assert one.epoch == two.epoch
    for backend in (one, two):
        page = await backend.page("space", limit=9, max_bytes=PLENTY)
        assert ([entry.key for entry in page.entries], page.head) == (["b"], 3)
        infos, _ = await backend.namespaces(limit=9)
        assert infos == [("other", 1, 1), ("space", 1, 3)]
        assert (await backend.totals(largest=1)).entries == 2


async def test_revisions_of_racing_servers_are_dense(postgres: PostgresServer, open_many) -> None:
    backends = await open_many(postgres.new_schema(), 3)

    written = await asyncio.gather(
        *(backends[index % 3].put("space", f"{index % 50}", stored(index)) for index in range(300))
    )

    assert sorted(one.entry.revision for one in written) == list(range(1, 301))
    latest = {one.entry.key: one.entry for one in sorted(written, key=lambda one: one.head)}
    page = await backends[0].page("space", limit=100, max_bytes=PLENTY)
    assert {entry.key: entry for entry in page.entries} == latest


async def test_of_creators_on_both_servers_one_wins(postgres: PostgresServer, open_many) -> None:
    backends = await open_many(postgres.new_schema())

    for number in range(10):
        results = await asyncio.gather(
            *(
                backends[index % 2].put("space", f"{number}", stored(index), expect=ABSENT)
                for index in range(16)
            ),
            return_exceptions=True,
        )

        [winner] = [one for one in results if isinstance(one, Written)]
        losers = [one for one in results if isinstance(one, ConditionFailedError)]
        assert [loser.current for loser in losers] == [winner.entry] * 15


async def test_no_conditional_update_is_lost_between_servers(postgres: PostgresServer, open_many) -> None:
    """The condition is read after the lock was waited for: read before, two of three updates get lost."""
    backends = await open_many(postgres.new_schema())
    await backends[0].put("space", "counter", stored(0))

    async def increment(backend: StorageBackend) -> None:
        done = 0
        while done < 15:
            entry, _ = await backend.get("space", "counter")
            assert entry is not None
            try:
                await backend.put("space", "counter", stored(number(entry) + 1), expect=entry.revision)
            except ConditionFailedError:
                continue
            done += 1

    await asyncio.gather(*(increment(backend) for backend in backends * 2))

    entry, head = await backends[0].get("space", "counter")
    assert entry is not None
    assert (number(entry), head) == (60, 61)


async def test_servers_that_write_to_several_namespaces_never_lock_each_other_out(
    postgres: PostgresServer, open_many
) -> None:
    """Each batch locks many namespaces, which both servers bring about in opposite orders."""
    backends = await open_many(postgres.new_schema())

    written = await asyncio.gather(
        *(
            backend.put(f"space{index if backend is backends[0] else 39 - index}", f"{turn}", stored(index))
            for turn in range(5)
            for index in range(40)
            for backend in backends
        )
    )

    assert len(written) == 400
    totals = await backends[0].totals(largest=1)
    assert (totals.namespaces, totals.entries) == (40, 200)


async def test_a_listener_hears_of_the_other_servers_writes(postgres: PostgresServer, open_many) -> None:
    one, two = await open_many(postgres.new_schema())
    told: asyncio.Queue[str] = asyncio.Queue()
    two.subscribe(told.put_nowait)

    for number in range(5):
        await one.put(f"space{number}", "key", stored(number))
        assert await asyncio.wait_for(told.get(), PATIENCE) == f"space{number}"

    assert told.empty()


async def test_a_notice_that_was_lost_costs_a_moment(
    postgres: PostgresServer, open_many, monkeypatch
) -> None:
    """A server that dies after COMMIT tells nobody; the others find out by reading."""
    one, two = await open_many(postgres.new_schema())
    told: list[str] = []
    two.subscribe(told.append)
    monkeypatch.setattr(one._voice, "announce", lambda head: None)
    one._writer._committed = lambda head: None

    for number in range(3):
        await one.put("space", "key", stored(number))
        await until(lambda: told)
        assert (await changes(two, number)).head == number + 1
        told.clear()


async def test_whatever_else_is_said_on_the_channel_is_passed_over(
    postgres: PostgresServer, open_many
) -> None:
    url = postgres.new_schema()
    one, two = await open_many(url)
    told: list[str] = []
    two.subscribe(told.append)
    channel = channel_of(parse_url(url).schema)
    for notice in ("", "no JSON", "7", "[7]", '[["x", "space", 1]]', '[[1, "space"]]', '{"a": 1}'):
        postgres.execute("SELECT pg_notify(%s, %s)", channel, notice)
    # A lie about a head, and about where a namespace is; said until it is heard.
    lie = '[[999, "space", 50]]'
    await until(lambda: postgres.execute("SELECT pg_notify(%s, %s)", channel, lie) and told)

    assert (await changes(two)).head == 0
    assert (await two.put("space", "key", stored(1))).head == 1
    assert await one.get("space", "key") == await two.get("space", "key")


async def test_followers_on_both_servers_miss_nothing(postgres: PostgresServer, open_many) -> None:
    """As a long poll does: read, wait to be told, read on; hopping between servers."""
    one, two = await open_many(postgres.new_schema())
    moved = {backend: asyncio.Event() for backend in (one, two)}
    for backend in moved:
        backend.subscribe(lambda _, backend=backend: moved[backend].set())

    async def follow(start: int) -> list[int]:
        seen: list[int] = []
        turn = start
        while len(seen) < 120:
            backend = (one, two)[turn % 2]
            moved[backend].clear()
            found = await changes(backend, seen[-1] if seen else 0, limit=7)
            seen += [change.revision for change in found.changes]
            if found.changes:
                turn += 1
            else:
                await asyncio.wait_for(moved[backend].wait(), PATIENCE)
        return seen

    async def write(backend: StorageBackend) -> None:
        for number in range(30):
            value = stored([id(backend), number])
            await backend.put_many("space", [Put(f"{number}", value), Put("last", value)])

    async with asyncio.timeout(60):
        first, second, *_ = await asyncio.gather(follow(0), follow(1), write(one), write(two))

    assert first == second == list(range(1, 121))


async def test_keys_are_ordered_and_found_by_bytes(postgres: PostgresServer, open_many) -> None:
    one, two = await open_many(postgres.new_schema())
    keys = [
        "\0",
        "a\0b",
        "a",
        "ä",
        "a\u0308",
        "A",
        "'; DROP TABLE entries; --",
        "%s",
        "\\x00",
        "\U0010ffff",
        "é" * 512,
    ]
    for key in keys:
        await one.put("space", key, stored(key))

    page = await two.page("space", limit=100, max_bytes=PLENTY)
    assert [entry.key for entry in page.entries] == keys
    entries, _ = await two.get_many("space", keys, max_bytes=PLENTY)
    assert [entry.key for entry in entries if entry] == keys
    found = await two.page("space", prefix="a", limit=100, max_bytes=PLENTY)
    assert [entry.key for entry in found.entries] == ["a\0b", "a", "a\u0308"]
    assert [change.key for change in (await changes(two)).changes] == keys


async def test_names_that_no_namespace_has_are_found_nowhere(postgres: PostgresServer, open_many) -> None:
    one, two = await open_many(postgres.new_schema())
    await one.put("b", "key", stored(1))

    assert await two.namespaces(prefix="\0", limit=9) == ([], False)
    assert await two.namespaces(prefix="\U0010ffff", limit=9) == ([], False)
    assert await two.namespaces(after="a\0", limit=9) == ([("b", 1, 1)], False)
    assert await two.namespaces(after="\U0010ffff", limit=9) == ([], False)


def number(entry: Entry) -> int:
    return int(json.loads(json.loads(entry.envelope)["data"]))
