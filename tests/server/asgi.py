"""An ASGI application's life without a server around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of ``app`` between its start-up and its shutdown, as a server calls them.

    Raises:
        RuntimeError: the application says that it could not start, or could not stop.
    """
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    life = asyncio.create_task(app(scope, told.get, said.put))

    async def step(name: str) -> None:
        await told.put({"type": f"lifespan.{name}"})
        answer = await said.get()
        if answer["type"] != f"lifespan.{name}.complete":
            await asyncio.wait([life])
            life.exception()
            raise RuntimeError(answer.get("message"))

    await step("startup")
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost:8001"
        ) as client:
            yield client
    finally:
        await step("shutdown")
        await life
