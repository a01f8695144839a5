"""Promises about batches: one transaction, adjacent revisions, all or nothing where asked for."""

from __future__ import annotations

from registry_server.storage.base import (
    ABSENT,
    BatchRemoved,
    BatchWritten,
    Drop,
    Put,
    Refused,
    Removed,
    StorageBackend,
    Written,
)
from registry_server.testing.values import PLENTY, all_entries, all_keys, put_all, stored


class BatchPromises:
    """Many writes in one call."""

    async def test_a_batch_writes_in_order_with_adjacent_revisions(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "b")

        done = await backend.put_many("space", [Put(key, stored("new")) for key in "abc"])

        written = _written(done)
        assert [one.outcome for one in written] == ["created", "replaced", "created"]
        assert [one.entry.revision for one in written] == [2, 3, 4]
        assert [one.head for one in written] == [2, 3, 4]
        assert (done.head, done.applied) == (4, True)
        assert await all_entries(backend, "space") == [written[1].entry, written[0].entry, written[2].entry]

    async def test_what_a_batch_leaves_unchanged_uses_no_revision(self, backend: StorageBackend) -> None:
        [entry] = await put_all(backend, "space", "b")

        done = await backend.put_many("space", [Put(key, stored(key)) for key in "abc"])

        assert [one.outcome for one in _written(done)] == ["created", "unchanged", "created"]
        assert _written(done)[1].entry == entry
        assert done.head == 3
        assert await backend.count("space") == (3, 3)

    async def test_a_failed_condition_refuses_its_own_write_only(self, backend: StorageBackend) -> None:
        [entry] = await put_all(backend, "space", "b")

        done = await backend.put_many("space", [Put(key, stored("new"), ABSENT) for key in "abc"])

        first, refused, last = done.outcomes
        assert refused == Refused(entry)
        assert isinstance(first, Written)
        assert isinstance(last, Written)
        assert (first.entry.revision, last.entry.revision) == (2, 3)
        assert (done.head, done.applied) == (3, True)
        assert await all_keys(backend, "space") == ["b", "a", "c"]
        assert (await backend.get("space", "b"))[0] == entry

    async def test_an_atomic_batch_writes_nothing_if_one_is_refused(self, backend: StorageBackend) -> None:
        before = await put_all(backend, "space", "a", "c")

        done = await backend.put_many(
            "space",
            [Put("a", stored("new")), Put("b", stored("new")), Put("c", stored("new"), ABSENT)],
            atomic=True,
        )

        first, second, refused = done.outcomes
        assert (done.applied, done.head) == (False, 2)
        assert refused == Refused(before[1])
        assert isinstance(first, Written)
        assert isinstance(second, Written)
        assert (first.outcome, second.outcome) == ("replaced", "created")
        assert await all_entries(backend, "space") == before
        assert await backend.count("space") == (2, 2)
        assert await backend.get("space", "a") == (before[0], 2)

    async def test_an_atomic_batch_is_written_if_all_conditions_hold(self, backend: StorageBackend) -> None:
        [entry] = await put_all(backend, "space", "a")

        done = await backend.put_many(
            "space", [Put("a", stored("new"), entry.revision), Put("b", stored("new"), ABSENT)], atomic=True
        )

        assert (done.applied, done.head) == (True, 3)
        assert [one.entry for one in _written(done)] == await all_entries(backend, "space")

    async def test_a_batch_that_is_refused_whole_makes_no_namespace(self, backend: StorageBackend) -> None:
        done = await backend.put_many(
            "space", [Put("a", stored("new")), Put("b", stored("b"), 7)], atomic=True
        )

        assert (done.applied, done.head) == (False, 0)
        assert await backend.namespaces(limit=10) == ([], False)

    async def test_an_empty_batch_changes_nothing(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "a")

        assert await backend.put_many("space", [], atomic=True) == BatchWritten([], 1, applied=True)

    async def test_a_batch_of_a_thousand_is_dense_and_in_order(self, backend: StorageBackend) -> None:
        keys = [f"key {index}" for index in range(1_000)]

        done = await backend.put_many("space", [Put(key, stored(key)) for key in keys])

        assert [one.entry.revision for one in _written(done)] == list(range(1, 1_001))
        assert await backend.count("space") == (1_000, 1_000)
        assert await all_keys(backend, "space", limit=400) == keys

    async def test_many_are_read_by_index_as_of_one_moment(self, backend: StorageBackend) -> None:
        a, b = await put_all(backend, "space", "a", "b")

        assert await backend.get_many("space", ["b", "no", "a"], max_bytes=PLENTY) == ([b, None, a], 2)
        assert await backend.get_many("nowhere", ["a"], max_bytes=PLENTY) == ([None], 0)
        assert await backend.get_many("space", [], max_bytes=PLENTY) == ([], 2)

    async def test_what_has_no_room_comes_without_its_value(self, backend: StorageBackend) -> None:
        entries = [
            (await backend.put("space", key, stored("x" * 300_000 if key == "a" else key))).entry
            for key in "abc"
        ]
        small = len(entries[1].envelope)

        found, _ = await backend.get_many("space", ["a", "b"], max_bytes=small)
        assert found == [entries[0], entries[1]._replace(envelope=b"")]
        found, _ = await backend.get_many("space", ["no", "b", "c"], max_bytes=small)
        assert found == [None, entries[1], entries[2]._replace(envelope=b"")]

    async def test_a_thousand_are_read_at_once(self, backend: StorageBackend) -> None:
        keys = [f"key {index}" for index in range(1_000)]
        await backend.put_many("space", [Put(key, stored(key)) for key in keys])

        found, head = await backend.get_many("space", keys[::-1], max_bytes=PLENTY)

        assert [entry.key for entry in found if entry is not None] == keys[::-1]
        assert head == 1_000

    async def test_a_batch_deletes_in_order_one_change_each(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", *"abc")

        done = await backend.delete_many("space", [Drop("c"), Drop("no"), Drop("a")])

        assert done == BatchRemoved([Removed(True, 4), Removed(False, 4), Removed(True, 5)], 5, applied=True)
        assert await all_keys(backend, "space") == ["b"]
        assert await backend.count("space") == (1, 5)

    async def test_a_delete_that_is_refused_stops_no_other(self, backend: StorageBackend) -> None:
        a, b = await put_all(backend, "space", *"ab")

        done = await backend.delete_many(
            "space", [Drop("a", b.revision), Drop("b", b.revision), Drop("c", 7)]
        )

        assert done == BatchRemoved([Refused(a), Removed(True, 3), Refused(None)], 3, applied=True)
        assert await all_keys(backend, "space") == ["a"]

    async def test_an_atomic_batch_deletes_nothing_if_one_is_refused(self, backend: StorageBackend) -> None:
        before = await put_all(backend, "space", *"ab")

        done = await backend.delete_many("space", [Drop("a"), Drop("b", 7)], atomic=True)

        assert done == BatchRemoved([Removed(True, 3), Refused(before[1])], 2, applied=False)
        assert await all_entries(backend, "space") == before
        assert await backend.count("space") == (2, 2)

    async def test_deleting_from_nowhere_makes_no_namespace(self, backend: StorageBackend) -> None:
        done = await backend.delete_many("space", [Drop("a")])

        assert done == BatchRemoved([Removed(False, 0)], 0, applied=True)
        assert await backend.namespaces(limit=10) == ([], False)


def _written(done: BatchWritten) -> list[Written]:
    written = [one for one in done.outcomes if isinstance(one, Written)]
    assert len(written) == len(done.outcomes)
    return written
