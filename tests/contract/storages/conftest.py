from __future__ import annotations

import pytest

from tests.server.processes import LiveServer


@pytest.fixture(scope="session")
def memory_server(tmp_path_factory):
    """A server for all tests of a worker; each has a namespace of its own."""
    server = LiveServer(tmp_path_factory.mktemp("server"), "memory:").start()
    yield server
    server.kill()
