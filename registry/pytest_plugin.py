"""Fixtures for tests of code that uses registries; pytest finds them by itself.

``registry_server``
    a throw-away server of this test session, in memory; shared registries without a ``server=`` of their own
    find it.
``clean_registries``
    every local registry is put back after the test as it was before it, and the throw-away server, if the
    test uses it, is emptied.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.testing import ServerProcess, restored_registries


@pytest.fixture(scope="session")
def _registry_server_process() -> Iterator[ServerProcess]:
    with ServerProcess() as server:
        yield server


@pytest.fixture
def registry_server(
    _registry_server_process: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServerProcess]:
    """A throw-away registry server, empty at the start of the test; ``.url`` says where."""
    for name in ("REGISTRY_SERVER_HOST", "REGISTRY_SERVER_PORT", "REGISTRY_SERVER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REGISTRY_SERVER_URL", _registry_server_process.url)
    yield _registry_server_process
    from registry.storage.server import RegistryServer

    RegistryServer(_registry_server_process.url).clear_all()


@pytest.fixture
def clean_registries() -> Iterator[None]:
    """Local registries hold after the test what they held before it."""
    with restored_registries():
        yield
