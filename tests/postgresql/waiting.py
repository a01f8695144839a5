"""Waiting for what has to come, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from registry_server.storage.base import StorageError

T = TypeVar("T")

PATIENCE = 30.0


async def until(true: Callable[[], object]) -> None:
    """Return once ``true()`` is."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


async def persist(operation: Callable[[], Awaitable[T]]) -> T:
    """What ``operation`` gives once it no longer fails."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await operation()
            except StorageError:
                await asyncio.sleep(0.02)
