"""The application, run anew and empty for each test, and a client that asks for pages as a browser does."""

from __future__ import annotations

import pytest

from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from tests.server.asgi import running

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="session")
def application():
    """The application and its memory storage, made once: compiling the specification costs half a second."""
    backend = MemoryBackend()
    return create_app(ServerSettings(), backend), backend


@pytest.fixture
async def backend(application):
    """The storage of this test, empty."""
    backend = application[1]
    await backend.open()
    yield backend
    await backend.close()


@pytest.fixture
async def pages(application, backend):
    """A client that asks for pages, of a server that holds nothing."""
    async with running(application[0]) as client:
        client.headers.update(HTML)
        yield client
