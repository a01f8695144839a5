"""Promises about conditional writes: checked first, in the write's own transaction; nothing is half done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from registry_server.storage.base import (
    ABSENT,
    ANY,
    NEVER,
    PRESENT,
    ConditionFailedError,
    Entry,
    Expect,
    Put,
    StorageBackend,
)
from registry_server.testing.values import all_entries, put_all, stored

FREE = {ANY: True, ABSENT: True, PRESENT: False, NEVER: False, 1: False, 2: False, 3: False, 99: False}
"""Which conditions hold of a key that is not there, in a namespace whose head is 3."""
TAKEN = {ANY: True, ABSENT: False, PRESENT: True, NEVER: False, 1: False, 2: True, 3: False, 99: False}
"""Which hold of a key whose revision is 2 (it was created at 1)."""

Write = Callable[[StorageBackend, str, str, Expect], Awaitable[object]]


async def _put(backend: StorageBackend, namespace: str, key: str, expect: Expect) -> object:
    return await backend.put(namespace, key, stored("new"), expect=expect)


async def _put_equal(backend: StorageBackend, namespace: str, key: str, expect: Expect) -> object:
    return await backend.put(namespace, key, stored("second"), expect=expect)


async def _delete(backend: StorageBackend, namespace: str, key: str, expect: Expect) -> object:
    return await backend.delete(namespace, key, expect=expect)


async def _prepare(backend: StorageBackend, namespace: str) -> Entry:
    """``taken`` has revision 2 and was created at 1; ``free`` is free; the head is 3."""
    await backend.put(namespace, "taken", stored("first"))
    entry = (await backend.put(namespace, "taken", stored("second"))).entry
    await backend.put(namespace, "other", stored("other"))
    return entry


async def _check(backend: StorageBackend, name: str, write: Write) -> None:
    for key, table in (("free", FREE), ("taken", TAKEN)):
        for expect, holds in table.items():
            namespace = f"{name}.{key}.{expect % 1000}"
            taken = await _prepare(backend, namespace)
            before = await all_entries(backend, namespace)
            if holds:
                await write(backend, namespace, key, expect)
                continue
            with pytest.raises(ConditionFailedError) as failed:
                await write(backend, namespace, key, expect)
            assert failed.value.current == (taken if key == "taken" else None), (name, key, expect)
            assert failed.value.head == 3
            assert await all_entries(backend, namespace) == before, (name, key, expect)
            assert await backend.count(namespace) == (2, 3)


class ConditionPromises:
    """``expect``, in all its forms."""

    async def test_a_put_happens_exactly_if_its_condition_holds(self, backend: StorageBackend) -> None:
        await _check(backend, "put", _put)

    async def test_a_delete_happens_exactly_if_its_condition_holds(self, backend: StorageBackend) -> None:
        await _check(backend, "delete", _delete)

    async def test_the_condition_comes_before_the_comparison(self, backend: StorageBackend) -> None:
        """Create-only with the very value that is there is refused, not ``unchanged``."""
        await _check(backend, "equal", _put_equal)

    async def test_each_write_of_a_batch_has_its_own_condition(self, backend: StorageBackend) -> None:
        for key, table in (("free", FREE), ("taken", TAKEN)):
            for expect, holds in table.items():
                namespace = f"batch.{key}.{expect % 1000}"
                taken = await _prepare(backend, namespace)

                done = await backend.put_many(namespace, [Put(key, stored("new"), expect)])

                assert done.applied
                assert done.head == (4 if holds else 3), (key, expect)
                [outcome] = done.outcomes
                if not holds:
                    assert outcome == ((taken if key == "taken" else None),)

    async def test_a_clear_happens_exactly_if_the_head_is_as_expected(self, backend: StorageBackend) -> None:
        for head in (None, 0, 1, 2, 3, 4, 99):
            namespace = f"clear.{head}"
            await _prepare(backend, namespace)
            before = await all_entries(backend, namespace)
            if head in (None, 3):
                assert await backend.clear(namespace, head=head) == (2, 4)
                continue
            with pytest.raises(ConditionFailedError) as failed:
                await backend.clear(namespace, head=head)
            assert (failed.value.current, failed.value.head) == (None, 3)
            assert await all_entries(backend, namespace) == before

    async def test_clearing_an_empty_namespace_has_a_condition_too(self, backend: StorageBackend) -> None:
        assert await backend.clear("unwritten", head=0) == (0, 0)
        with pytest.raises(ConditionFailedError):
            await backend.clear("unwritten", head=1)

    async def test_a_revision_of_a_former_life_does_not_match(self, backend: StorageBackend) -> None:
        [former] = await put_all(backend, "space", "key")
        await backend.delete("space", "key")
        await put_all(backend, "space", "key")

        with pytest.raises(ConditionFailedError):
            await backend.put("space", "key", stored("new"), expect=former.revision)

    async def test_a_refused_write_makes_no_namespace(self, backend: StorageBackend) -> None:
        with pytest.raises(ConditionFailedError) as failed:
            await backend.put("space", "key", stored("new"), expect=PRESENT)

        assert (failed.value.current, failed.value.head) == (None, 0)
        assert await backend.namespaces(limit=10) == ([], False)

    async def test_a_loser_is_told_the_whole_entry_however_large(self, backend: StorageBackend) -> None:
        entries = [
            (await backend.put("space", f"{size}", stored("x" * size))).entry
            for size in (10, 300_000, 2_000_000)
        ]

        for entry in entries:
            with pytest.raises(ConditionFailedError) as failed:
                await backend.delete("space", entry.key, expect=ABSENT)
            assert failed.value.current == entry
