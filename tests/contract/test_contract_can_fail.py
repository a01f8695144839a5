"""The contract finds what is wrong: each of these backends breaks a promise, and a test has to notice."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from unicodedata import normalize

import pytest

from registry_server.storage.base import (
    ANY,
    BatchWritten,
    Changes,
    Cleared,
    ConditionFailedError,
    Entry,
    Expect,
    Page,
    Put,
    Removed,
    StorageBackend,
    Stored,
    Written,
)
from registry_server.storage.memory import MemoryBackend
from registry_server.storage.rules import holds
from registry_server.testing import BackendContract, changes
from registry_server.testing.contract import promises
from registry_server.testing.model import check_against_model


class LosesADelete(MemoryBackend):
    async def delete(self, namespace: str, key: str, *, expect: Expect = ANY) -> Removed:
        existed, head = await self.contains(namespace, key)
        return Removed(existed, head + existed)


class ForgetsCreated(MemoryBackend):
    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        outcome, entry, head = await super().put(namespace, key, value, expect=expect)
        return Written(outcome, entry._replace(created=entry.revision), head)


class ChecksAfterWriting(MemoryBackend):
    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        before, head = await self.get(namespace, key)
        written = await super().put(namespace, key, value)
        if not holds(expect, before):
            raise ConditionFailedError(before, head)
        return written


class ChecksBeforeAnAwait(MemoryBackend):
    """The check and the write are two steps, with room for another writer between them."""

    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        current, head = await self.get(namespace, key)
        await asyncio.sleep(0)
        if expect != ANY and expect != (current.revision if current else 0):
            raise ConditionFailedError(current, head)
        return await super().put(namespace, key, value)


class WritesBatchesOneByOne(MemoryBackend):
    async def put_many(self, namespace: str, writes: Sequence[Put], *, atomic: bool = False) -> BatchWritten:
        outcomes = []
        for write in writes:
            outcomes += (await super().put_many(namespace, [write])).outcomes
            await asyncio.sleep(0)
        return BatchWritten(outcomes, (await self.count(namespace))[1], applied=True)


class ClearsWhateverTheHead(MemoryBackend):
    async def clear(self, namespace: str, *, head: int | None = None) -> Cleared:
        return await super().clear(namespace)


class ClearsKeyByKey(MemoryBackend):
    async def clear(self, namespace: str, *, head: int | None = None) -> Cleared:
        page = await self.page(namespace, limit=1_000_000, max_bytes=1, values=False)
        for entry in page.entries:
            await self.delete(namespace, entry.key)
        return Cleared(len(page.entries), (await self.count(namespace))[1])


class ForgetsHeadsOnClear(MemoryBackend):
    async def clear(self, namespace: str, *, head: int | None = None) -> Cleared:
        cleared = await super().clear(namespace, head=head)
        if cleared.count:
            del self._spaces[namespace]
            self._names.remove(namespace)
        return cleared


class ComparesDigests(MemoryBackend):
    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        current, head = await self.get(namespace, key)
        if current is not None and current.digest == value.digest and expect == ANY:
            return Written("unchanged", current, head)
        return await super().put(namespace, key, value, expect=expect)


class NormalizesKeys(MemoryBackend):
    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        return await super().put(namespace, normalize("NFC", key), value, expect=expect)

    async def get(self, namespace: str, key: str) -> tuple[Entry | None, int]:
        return await super().get(namespace, normalize("NFC", key))


class PagesByLastChange(MemoryBackend):
    async def page(
        self,
        namespace: str,
        *,
        prefix: str = "",
        after: int = 0,
        limit: int,
        max_bytes: int,
        values: bool = True,
    ) -> Page:
        entries, head, _ = await super().page(
            namespace, prefix=prefix, limit=10**6, max_bytes=1 << 40, values=values
        )
        entries = sorted(
            (entry for entry in entries if entry.revision > after), key=lambda entry: entry.revision
        )
        return Page(entries[:limit], head, len(entries) > limit)


class PagesByPosition(MemoryBackend):
    """Takes ``after`` for a number of entries, which it is, until something is deleted."""

    async def page(
        self,
        namespace: str,
        *,
        prefix: str = "",
        after: int = 0,
        limit: int,
        max_bytes: int,
        values: bool = True,
    ) -> Page:
        everything = await super().page(
            namespace, prefix=prefix, limit=10**6, max_bytes=1 << 40, values=values
        )
        entries = everything.entries[after:]
        return Page(entries[:limit], everything.head, len(entries) > limit)


class AnswersFromAnOldCache(MemoryBackend):
    """Fills its cache with what it read before a change that came in between."""

    async def open(self) -> None:
        await super().open()
        self.cache: dict[tuple[str, str], Entry | None] = {}

    async def get(self, namespace: str, key: str) -> tuple[Entry | None, int]:
        if (namespace, key) not in self.cache:
            entry, _ = await super().get(namespace, key)
            await asyncio.sleep(0)
            self.cache[namespace, key] = entry
        return self.cache[namespace, key], (await self.count(namespace))[1]

    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        self.cache.pop((namespace, key), None)
        return await super().put(namespace, key, value, expect=expect)

    async def delete(self, namespace: str, key: str, *, expect: Expect = ANY) -> Removed:
        self.cache.pop((namespace, key), None)
        return await super().delete(namespace, key, expect=expect)


class KeepsItsEpoch(MemoryBackend):
    async def open(self) -> None:
        await super().open()
        self.epoch = "0"


class AnswersWhileClosed(MemoryBackend):
    async def close(self) -> None:
        return None


class TellsAChangeTwice(MemoryBackend):
    """``>=`` where it should be ``>``."""

    async def changes(self, namespace: str, since: int, **bounds: int) -> Changes:
        return await super().changes(namespace, max(0, since - 1), **bounds)


class SplitsBatches(MemoryBackend):
    async def changes(self, namespace: str, since: int, *, limit: int, **bounds: int) -> Changes:
        found, head = await super().changes(namespace, since, limit=limit, **bounds)
        return Changes(found[:limit], head)


class ForgetsWhatItCompacted(MemoryBackend):
    async def changes(self, namespace: str, since: int, **bounds: int) -> Changes:
        space = self._spaces.get(namespace)
        floor = 0 if space is None else space.history.floor
        return await super().changes(namespace, max(since, floor), **bounds)


class TellsOfSetsOnly(MemoryBackend):
    async def delete(self, namespace: str, key: str, *, expect: Expect = ANY) -> Removed:
        listeners, self._listeners = self._listeners, []
        try:
            return await super().delete(namespace, key, expect=expect)
        finally:
            self._listeners = listeners


class ForgetsWhoListens(MemoryBackend):
    async def close(self) -> None:
        await super().close()
        self._listeners.clear()


BROKEN: list[tuple[type[MemoryBackend], set[str]]] = [
    (LosesADelete, {"test_a_delete_is_a_change_and_the_entry_is_gone"}),
    (ForgetsCreated, {"test_replacing_keeps_created_and_moves_the_revision"}),
    (ChecksAfterWriting, {"test_a_put_happens_exactly_if_its_condition_holds"}),
    (
        ChecksBeforeAnAwait,
        {"test_one_of_many_creators_wins_and_the_others_see_it", "test_no_conditional_update_is_lost"},
    ),
    (
        WritesBatchesOneByOne,
        {
            "test_an_atomic_batch_writes_nothing_if_one_is_refused",
            "test_batches_in_flight_stay_adjacent",
            "test_a_batch_is_never_seen_in_part",
        },
    ),
    (ClearsWhateverTheHead, {"test_a_clear_happens_exactly_if_the_head_is_as_expected"}),
    (ClearsKeyByKey, {"test_clear_is_one_change_and_revisions_go_on_from_it"}),
    (ForgetsHeadsOnClear, {"test_clear_is_one_change_and_revisions_go_on_from_it"}),
    (ComparesDigests, {"test_a_value_that_differs_in_meta_only_replaces"}),
    (NormalizesKeys, {"test_keys_are_told_apart_by_code_point"}),
    (PagesByLastChange, {"test_a_replaced_entry_keeps_its_place"}),
    (PagesByPosition, {"test_pages_are_stable_under_writes"}),
    (AnswersFromAnOldCache, {"test_a_delete_that_was_answered_is_not_undone_by_a_slow_read"}),
    (TellsAChangeTwice, {"test_changes_after_any_revision_are_the_rest"}),
    (SplitsBatches, {"test_a_batch_is_never_split"}),
    (
        ForgetsWhatItCompacted,
        {"test_the_latest_changes_are_kept_and_older_ones_said_to_be_gone"},
    ),
    (TellsOfSetsOnly, {"test_every_move_is_told_once_it_can_be_read"}),
    (ForgetsWhoListens, {"test_moves_are_told_after_reopening_too"}),
    (KeepsItsEpoch, {"test_reopening_keeps_all_or_begins_a_new_history"}),
    (AnswersWhileClosed, {"test_what_is_not_open_refuses_everything"}),
]


class MemoryContract(BackendContract):
    """Run by hand below; pytest does not collect it by this name."""

    survives_reopening = False


def _fails(name: str, backend_class: type[StorageBackend]) -> bool:
    """Whether the promise ``name`` finds fault with the backend."""
    test = getattr(MemoryContract(), name)

    async def run() -> None:
        if "backend" not in inspect.signature(test).parameters:
            await test(backend_class)
            return
        backend = backend_class()
        await backend.open()
        await test(backend)

    try:
        asyncio.run(run())
    except (Exception, pytest.fail.Exception):
        return True
    return False


@pytest.mark.parametrize(
    ("backend_class", "expected"), BROKEN, ids=lambda item: getattr(item, "__name__", "")
)
def test_a_broken_backend_is_noticed(
    backend_class: type[MemoryBackend], expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "TOLD_SECONDS", 0.5)  # nobody tells of it, however long one waits
    assert {name for name in expected if not _fails(name, backend_class)} == set()


@pytest.mark.parametrize(
    "backend_class",
    [
        *(LosesADelete, ForgetsCreated, ChecksAfterWriting, WritesBatchesOneByOne),
        *(TellsAChangeTwice, SplitsBatches),
    ],
)
def test_the_model_alone_notices_it_too(backend_class: type[MemoryBackend]) -> None:
    with pytest.raises(AssertionError):
        check_against_model(backend_class, survives_reopening=False, scripts=1_000)


def test_a_sound_backend_fails_nothing() -> None:
    names = [name for name in promises() if name != "test_no_promise_is_left_out"]

    assert [name for name in names if _fails(name, MemoryBackend)] == []


def test_a_promise_that_is_left_out_is_noticed() -> None:
    class Incomplete(BackendContract):
        test_prefixes_are_literal = None  # type: ignore[assignment]

    with pytest.raises(AssertionError, match="test_prefixes_are_literal is left out"):
        asyncio.run(Incomplete().test_no_promise_is_left_out())


def test_a_promise_marked_xfail_with_a_reason_is_not_left_out() -> None:
    class Honest(BackendContract):
        @pytest.mark.xfail(reason="this store compares keys by its collation")
        async def test_prefixes_are_literal(self, backend: StorageBackend) -> None:
            raise NotImplementedError

    asyncio.run(Honest().test_no_promise_is_left_out())
