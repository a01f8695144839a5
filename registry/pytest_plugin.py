"""Fixtures for tests of code that uses registries; pytest finds them by itself.

``registry_server``
    a throw-away server of this test session, in memory, empty at the start of each test; shared registries
    without a ``server=`` of their own find it. It needs the extra ``server``. ``.url`` says where it is,
    ``.kill()``, ``.stop()`` and ``.restart()`` show what your code does without it.
``clean_registries``
    every local registry is put back after the test as it was before it.

For every test of a folder: ``pytestmark = pytest.mark.usefixtures("clean_registries")``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

# Every pytest of an environment loads this module: whatever it needs is imported when a fixture is used.
if TYPE_CHECKING:
    from registry.testing import ServerProcess


@pytest.fixture(scope="session")
def _registry_server_process() -> Iterator[ServerProcess]:
    from registry.errors import ServerUnreachableError
    from registry.testing import ServerProcess

    server = ServerProcess()
    try:
        server.start()
    except ServerUnreachableError as error:
        pytest.fail(str(error), pytrace=False)
    yield server
    server.stop()


@pytest.fixture
def registry_server(
    _registry_server_process: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> ServerProcess:
    """A throw-away registry server, empty at the start of the test; ``.url`` says where."""
    from registry.storage.server import RegistryServer

    server = _registry_server_process
    for name in ("REGISTRY_SERVER_HOST", "REGISTRY_SERVER_PORT", "REGISTRY_SERVER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REGISTRY_SERVER_URL", server.url)
    if server.running:
        RegistryServer(server.url).clear_all()
    else:  # the test before ended it; memory is empty
        server.start()
    return server


@pytest.fixture
def clean_registries() -> Iterator[None]:
    """Local registries hold after the test what they held before it."""
    from registry.testing import restored_registries

    with restored_registries():
        yield
