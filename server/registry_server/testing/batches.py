"""Promises about batches: one transaction, adjacent revisions, all or nothing where asked for."""

from __future__ import annotations

from registry_server.storage.base import ABSENT, BatchWritten, Put, Refused, StorageBackend, Written
from registry_server.testing.values import all_entries, all_keys, put_all, stored


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


def _written(done: BatchWritten) -> list[Written]:
    written = [one for one in done.outcomes if isinstance(one, Written)]
    assert len(written) == len(done.outcomes)
    return written
