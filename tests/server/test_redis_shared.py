"""Two servers over one Redis are one registry: what one answered, the other shows, and tells its watchers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from registry_server.storage.base import (
    ABSENT,
    Changes,
    CompactedError,
    ConditionFailedError,
    Put,
    StorageBackend,
    Written,
)
from registry_server.storage.history import KEPT, SLACK
from registry_server.storage.redis import RedisBackend
from registry_server.testing import stored
from registry_server.testing.values import PLENTY, all_entries, all_keys
from tests.contract.redis_process import RedisProcess

Pair = tuple[RedisBackend, RedisBackend]


@pytest.fixture
async def pair(redis_process: RedisProcess) -> AsyncIterator[Pair]:
    options = redis_process.options()
    backends = RedisBackend(options), RedisBackend(options)
    for backend in backends:
        await backend.open()
    yield backends
    for backend in backends:
        await backend.close()


async def _changes(backend: StorageBackend, since: int = 0) -> Changes:
    return await backend.changes("space", since, limit=1_000, max_bytes=PLENTY, max_value=PLENTY)


def _calls(process: RedisProcess) -> int:
    with process.client() as client:
        return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])


async def test_both_are_of_one_epoch(pair):
    assert pair[0].epoch == pair[1].epoch


async def test_every_read_of_one_shows_what_the_other_has_answered(pair):
    """REG-REV-04: no sleep between the answer and the reads, a hundred times."""
    one, other = pair
    await _changes(other)
    for number in range(1, 101):
        written = await one.put("space", "key", stored(number))

        found, counted, changes, page = await asyncio.gather(
            other.get("space", "key"),
            other.count("space"),
            _changes(other, number - 1),
            other.page("space", limit=1, max_bytes=PLENTY),
        )

        assert found == (written.entry, number)
        assert counted == (1, number)
        assert [change.revision for change in changes.changes] == [number]
        assert (page.entries, page.head) == ([written.entry], number)
        one, other = other, one


async def test_a_poll_without_news_shows_what_another_server_has_answered(pair):
    """The head is known here, and the message of the move is not awaited."""
    one, other = pair
    for number in range(50):
        assert await _changes(other, number) == Changes([], number)
        await one.put("space", f"{number}", stored(number))
        assert (await _changes(other, number)).head == number + 1


async def test_a_move_is_told_to_the_listeners_of_every_server_by_its_message(redis_process, monkeypatch):
    monkeypatch.setattr("registry_server.storage.redis_follower.LOOK_SECONDS", 3_600)
    options = redis_process.options()
    one, other = RedisBackend(options), RedisBackend(options)
    await one.open()
    await other.open()
    with redis_process.client(options.database) as client:
        while client.pubsub_numsub(one._keys.channel)[0][1] != 2:
            await asyncio.sleep(0.01)
    told: asyncio.Queue[str] = asyncio.Queue()
    other.subscribe(told.put_nowait)

    # The first may still be found by the question that follows upon connecting.
    for namespace in ("first", "second"):
        await one.put(namespace, "a", stored("a"))
        while await asyncio.wait_for(told.get(), 30) != namespace:
            continue
    await one.close()
    await other.close()


async def test_a_move_whose_message_was_lost_is_told_too(pair, redis_process, monkeypatch):
    one, other = pair
    told: asyncio.Queue[str] = asyncio.Queue()
    other.subscribe(told.put_nowait)
    await one.put("space", "a", stored("a"))
    await asyncio.wait_for(told.get(), 30)
    with redis_process.client() as client:
        assert client.execute_command("CLIENT", "KILL", "TYPE", "pubsub") >= 2

    await one.put("elsewhere", "b", stored("b"))

    while await asyncio.wait_for(told.get(), 30) != "elsewhere":
        continue


async def test_a_move_is_told_though_its_connection_holds_and_brings_nothing(redis_process, monkeypatch):
    """As one does that a firewall has forgotten."""

    async def nothing(*_arguments: object) -> None: ...

    monkeypatch.setattr("registry_server.storage.redis_follower.Follower._take", nothing)
    options = redis_process.options()
    one, other = RedisBackend(options), RedisBackend(options)
    await one.open()
    await other.open()
    told: asyncio.Queue[str] = asyncio.Queue()
    other.subscribe(told.put_nowait)
    await asyncio.sleep(0)
    await other.ping()

    await one.put("space", "a", stored("a"))

    assert await asyncio.wait_for(told.get(), 30) == "space"
    await one.close()
    await other.close()


async def test_no_watcher_of_any_server_misses_a_change_while_messages_are_lost(pair, redis_process):
    total = 300
    done = asyncio.Event()

    async def write(backend: RedisBackend, name: str) -> None:
        for number in range(total // 2):
            await backend.put("space", f"{name}{number % 20}", stored(f"{name} {number}"))

    async def follow(backend: RedisBackend) -> list[int]:
        moved = asyncio.Event()
        backend.subscribe(lambda _: moved.set())
        seen: list[int] = []
        while len(seen) < total:
            moved.clear()
            found = await _changes(backend, seen[-1] if seen else 0)
            seen += [change.revision for change in found.changes]
            if len(seen) < total:
                await asyncio.wait_for(moved.wait(), 30)
        return seen

    async def disturb() -> None:
        with redis_process.client() as client:
            while not done.is_set():
                await asyncio.to_thread(client.execute_command, "CLIENT", "KILL", "TYPE", "pubsub")
                await asyncio.sleep(0.05)

    disturbing = asyncio.create_task(disturb())
    try:
        first, second, *_ = await asyncio.gather(*map(follow, pair), write(pair[0], "a"), write(pair[1], "b"))
    finally:
        done.set()
        await disturbing

    assert first == second == list(range(1, total + 1))


async def test_revisions_of_writers_at_two_servers_are_dense(pair):
    written = await asyncio.gather(
        *(pair[index % 2].put("space", f"{index % 70}", stored(index)) for index in range(300))
    )

    assert sorted(one.entry.revision for one in written) == list(range(1, 301))
    assert await all_entries(pair[0], "space") == await all_entries(pair[1], "space")


async def test_of_creators_at_two_servers_one_wins_and_the_others_see_it(pair):
    results = await asyncio.gather(
        *(pair[index % 2].put("space", "key", stored(index), expect=ABSENT) for index in range(64)),
        return_exceptions=True,
    )

    [winner] = [one for one in results if isinstance(one, Written)]
    losers = [one for one in results if isinstance(one, ConditionFailedError)]
    assert len(losers) == 63
    assert all(loser.current == winner.entry for loser in losers)


async def test_many_polls_ask_redis_once(pair, redis_process):
    one, other = pair
    await one.put("space", "a", stored("a"))
    await _changes(other)
    before = _calls(redis_process)

    idle = await asyncio.gather(*(_changes(other, 1) for _ in range(500)))

    assert idle == [Changes([], 1)] * 500
    assert _calls(redis_process) - before < 10


async def test_many_watchers_of_one_change_read_it_once(pair, redis_process):
    one, other = pair
    await _changes(other)
    await one.put("space", "a", stored("a"))
    before = _calls(redis_process)

    found = await asyncio.gather(*(_changes(other) for _ in range(500)))
    again = await _changes(other)

    assert {len(one.changes) for one in [*found, again]} == {1}
    assert _calls(redis_process) - before < 15


async def test_changes_that_another_server_has_compacted_are_said_to_be_gone(pair):
    one, other = pair
    await _changes(other)
    total = KEPT + SLACK + 1
    for start in range(0, total, 1_000):
        puts = [
            Put(f"{number % 50}.{number // 50}", stored(0))
            for number in range(start, min(start + 1_000, total))
        ]
        await one.put_many("space", puts)

    with pytest.raises(CompactedError) as caught:
        await _changes(other, total - KEPT - 1)

    assert caught.value.head == total
    assert (await _changes(other, total - KEPT)).changes[0].revision == total - KEPT + 1


HOSTILE = [
    "\0",
    "a\0b",
    "\U0001f600" * 256,
    "é" * 512,
    "x" * 1_024,
    "{tag}",
    "\r\n*1\r\n$4\r\nPING\r\n",
    "..",
    " ",
    "*",
]


async def test_keys_of_any_bytes_and_lengths_are_kept_apart(pair):
    one, other = pair
    namespace = "a" * 255
    for key in HOSTILE:
        await one.put(namespace, key, stored(key))

    assert await all_keys(other, namespace) == HOSTILE
    for key in HOSTILE:
        entry, _ = await other.get(namespace, key)
        assert entry is not None
        assert (entry.key, entry.envelope) == (key, stored(key).envelope)
        assert await all_keys(other, namespace, prefix=key) == [one for one in HOSTILE if one.startswith(key)]
    assert (await other.delete(namespace, HOSTILE[2])).existed
    assert await one.contains(namespace, HOSTILE[2]) == (False, len(HOSTILE) + 1)


async def test_a_store_leaves_nothing_behind_that_grows(pair, redis_process):
    """A cleared namespace keeps its head and its history, nothing of its entries."""
    one, _ = pair
    await one.put_many("space", [Put(f"{index}", stored(index)) for index in range(100)])
    await one.clear("space")

    with redis_process.client(one._options.database) as client:
        kinds = {key.rpartition(b":")[2] for key in client.keys("registry:{space}*")}
        assert kinds == {b"meta", b"changes"}
        assert client.hget("registry:{.}:store", "entries") == b"0"
        assert client.zcard("registry:{.}:names") == client.zcard("registry:{.}:sizes") == 0
