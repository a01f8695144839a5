"""Here every answer to a test's client is held against ``openapi.yaml``, whatever the test is about."""

import httpx
import pytest

from tests.server.wire import check_answer


async def _check(answer: httpx.Response) -> None:
    await answer.aread()
    check_answer(answer)


@pytest.fixture
def client(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The shared client, and no answer that the specification does not document."""
    client.event_hooks = {"response": [_check]}
    return client


@pytest.fixture
def backend(application, client):
    """The memory storage behind `client`."""
    return application[1]
