"""Promises about many callers at once: dense revisions, one winner, nothing seen early, nothing seen late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

from registry_server.storage.base import (
    ABSENT,
    BatchWritten,
    ConditionFailedError,
    Entry,
    Put,
    Removed,
    StorageBackend,
    Written,
)
from registry_server.testing.values import all_entries, stored


class ConcurrencyPromises:
    """All in flight at once, from one event loop."""

    async def test_revisions_of_hundreds_of_writers_are_dense(self, backend: StorageBackend) -> None:
        written = await asyncio.gather(
            *(backend.put("space", f"{index % 150}", stored(index)) for index in range(300))
        )

        assert sorted(one.entry.revision for one in written) == list(range(1, 301))
        assert all(one.head == one.entry.revision for one in written)
        assert await backend.count("space") == (150, 300)
        latest = {one.entry.key: one.entry for one in sorted(written, key=lambda one: one.head)}
        listed = await all_entries(backend, "space")
        assert {entry.key: entry for entry in listed} == latest
        assert [entry.created for entry in listed] == sorted(entry.created for entry in listed)

    async def test_all_kinds_of_changes_number_themselves_apart(self, backend: StorageBackend) -> None:
        await asyncio.gather(*(backend.put("space", f"{index}", stored("old")) for index in range(40)))

        changes: list[Written | Removed | BatchWritten] = await asyncio.gather(
            *(backend.put("space", f"{index}", stored("new")) for index in range(20)),
            *(backend.delete("space", f"{index}") for index in range(20, 40)),
            *(backend.put_many("space", [Put(f"new {index}", stored("new"))]) for index in range(20)),
        )

        assert sorted(change.head for change in changes) == list(range(41, 101))
        assert await backend.count("space") == (40, 100)

    async def test_one_of_many_creators_wins_and_the_others_see_it(self, backend: StorageBackend) -> None:
        results = await asyncio.gather(
            *(backend.put("space", "key", stored(index), expect=ABSENT) for index in range(64)),
            return_exceptions=True,
        )

        winners = [one for one in results if isinstance(one, Written)]
        losers = [one for one in results if isinstance(one, ConditionFailedError)]
        assert (len(winners), len(losers)) == (1, 63)
        assert all(loser.current == winners[0].entry for loser in losers)
        assert await backend.get("space", "key") == (winners[0].entry, 1)

    async def test_no_conditional_update_is_lost(self, backend: StorageBackend) -> None:
        await backend.put("space", "counter", stored(0))

        await asyncio.gather(*(_increment(backend, times=5) for _ in range(12)))

        entry, head = await backend.get("space", "counter")
        assert entry is not None
        assert (_number(entry), entry.revision, head) == (60, 61, 61)

    async def test_batches_in_flight_stay_adjacent(self, backend: StorageBackend) -> None:
        batches = await asyncio.gather(
            *(
                backend.put_many("space", [Put(f"{batch} {index}", stored(index)) for index in range(10)])
                for batch in range(20)
            )
        )

        for batch in batches:
            first = _first_revision(batch)
            assert [one.entry.revision for one in batch.outcomes if isinstance(one, Written)] == list(
                range(first, first + 10)
            )
        assert await backend.count("space") == (200, 200)

    async def test_a_batch_is_never_seen_in_part(self, backend: StorageBackend) -> None:
        keys = [f"{index}" for index in range(5)]
        writing = asyncio.create_task(_write_rounds(backend, keys, rounds=30))
        seen = 0

        while not writing.done():
            page = await backend.page("space", limit=10, max_bytes=1 << 20)
            assert len({_number(entry) for entry in page.entries}) <= 1, "half of a batch was seen"
            assert len(page.entries) in (0, 5)
            seen += 1
            await asyncio.sleep(0)

        await writing
        assert seen

    async def test_no_read_goes_back_in_time(self, backend: StorageBackend) -> None:
        """A read begun after an answer shows at least that, whichever way it goes to the store."""
        acknowledged = {"a": 0, "b": 0, "large": 0}
        writers = [
            asyncio.create_task(_count_up(backend, key, acknowledged, times=25)) for key in acknowledged
        ]
        readers = [_watch(backend, key, acknowledged, writers) for key in acknowledged for _ in range(3)]

        await asyncio.gather(*readers, *writers)

        assert set(acknowledged.values()) == {25}

    async def test_a_delete_that_was_answered_is_not_undone_by_a_slow_read(
        self, backend: StorageBackend
    ) -> None:
        """A read that began before may answer the entry; one that begins after may not."""
        for number in range(30):
            await backend.put("space", "key", stored(number))
            early = asyncio.gather(*(backend.get("space", "key") for _ in range(4)))
            await asyncio.sleep(0)  # lets them begin
            removed = await backend.delete("space", "key")
            if number % 2:
                assert await backend.get("space", "key") == (None, removed.head)
            await early
            assert await backend.get("space", "key") == (None, removed.head)


def _number(entry: Entry) -> int:
    return int(json.loads(json.loads(entry.envelope)["data"].split(" ")[0].strip('"')))


def _first_revision(batch: BatchWritten) -> int:
    first = batch.outcomes[0]
    assert isinstance(first, Written)
    return first.entry.revision


async def _increment(backend: StorageBackend, *, times: int) -> None:
    done = 0
    while done < times:
        entry, _ = await backend.get("space", "counter")
        assert entry is not None
        try:
            await backend.put("space", "counter", stored(_number(entry) + 1), expect=entry.revision)
        except ConditionFailedError:
            continue
        done += 1


async def _write_rounds(backend: StorageBackend, keys: list[str], *, rounds: int) -> None:
    for number in range(rounds):
        await backend.put_many("space", [Put(key, stored(number)) for key in keys])


def _counted(key: str, number: int) -> str:
    return f"{number} " + "x" * (300_000 if key == "large" else 0)


async def _count_up(backend: StorageBackend, key: str, acknowledged: dict[str, int], *, times: int) -> None:
    for number in range(1, times + 1):
        await backend.put("space", key, stored(_counted(key, number)))
        acknowledged[key] = number


async def _watch(
    backend: StorageBackend, key: str, acknowledged: dict[str, int], writers: Iterable[asyncio.Task[None]]
) -> None:
    highest = 0
    while not all(writer.done() for writer in writers):
        least, floor = acknowledged[key], highest
        entry, head = await backend.get("space", key)
        number = 0 if entry is None else _number(entry)
        assert number >= least, "an answered write is not seen"
        assert head >= floor, "a head went back"
        assert entry is None or entry.revision <= head, "an entry is newer than the head it came with"
        highest = head
        await asyncio.sleep(0)
