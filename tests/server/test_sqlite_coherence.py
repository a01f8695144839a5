"""What is committed but not yet applied on the event loop, in every order in which it can matter.

`HeldBackend` keeps the writer's batches from the event loop until they are released: the moment between a
COMMIT and its turn on the loop, for as long as a test likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from registry_server.storage.base import ABSENT, PRESENT, ConditionFailedError, Entry, Put, StorageBackend
from registry_server.storage.batch import Batch
from registry_server.storage.sqlite import SqliteBackend
from registry_server.storage.sqlite_cache import EntryCache
from registry_server.testing import stored

T = TypeVar("T")
LARGE = stored("x" * 300_000)


class HeldBackend(SqliteBackend):
    """`hold` it, and commits are not heard of until `release`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.held: asyncio.Queue[Batch] = asyncio.Queue()
        self.holding = False

    def hold(self) -> None:
        self.holding = True

    def release(self) -> None:
        self.holding = False
        while not self.held.empty():
            self._apply(self.held.get_nowait())

    def forget(self) -> None:
        """Empty the cache, as many other entries would."""
        self._cache.young.clear()
        self._cache._old.clear()

    async def committed(self, write: Awaitable[T]) -> asyncio.Future[T]:
        """Begin ``write`` and return once it is committed, and not heard of."""
        before = self.held.qsize()
        future = asyncio.ensure_future(write)
        while self.held.qsize() == before:
            await asyncio.sleep(0)
        return future

    def _deliver(self, batch: Batch) -> None:
        if self.holding:
            self._call_soon(self.held.put_nowait, batch)
        else:
            super()._deliver(batch)


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[HeldBackend]:
    backend = HeldBackend(tmp_path / "registry.db")
    await backend.open()
    yield backend
    backend.release()
    await backend.close()


async def _turns() -> None:
    """Let everything that can go on go on, threads included."""
    for _ in range(20):
        await asyncio.to_thread(lambda: None)


READS: dict[str, Callable[[StorageBackend], Awaitable[object]]] = {
    "get": lambda backend: backend.get("space", "key"),
    "get of a large one": lambda backend: backend.get("space", "large"),
    "get of nothing": lambda backend: backend.get("space", "gone"),
    "contains": lambda backend: backend.contains("space", "key"),
    "page": lambda backend: backend.page("space", limit=10, max_bytes=1 << 30),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_a_read_that_finds_the_file_ahead_waits_until_it_is_applied(
    backend: HeldBackend, read: Callable[[StorageBackend], Awaitable[object]]
) -> None:
    """Answered at once, it would tell of a head that the next read, from the cache, does not know yet."""
    for key, value in (("key", stored(1)), ("large", LARGE), ("gone", stored(1))):
        await backend.put("space", key, value)
    backend.forget()
    backend.hold()
    write = await backend.committed(
        backend.put_many("space", [Put("key", stored(2)), Put("large", stored("y" * 300_000))])
    )

    reads = [asyncio.ensure_future(read(backend)) for _ in range(2)]
    await _turns()

    assert not any(one.done() for one in reads)
    assert await backend.count("space") == (3, 3)
    backend.release()
    first, second = await asyncio.gather(*reads)
    assert first == second
    assert isinstance(first, tuple)
    assert 5 in first, "the answer tells the head as of its reading"
    await write


async def test_nothing_unapplied_is_kept_in_the_cache(backend: HeldBackend) -> None:
    entry = (await backend.put("space", "key", stored(1))).entry
    await backend.put("space", "other", stored(1))
    backend.forget()
    backend.hold()
    await backend.committed(backend.put("space", "key", stored(2)))
    waiting = asyncio.ensure_future(backend.get("space", "key"))
    await _turns()

    assert backend._cache.get("space", "key") is None
    backend.release()
    answer, head = await waiting
    assert answer is not None
    assert (answer.revision, head) == (3, 3)
    assert answer != entry


async def test_cached_reads_show_a_commit_only_once_it_is_applied(backend: HeldBackend) -> None:
    entry = (await backend.put("space", "key", stored(1))).entry
    backend.hold()
    write = await backend.committed(backend.put("space", "key", stored(2)))

    assert await backend.get("space", "key") == (entry, 1)
    assert not write.done()
    backend.release()
    await write
    assert (await backend.get("space", "key"))[1] == 2


async def test_an_answer_comes_after_every_read_can_see_the_write(backend: HeldBackend) -> None:
    answers = []
    write = asyncio.ensure_future(backend.put("space", "key", stored(1)))
    write.add_done_callback(lambda _: answers.append(backend._spaces["space"].head))

    await write

    assert answers == [1]


async def test_conditions_are_checked_against_what_is_committed_not_applied(backend: HeldBackend) -> None:
    """Three commits deep, the event loop's cache still at the first."""
    await backend.put("space", "key", stored(1))
    backend.hold()
    writes = [
        await backend.committed(backend.put("space", "key", stored(n), expect=n - 1)) for n in (2, 3, 4)
    ]
    stale = await backend.committed(backend.put("space", "key", stored(9), expect=1))

    backend.release()

    assert [(await write).head for write in writes] == [2, 3, 4]
    with pytest.raises(ConditionFailedError) as failed:
        await stale
    assert failed.value.current == (await backend.get("space", "key"))[0]


async def test_a_delete_not_applied_yet_frees_the_key(backend: HeldBackend) -> None:
    await backend.put("space", "key", stored(1))
    await backend.put("space", "other", stored(1))
    backend.hold()
    await backend.committed(backend.delete("space", "key"))
    again = await backend.committed(backend.put("space", "key", stored(1), expect=ABSENT))

    backend.release()

    await again
    assert await backend.count("space") == (2, 4)


async def test_a_clear_not_applied_yet_leaves_nothing_to_condition_on(backend: HeldBackend) -> None:
    """Neither the cache, which still holds the entries, nor an older batch brings one back."""
    await backend.put("space", "cached", stored(1))
    backend.hold()
    await backend.committed(backend.put("space", "older batch", stored(1)))
    await backend.committed(backend.clear("space"))
    await backend.committed(backend.put("space", "other", stored(1)))
    refused = [
        await backend.committed(backend.put("space", key, stored(2), expect=PRESENT))
        for key in ("cached", "older batch")
    ]
    same = await backend.committed(backend.put("space", "cached", stored(1)))

    backend.release()

    for one in refused:
        with pytest.raises(ConditionFailedError) as failed:
            await one
        assert failed.value.current is None
    await same
    assert await backend.count("space") == (2, 5)


async def test_a_clear_that_is_applied_empties_the_cache_for_the_writer_too(backend: HeldBackend) -> None:
    await backend.put("space", "key", stored(1))
    await backend.put("space", "other", stored(1))
    await backend.clear("space")
    await backend.put("space", "other", stored(1))

    with pytest.raises(ConditionFailedError):
        await backend.put("space", "key", stored(2), expect=PRESENT)
    assert (await backend.put("space", "key", stored(1))).outcome == "created"


async def test_one_batch_may_clear_and_write_the_same_keys(backend: HeldBackend) -> None:
    """Everything below is queued before the writer takes it up, and is one commit."""
    for key in "abc":
        await backend.put("space", key, stored(1))
    backend.hold()

    script = asyncio.gather(
        backend.put("space", "a", stored(2)),
        backend.delete("space", "b"),
        backend.put("space", "b", stored(3)),
        backend.clear("space"),
        backend.put("space", "b", stored(4), expect=ABSENT),
        backend.put("space", "a", stored(1)),
        backend.delete("space", "a"),
        backend.put("space", "a", stored(5)),
    )
    await backend.committed(script)
    while not script.done():
        backend.release()
        await asyncio.sleep(0)

    backend.forget()
    page = await backend.page("space", limit=10, max_bytes=1 << 20)
    assert [(entry.key, entry.created, entry.envelope) for entry in page.entries] == [
        ("b", 8, stored(4).envelope),
        ("a", 11, stored(5).envelope),
    ]
    assert page.head == 11
    for entry in page.entries:
        assert await backend.get("space", entry.key) == (entry, 11)


async def test_a_large_value_drives_its_small_predecessor_out_of_the_cache(backend: HeldBackend) -> None:
    await backend.put("space", "key", stored(1))

    await backend.put("space", "key", LARGE)

    entry, _ = await backend.get("space", "key")
    assert entry is not None
    assert entry.envelope == LARGE.envelope


async def test_a_cancelled_write_leaves_the_others_of_its_batch_alone(backend: HeldBackend) -> None:
    writes = [asyncio.ensure_future(backend.put("space", f"{n}", stored(n))) for n in range(10)]
    await asyncio.sleep(0)
    writes[3].cancel()

    results = await asyncio.gather(*writes, return_exceptions=True)

    assert sum(isinstance(one, asyncio.CancelledError) for one in results) == 1
    assert (await backend.put("space", "last", stored(0))).head == 11


def test_the_cache_keeps_to_its_bytes_and_to_what_is_used() -> None:
    cache = EntryCache(200_000)
    value = stored("x" * 500)
    for number in range(1, 2_000):
        cache.put("space", Entry(f"{number}", *value, number, number, ""))
        assert cache.get("space", "1") is not None

    held = [*cache.young.values(), *cache._old.values()]
    assert sum(len(entry.envelope) for entry in held) <= 200_000
    assert len(held) > 100
    assert cache.get("space", "2") is None
    assert cache.get("space", "1999") is not None


def test_what_is_dropped_from_the_cache_comes_back_from_neither_generation() -> None:
    cache = EntryCache(2_000)
    value = stored("x")
    for key in ("old", "filler", "young"):  # two entries fill a generation
        cache.put("space", Entry(key, *value, 1, 1, ""))
    assert cache.peek("space", "old") is not None

    for key in ("old", "young"):
        cache.drop("space", key)

    assert (cache.get("space", "old"), cache.get("space", "young")) == (None, None)
