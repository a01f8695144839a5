"""Backends over one store, and servers that a test may kill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from registry_server.storage.postgresql import PostgresqlBackend
from tests.postgresql.server import PostgresServer

OpenMany = Callable[..., Awaitable[list[PostgresqlBackend]]]


@pytest.fixture
async def open_many() -> AsyncIterator[OpenMany]:
    """``await open_many(url, 3)``: as many backends over one store; closed when the test ends."""
    opened: list[PostgresqlBackend] = []

    async def open_backends(url: str, number: int = 2) -> list[PostgresqlBackend]:
        backends = [PostgresqlBackend(url) for _ in range(number)]
        for backend in backends:
            await backend.open()
            opened.append(backend)
        return backends

    yield open_backends
    for backend in opened:
        await backend.close()


@pytest.fixture(scope="module")
def mortal() -> Iterator[PostgresServer]:
    """A server of this module's own, which a test may kill if it starts it again."""
    server = PostgresServer()
    try:
        yield server.create()
    finally:
        server.remove()
