"""What is bounded by bytes, measured: whatever the names and values are, the bound is what is allocated."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from registry_server.storage import redis_recent, sqlite_recent
from registry_server.storage.base import Change, Changes, Drop, Entry, Put
from registry_server.storage.batch import DeleteManyJob, PutJob, PutManyJob
from registry_server.storage.redis_recent import Asked, Recent
from registry_server.storage.sqlite_cache import EntryCache
from registry_server.storage.sqlite_recent import RecentChanges
from registry_server.testing import stored

KEYS: dict[str, Callable[[int], str]] = {
    "short": lambda number: f"k{number}",
    "long": lambda number: f"{number:01020}",
    "long with one wide character": lambda number: f"{number:01020}\U0001f600",
    "long, two bytes a character": lambda number: f"{number}" + "é" * 500,
    "long, three bytes a character": lambda number: f"{number}" + "字" * 335,
    "long, four bytes a character": lambda number: f"{number}" + "\U0001f600" * 250,
}
"""Keys of up to 1,024 bytes of UTF-8, which take up to 5 KiB."""
NAMESPACES = {"one": lambda number: "space", "long, one each": lambda number: f"{number:0255}"}
SLACK = 1.2
LEAST = 0.15
"""Of the bound: a weight that is far too high would leave nothing cached."""


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


def allocated() -> int:
    return tracemalloc.get_traced_memory()[0]


def entry(key: str, number: int, size: int) -> Entry:
    time = f"2026-01-31T12:00:00.{number % 1000:03}Z"
    return Entry(key, bytes(size), f"sha256:{number:064}", number + 1_000, number + 1_000, time)


@pytest.mark.parametrize("namespace", NAMESPACES.values(), ids=NAMESPACES)
@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("size", [2, 3_000])
def test_the_cache_of_entries(make: Callable[[int], str], namespace: Callable[[int], str], size: int) -> None:
    limit = 1024 * 1024
    before = allocated()
    cache = EntryCache(limit)
    most = 0

    for number in range(3_000):
        cache.put(namespace(number), entry(make(number), number, size))
        if number % 100 == 0:
            most = max(most, allocated() - before)

    assert LEAST * limit < most < SLACK * limit


def test_the_cache_s_count_comes_back_to_nothing() -> None:
    """Replacing and dropping take off what was put on, for any key."""
    cache = EntryCache(1 << 30)
    for make in KEYS.values():
        for size in (2, 3_000):
            cache.put("space", entry(make(1), 1, size))
        cache.drop("space", make(1))

    assert cache._young_bytes == 0


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("namespaces", [1, 50, 5_000])
def test_the_recent_changes(
    make: Callable[[int], str], namespaces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 3 * 1024 * 1024  # one namespace's history is a bound of its own
    monkeypatch.setattr(sqlite_recent, "_BYTES", limit)
    before = allocated()
    recent = RecentChanges(EntryCache(1_000))
    most = 0

    for number in range(10_000):
        changed = entry(make(number), number, 0)
        revision = number // namespaces + 1
        change = Change(revision, "set", changed.key, changed.digest, changed.updated_at, revision)
        recent.add(f"space{number % namespaces}", [change])
        if number % 100 == 0:
            most = max(most, allocated() - before)

    assert most < SLACK * limit


async def test_the_answers_that_a_redis_server_shares() -> None:
    """An answer of many long keys holds as much as one of large values."""
    make = KEYS["long with one wide character"]
    changes = [Change(n, "set", make(n), f"sha256:{n:064}", "2026", n) for n in range(1, 1_001)]
    recent = Recent()

    async def read() -> Changes:
        return Changes(changes, 1_000)

    await recent.find(Asked("space", 0, 1_000, 0, 0, 1_000), read)
    await asyncio.sleep(0)

    assert sum(len(change.key) for change in changes) > redis_recent.MOST_BYTES
    assert not recent._held


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
def test_the_weight_of_queued_writes(make: Callable[[int], str]) -> None:
    """Not more than what they hold by a factor, and not less: 256 MiB of them may wait."""
    value = stored(1)
    before = allocated()
    keys = [make(number) for number in range(1_000)]
    held = allocated() - before

    for job in (
        PutManyJob("space", [Put(key, value) for key in keys], False),
        DeleteManyJob("space", [Drop(key) for key in keys], False),
    ):
        assert held / SLACK < job.weight + 70 * len(keys)
        assert job.weight < 8 * held + 1_000 * len(keys)
    single = sum(PutJob("space", Put(key, value)).weight for key in keys)
    assert held / SLACK < single + 70 * len(keys)
