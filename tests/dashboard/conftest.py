"""A running application on memory for each test, and what a browser would read of its pages."""

from __future__ import annotations

import pytest

from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from tests.server.asgi import running

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def backend():
    backend = MemoryBackend()
    await backend.open()
    yield backend
    await backend.close()


@pytest.fixture
async def pages(backend):
    """A client that asks for pages, of a server that holds nothing."""
    async with running(create_app(ServerSettings(), backend)) as client:
        client.headers.update(HTML)
        yield client
