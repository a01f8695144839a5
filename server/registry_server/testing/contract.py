"""The contract of `StorageBackend`, as one class of tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from registry_server.storage.base import StorageBackend
from registry_server.testing.batches import BatchPromises
from registry_server.testing.changes import ChangePromises
from registry_server.testing.concurrency import ConcurrencyPromises
from registry_server.testing.conditions import ConditionPromises
from registry_server.testing.entries import EntryPromises
from registry_server.testing.lifecycle import LifecyclePromises
from registry_server.testing.listings import ListingPromises
from registry_server.testing.model import check_against_model
from registry_server.testing.values import OpenBackend

__all__ = ["BackendContract", "OpenBackend"]


@pytest.mark.asyncio
class BackendContract(
    EntryPromises,
    ConditionPromises,
    BatchPromises,
    ListingPromises,
    ChangePromises,
    ConcurrencyPromises,
    LifecyclePromises,
):
    """Subclass it, provide ``open_backend``, and every promise of `StorageBackend` is tried.

    A promise that a backend cannot keep yet is overridden and marked ``xfail`` with its reason; leaving one
    out is itself a failure. Set ``survives_reopening = False`` for a store that lives in its process only.
    """

    @pytest.fixture
    def open_backend(self) -> OpenBackend:
        """Gives backends, not opened, over one store that is empty when the test begins."""
        raise NotImplementedError(f"{type(self).__name__} has to provide the fixture `open_backend`")

    @pytest_asyncio.fixture
    async def backend(self, open_backend: OpenBackend) -> AsyncIterator[StorageBackend]:
        """An open backend over an empty store."""
        backend = open_backend()
        await backend.open()
        yield backend
        await backend.close()

    async def test_it_agrees_with_a_dict_under_any_script(self, open_backend: OpenBackend) -> None:
        # In a thread, since Hypothesis calls plain functions: the thread runs an event loop of its own.
        await asyncio.to_thread(check_against_model, open_backend, survives_reopening=self.survives_reopening)

    async def test_no_promise_is_left_out(self) -> None:
        for name in promises():
            if getattr(type(self), name, None) is getattr(BackendContract, name):
                continue
            marks = getattr(getattr(type(self), name, None), "pytestmark", [])
            reasons = [mark.kwargs.get("reason") for mark in marks if mark.name == "xfail"]
            assert any(reasons), f"{name} is left out; mark it xfail and give the reason"


def promises() -> list[str]:
    """The names of the contract's tests."""
    return [name for name in dir(BackendContract) if name.startswith("test_")]
