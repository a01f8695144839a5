"""Promises about opening and closing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest

from registry_server.storage.base import Put, StorageBackend, StorageUnavailableError, Written
from registry_server.testing.values import PLENTY, OpenBackend, all_entries, put_all, stored

OPERATIONS: dict[str, Callable[[StorageBackend], Awaitable[object]]] = {
    "ping": lambda backend: backend.ping(),
    "get": lambda backend: backend.get("space", "key"),
    "contains": lambda backend: backend.contains("space", "key"),
    "count": lambda backend: backend.count("space"),
    "put": lambda backend: backend.put("space", "key", stored("new")),
    "put_many": lambda backend: backend.put_many("space", [Put("key", stored("new"))]),
    "delete": lambda backend: backend.delete("space", "key"),
    "clear": lambda backend: backend.clear("space"),
    "page": lambda backend: backend.page("space", limit=1, max_bytes=PLENTY),
    "namespaces": lambda backend: backend.namespaces(limit=1),
    "totals": lambda backend: backend.totals(largest=1),
}


class LifecyclePromises:
    """From `open` to `close`, and again."""

    survives_reopening: ClassVar[bool] = True
    """Whether another backend over the same store, opened after this one was closed, finds its entries."""

    async def test_an_open_backend_names_its_place_and_its_history(self, backend: StorageBackend) -> None:
        await backend.ping()

        assert backend.location
        assert backend.epoch
        assert set(backend.epoch) <= set("0123456789abcdef")
        assert isinstance(backend.durable, bool)

    async def test_what_is_not_open_refuses_everything(self, open_backend: OpenBackend) -> None:
        backend = open_backend()
        await _refuses_everything(backend)
        await backend.open()
        await put_all(backend, "space", "key")
        await backend.close()

        await _refuses_everything(backend)

    async def test_closing_twice_or_unopened_is_harmless(self, open_backend: OpenBackend) -> None:
        await open_backend().close()
        backend = open_backend()
        await backend.open()
        await asyncio.gather(backend.close(), backend.close())
        await backend.close()

    async def test_close_finishes_what_was_begun(self, open_backend: OpenBackend) -> None:
        """Every write in flight is either done and answered, or refused and not there."""
        backend = open_backend()
        await backend.open()
        writes = [
            asyncio.ensure_future(backend.put("space", f"{index}", stored(index))) for index in range(100)
        ]
        await asyncio.sleep(0)  # lets them begin

        await backend.close()

        results = await asyncio.gather(*writes, return_exceptions=True)
        done = [one.entry for one in results if isinstance(one, Written)]
        assert len(done) + sum(isinstance(one, StorageUnavailableError) for one in results) == 100
        if self.survives_reopening:
            assert await _entries_after_reopening(open_backend) == done

    async def test_reopening_keeps_all_or_begins_a_new_history(self, open_backend: OpenBackend) -> None:
        backend = open_backend()
        await backend.open()
        epoch = backend.epoch
        await put_all(backend, "space", *"abc", "a\0", "\U0001f600")
        await backend.put("space", "b", stored("new"))
        await backend.put("space", "large", stored("x" * 500_000))
        await backend.delete("space", "c")
        await put_all(backend, "emptied", "a")
        await backend.clear("emptied")
        before = await all_entries(backend, "space")
        await backend.close()

        again = open_backend()
        await again.open()
        try:
            if not self.survives_reopening:
                assert again.epoch != epoch
                assert await again.count("space") == (0, 0)
                return
            assert again.epoch == epoch
            assert await all_entries(again, "space") == before
            for entry in before:
                assert await again.get("space", entry.key) == (entry, 8)
            assert await again.get("space", "c") == (None, 8)
            assert await again.count("emptied") == (0, 2)
            assert (await again.put("space", "b", stored("new"))).outcome == "unchanged"
            assert (await again.put("space", "b", stored("newer"), expect=before[1].revision)).head == 9
            assert (await again.put("emptied", "a", stored("a"))).entry.created == 3
        finally:
            await again.close()


async def _refuses_everything(backend: StorageBackend) -> None:
    for name, operation in OPERATIONS.items():
        try:
            await operation(backend)
        except StorageUnavailableError:
            continue
        pytest.fail(f"{name} of a backend that is not open did not raise StorageUnavailableError")


async def _entries_after_reopening(open_backend: OpenBackend) -> list[object]:
    backend = open_backend()
    await backend.open()
    try:
        return list(await all_entries(backend, "space"))
    finally:
        await backend.close()
