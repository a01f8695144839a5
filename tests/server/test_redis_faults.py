"""What an answered write survives on Redis, and what is said of one that was not answered."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from registry_server.storage.base import (
    OutcomeUnknownError,
    StorageBackend,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)
from registry_server.storage.redis import RedisBackend
from registry_server.testing import stored
from registry_server.testing.values import PLENTY, all_entries
from tests.contract.counting import check_commits_are_counted
from tests.contract.redis_process import RedisProcess

WRITERS = 8
KILLS = 5
ANSWERS_PER_LIFE = 120
CONNECTIONS = 7

Log = dict[int, tuple[str, str]]
"""Key and digest of each change, by its revision."""


class Load:
    """Writers that note what was answered, and what may have happened."""

    def __init__(self) -> None:
        self.answered: Log = {}
        self.unknown: set[tuple[str, str]] = set()
        self.refused = 0
        self.stopped = False

    async def write(self, backend: StorageBackend, name: str) -> None:
        number = 0
        while not self.stopped:
            number += 1
            key, value = f"{name}.{number % 15}", stored(f"{name} {number}")
            try:
                written = await backend.put("space", key, value)
            except OutcomeUnknownError:
                self.unknown.add((key, value.digest))
            except StorageUnavailableError:
                self.refused += 1
                await asyncio.sleep(0.01)  # as a client would: not a busy loop
            else:
                assert written.head not in self.answered, "a revision was given twice"
                self.answered[written.head] = key, value.digest

    async def reach(self, answers: int) -> None:
        while len(self.answered) < answers:
            await asyncio.sleep(0.005)


async def _log(backend: StorageBackend) -> Log:
    found: Log = {}
    while True:
        changes, head = await backend.changes("space", len(found), limit=1_000, max_bytes=PLENTY, max_value=0)
        found |= {change.revision: (change.key, change.digest) for change in changes}
        if len(found) >= head:
            return found


async def test_no_answered_write_is_lost_to_kills_of_redis_and_none_is_doubled(start_redis):
    process = start_redis()
    options = process.options(timeout=2.0)
    backends = [RedisBackend(options), RedisBackend(options)]
    for backend in backends:
        await backend.open()
    load, epochs = Load(), {backends[0].epoch}
    writers = [asyncio.create_task(load.write(backends[n % 2], f"w{n}")) for n in range(WRITERS)]
    for life in range(1, KILLS + 1):
        await asyncio.wait_for(load.reach(life * ANSWERS_PER_LIFE), 60)
        process.kill()
        await asyncio.to_thread(process.start)
    await asyncio.wait_for(load.reach((KILLS + 1) * ANSWERS_PER_LIFE), 60)
    load.stopped = True
    await asyncio.gather(*writers)

    await _until_it_works(lambda: _log(backends[1]))
    log = await _log(backends[1])
    latest = {key: (key, digest) for _, (key, digest) in sorted(log.items())}
    entries = {entry.key: (entry.key, entry.digest) for entry in await all_entries(backends[0], "space")}

    assert sorted(log) == list(range(1, len(log) + 1)), "revisions are dense"
    assert {revision: log.get(revision) for revision in load.answered} == load.answered, "nothing was lost"
    unanswered = [log[revision] for revision in log.keys() - load.answered.keys()]
    assert set(unanswered) <= load.unknown, "nothing was written that was called not written"
    assert len(set(log.values())) == len(log), "nothing was written twice"
    assert entries == latest
    assert backends[0].epoch == backends[1].epoch not in epochs
    for backend in backends:
        await backend.close()


async def test_round_trips_that_write_and_failures_are_counted(start_redis):
    """REG-SRV-05: a condition that fails is none of them."""
    process = start_redis()
    backend = RedisBackend(process.options(timeout=2.0))
    await backend.open()
    await check_commits_are_counted(backend)

    process.kill()
    for failing in (backend.get("space", "1"), backend.put("space", "1", stored(3))):
        with pytest.raises((StorageUnavailableError, OutcomeUnknownError)):
            await failing
    assert backend.counters().errors >= 2  # it asks for moves by itself too
    await backend.close()


async def test_a_watcher_misses_nothing_over_a_restart_of_redis(start_redis):
    process = start_redis()
    options = process.options()
    one, other = RedisBackend(options), RedisBackend(options)
    await one.open()
    await other.open()
    told: asyncio.Queue[str] = asyncio.Queue()
    other.subscribe(told.put_nowait)
    await one.put("space", "before", stored(1))
    await other.changes("space", 1, limit=1, max_bytes=0, max_value=0)
    process.kill()
    process.start()
    while not told.empty():
        told.get_nowait()

    await _until_it_works(lambda: one.put("space", "after", stored(2)))

    assert await asyncio.wait_for(told.get(), 30) == "space"
    await _until_it_works(lambda: _log(other))  # the first to ask is told of the new epoch
    assert [key for key, _ in (await _log(other)).values()] == ["before", "after"]
    await one.close()
    await other.close()


async def test_a_redis_that_is_away_is_said_at_once_and_found_again_without_a_leak(start_redis):
    process = start_redis()
    backend = process.backend()
    await backend.open()
    for _ in range(4):
        await asyncio.gather(*(backend.put("space", f"{index}", stored(index)) for index in range(50)))
        process.kill()
        results = await asyncio.gather(
            *(backend.put("space", f"{index}", stored("late")) for index in range(50)),
            *(backend.get("space", f"{index}") for index in range(50)),
            backend.ping(),
            return_exceptions=True,
        )
        assert {type(one) for one in results} <= {StorageUnavailableError, OutcomeUnknownError}
        assert all(isinstance(one, StorageUnavailableError) for one in results[50:])
        process.start()
        await _until_it_works(backend.ping)

    with process.client() as client:
        names = [one["name"] for one in client.client_list()]
        assert 0 < names.count("registry-server") <= CONNECTIONS
        await backend.close()
        while any(one["name"] == "registry-server" for one in client.client_list()):
            await asyncio.sleep(0.01)


async def test_a_write_to_a_redis_that_went_away_while_idle_is_not_unknown_but_refused(
    start_redis, monkeypatch
):
    monkeypatch.setattr("registry_server.storage.redis_link.IDLE_SECONDS", 0)  # any silence is long
    process = start_redis()
    backend = process.backend()
    await backend.open()
    await backend.put("space", "key", stored(1))
    process.kill()

    with pytest.raises(StorageUnavailableError, match="cannot reach the Redis"):
        await backend.put("space", "key", stored(2))

    process.start()
    await _until_it_works(backend.ping)
    assert (await backend.get("space", "key"))[1] == 1
    await backend.close()


@contextmanager
def _frozen(process: RedisProcess) -> Iterator[None]:
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


async def test_a_redis_that_does_not_answer_holds_nobody_for_ever(start_redis):
    process = start_redis()
    backend = process.backend(timeout=0.3)
    await backend.open()
    await backend.put("space", "key", stored(1))
    await backend.get("space", "key")

    with _frozen(process):
        write, read = await asyncio.gather(
            backend.put("space", "key", stored(2)), backend.get("space", "key"), return_exceptions=True
        )
        later = await asyncio.gather(backend.put("space", "key", stored(3)), return_exceptions=True)

    assert isinstance(write, OutcomeUnknownError)
    assert isinstance(read, StorageUnavailableError)
    assert isinstance(later[0], StorageError)
    await _until_it_works(backend.ping)
    assert (await backend.get("space", "key"))[1] <= 3
    await backend.close()


async def test_a_cancelled_caller_disturbs_nobody(redis_process):
    backend = redis_process.backend()
    await backend.open()
    calls = [asyncio.create_task(backend.put("space", f"{index}", stored(index))) for index in range(100)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()

    results = await asyncio.gather(*calls, return_exceptions=True)

    assert not any(isinstance(one, Exception) for one in results[1::2])
    assert (await backend.put("space", "last", stored(0))).head <= 101
    await backend.close()


async def test_without_memory_it_is_full_and_still_reads_and_removes(start_redis):
    process = start_redis()
    backend = process.backend()
    await backend.open()
    entry = (await backend.put("space", "key", stored(1))).entry
    with process.client() as client:
        client.config_set("maxmemory", 1)

    with pytest.raises(StorageFullError, match="maxmemory"):
        await backend.put("space", "other", stored(2))
    assert await backend.get("space", "key") == (entry, 1)
    assert len((await backend.page("space", limit=5, max_bytes=PLENTY)).entries) == 1
    assert (await _log(backend)).keys() == {1}
    assert (await backend.delete("space", "key")).head == 2

    with process.client() as client:
        client.config_set("maxmemory", 0)
    assert (await backend.put("space", "other", stored(2))).head == 3
    await backend.close()


async def test_a_primary_that_became_a_replica_answers_nothing_and_a_promoted_one_begins_an_epoch(
    start_redis,
):
    primary = start_redis()
    new = start_redis(replicaof=f"127.0.0.1 {primary.port}")
    with primary.client() as client, new.client() as promoted:
        while promoted.info("replication")["master_link_status"] != "up":
            await asyncio.sleep(0.02)
        backend = primary.backend()
        await backend.open()
        epoch = backend.epoch
        await backend.put("space", "key", stored(1))
        client.wait(1, 0)
        promoted.execute_command("REPLICAOF", "NO", "ONE")
        # Every connection has been greeted, and holds: it is the answers that must be refused.
        await asyncio.gather(*(backend.get("space", "key") for _ in range(300)), backend.count("space"))
        await asyncio.gather(*(backend.page("space", limit=1, max_bytes=1) for _ in range(20)))
        client.execute_command("REPLICAOF", "127.0.0.1", new.port)

        for call in (
            lambda: backend.get("space", "key"),
            lambda: backend.page("space", limit=1, max_bytes=1),
            lambda: backend.put("space", "key", stored(2)),
            lambda: backend.count("space"),
            lambda: backend.changes("space", 0, limit=1, max_bytes=1, max_value=1),
            backend.ping,
        ):
            with pytest.raises(StorageUnavailableError):
                await call()
        client.execute_command("REPLICAOF", "NO", "ONE")
    await _until_it_works(backend.ping)

    assert backend.epoch != epoch
    await backend.close()


async def test_a_write_waits_for_its_replicas_and_says_so_if_they_do_not_come(start_redis):
    primary = start_redis()
    replica = start_redis(replicaof=f"127.0.0.1 {primary.port}")
    backend = primary.backend(wait_replicas=1, timeout=1.0)
    await backend.open()

    await _until_it_works(lambda: backend.put("space", "key", stored(1)))
    with replica.client(backend._options.database) as client:
        assert client.hexists("registry:{space}:entries", "key")
    replica.kill()
    with pytest.raises(OutcomeUnknownError, match="0 of 1 replicas"):
        await backend.put("space", "key", stored(2))

    assert (await backend.get("space", "key"))[1] >= 2
    await backend.close()


async def test_scripts_that_redis_forgot_are_given_to_it_again(redis_process):
    backend = redis_process.backend()
    await backend.open()
    await backend.put("space", "a", stored(1))
    with redis_process.client() as client:
        client.script_flush()

    results = await asyncio.gather(*(backend.put("space", f"{index}", stored(index)) for index in range(20)))

    assert sorted(one.head for one in results) == list(range(2, 22))
    await backend.close()


async def _until_it_works(call: Callable[[], object]) -> None:
    """Call until it does not raise that the storage is away, for half a minute at most."""
    async with asyncio.timeout(30):
        while True:
            try:
                await call()  # type: ignore[misc]
                return
            except StorageError:
                await asyncio.sleep(0.02)
