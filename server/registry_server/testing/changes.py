"""Promises about changes: dense, complete, in order, whole batches, and told of."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

import pytest

from registry_server.storage.base import Change, Changes, CompactedError, Drop, Put, StorageBackend
from registry_server.storage.history import KEPT, SLACK
from registry_server.testing.values import PLENTY, OpenBackend, put_all, stored

TOLD_SECONDS: Final = 30
"""A move is told within a second; on a machine that does much else, later."""


class ChangePromises:
    """What a namespace tells of its past."""

    survives_reopening: ClassVar[bool]

    async def test_changes_are_told_in_order_with_what_was_done(self, backend: StorageBackend) -> None:
        [entry] = await put_all(backend, "space", "a")
        await backend.delete("space", "a")
        await put_all(backend, "space", "b")
        await backend.clear("space")

        found = await _changes(backend)

        assert [_line(change) for change in found.changes] == [
            (1, "set", "a", entry.digest, 1),
            (2, "delete", "a", "", 2),
            (3, "set", "b", stored("b").digest, 3),
            (4, "clear", "", "", 4),
        ]
        assert found.head == 4
        assert found.changes[0].updated_at == entry.updated_at

    async def test_changes_after_any_revision_are_the_rest(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", *"abc")
        await backend.delete("space", "b")
        every = (await _changes(backend)).changes

        for since in range(6):
            assert await _changes(backend, since) == Changes(every[since:], 4)

    async def test_a_namespace_without_changes_has_none(self, backend: StorageBackend) -> None:
        await put_all(backend, "other", "a")

        assert await _changes(backend) == Changes([], 0)
        assert await _changes(backend, 7) == Changes([], 0)

    async def test_what_changes_nothing_is_no_change(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "a", "a")
        await backend.delete("space", "b")
        await backend.put_many("space", [Put("a", stored("a"))])
        await backend.delete_many("space", [Drop("b")])
        await backend.clear("elsewhere")

        assert [change.revision for change in (await _changes(backend)).changes] == [1]

    async def test_a_change_carries_the_value_while_the_entry_has_it(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "a", "b")
        await backend.put("space", "a", stored("new"))
        await put_all(backend, "space", "c")
        await backend.delete("space", "c")

        carried = {change.revision: change.envelope for change in (await _changes(backend)).changes}

        assert carried == {1: b"", 2: stored("b").envelope, 3: stored("new").envelope, 4: b"", 5: b""}

    async def test_an_entry_that_came_back_is_no_former_one(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "a")
        await backend.clear("space")
        await put_all(backend, "space", "a")

        first, _, last = (await _changes(backend)).changes

        assert (first.envelope, last.envelope) == (b"", stored("a").envelope)

    async def test_large_values_do_not_travel_with_their_changes(self, backend: StorageBackend) -> None:
        await backend.put("space", "large", stored("x" * 300_000))
        await put_all(backend, "space", "a", "b")
        size = len(stored("a").envelope)

        few = await backend.changes("space", 0, limit=9, max_bytes=size, max_value=1_000)
        most = await backend.changes("space", 0, limit=9, max_bytes=PLENTY, max_value=PLENTY)

        assert [bool(change.envelope) for change in few.changes] == [False, True, False]
        assert [len(change.envelope) > size for change in most.changes] == [True, False, False]

    async def test_a_batch_is_never_split(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "x")
        await backend.put_many("space", [Put(key, stored(key)) for key in "abcd"])
        await backend.delete_many("space", [Drop("a"), Drop("missing"), Drop("d")])
        await put_all(backend, "space", "y")

        assert [change.last for change in (await _changes(backend)).changes] == [1, 5, 5, 5, 5, 7, 7, 8]
        assert await _revisions(backend, 0, limit=1) == [1]
        assert await _revisions(backend, 0, limit=2) == [1, 2, 3, 4, 5]
        assert await _revisions(backend, 3, limit=1) == [4, 5]
        assert await _revisions(backend, 5, limit=1) == [6, 7]
        assert await _revisions(backend, 7, limit=5) == [8]

    async def test_the_latest_changes_are_kept_and_older_ones_said_to_be_gone(
        self, backend: StorageBackend
    ) -> None:
        total = KEPT + 3 * SLACK
        for start in range(0, total, 1_000):
            puts = [Put(f"key {number}", stored(number)) for number in range(start, start + 1_000)]
            await backend.put_many("space", puts)

        kept = await _changes(backend, total - KEPT, limit=total)

        assert [change.revision for change in kept.changes] == list(range(total - KEPT + 1, total + 1))
        with pytest.raises(CompactedError) as caught:
            await _changes(backend, 0)
        assert caught.value.head == total

    async def test_changes_survive_reopening(self, open_backend: OpenBackend) -> None:
        backend = open_backend()
        await backend.open()
        await put_all(backend, "space", "a", "b")
        await backend.put_many("space", [Put("c", stored("c")), Put("b", stored("new"))])
        before = await _changes(backend)
        await backend.close()

        again = open_backend()
        await again.open()
        try:
            assert await _changes(again) == (before if self.survives_reopening else Changes([], 0))
        finally:
            await again.close()

    async def test_every_move_is_told_once_it_can_be_read(self, backend: StorageBackend) -> None:
        told: asyncio.Queue[str] = asyncio.Queue()
        backend.subscribe(told.put_nowait)

        for write in (
            lambda: backend.put("space", "a", stored("a")),
            lambda: backend.put_many("space", [Put("b", stored("b"))]),
            lambda: backend.delete("space", "a"),
            lambda: backend.delete_many("space", [Drop("b")]),
            lambda: backend.put("space", "c", stored("c")),
            lambda: backend.clear("space"),
        ):
            await write()
            assert await asyncio.wait_for(told.get(), TOLD_SECONDS) == "space"

        assert (await _changes(backend)).head == 6

    async def test_moves_are_told_after_reopening_too(self, open_backend: OpenBackend) -> None:
        backend = open_backend()
        told: asyncio.Queue[str] = asyncio.Queue()
        backend.subscribe(told.put_nowait)

        for name in ("before", "after"):
            await backend.open()
            await put_all(backend, name, "a")
            while await asyncio.wait_for(told.get(), TOLD_SECONDS) != name:
                pass
            await backend.close()

    async def test_what_changes_nothing_is_not_told(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "a")
        told: asyncio.Queue[str] = asyncio.Queue()
        backend.subscribe(told.put_nowait)

        await put_all(backend, "space", "a")
        await backend.delete("space", "b")
        await put_all(backend, "other", "a")

        assert await asyncio.wait_for(told.get(), TOLD_SECONDS) == "other"

    async def test_no_change_is_missed_or_told_twice_beside_writers(self, backend: StorageBackend) -> None:
        written = 0

        async def write(name: str) -> None:
            nonlocal written
            for number in range(40):
                await backend.put_many(
                    "space", [Put(f"{name}{number}{part}", stored(number)) for part in "ab"]
                )
                written += 2

        async def follow() -> list[int]:
            seen: list[int] = []
            while len(seen) < 320:
                seen += await _revisions(backend, seen[-1] if seen else 0, limit=3)
                await asyncio.sleep(0)
            return seen

        *_, seen = await asyncio.wait_for(asyncio.gather(*map(write, "abcd"), follow()), 60)

        assert written == 320
        assert seen == list(range(1, 321))


async def _changes(backend: StorageBackend, since: int = 0, *, limit: int = 1_000) -> Changes:
    return await backend.changes("space", since, limit=limit, max_bytes=PLENTY, max_value=PLENTY)


async def _revisions(backend: StorageBackend, since: int, *, limit: int) -> list[int]:
    return [change.revision for change in (await _changes(backend, since, limit=limit)).changes]


def _line(change: Change) -> tuple[int, str, str, str, int]:
    return change.revision, change.op, change.key, change.digest, change.last
