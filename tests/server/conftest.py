"""Here every answer to a test's client is held against ``openapi.yaml``, whatever the test is about."""

import httpx
import pytest

from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from registry_server.watch import WatchHub
from tests.server.wire import check_answer


async def _check(answer: httpx.Response) -> None:
    await answer.aread()
    check_answer(answer)


@pytest.fixture
def client(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The shared client, and no answer that the specification does not document."""
    client.event_hooks = {"response": [_check]}
    return client


@pytest.fixture(scope="session")
def watched():
    """The application, its memory storage, and the hub where its watchers wait; made once."""
    backend = MemoryBackend()
    hub = WatchHub(backend)
    return create_app(ServerSettings(), backend, hub), backend, hub


@pytest.fixture(scope="session")
def application(watched):
    return watched[:2]


@pytest.fixture
def hub(watched, client):
    """Where polls of `client` wait; nobody waits there when a test ends."""
    hub = watched[2]
    yield hub
    assert hub.waiting == 0


@pytest.fixture
def backend(application, client):
    """The memory storage behind `client`."""
    return application[1]
