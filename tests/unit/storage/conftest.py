from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.unit.storage.bad_server import Answering, BadServer


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home and no ``REGISTRY_*``: no test reads a key or a setting of whoever runs it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for variable in ("URL", "HOST", "PORT", "TIMEOUT", "TOKEN", "RESTART_WAIT"):
        monkeypatch.delenv(f"REGISTRY_SERVER_{variable}", raising=False)
    monkeypatch.delenv("REGISTRY_SIGNING_KEY_FILE", raising=False)


@pytest.fixture(autouse=True)
def new_to_every_server(monkeypatch):
    """No server has answered yet: the system may give a test the port of an earlier test's server."""
    monkeypatch.setattr("registry.storage.servers._answered", set())


@pytest.fixture
def server_that() -> Iterator[Callable[..., BadServer]]:
    """``server_that(first, second, ...)``: a server that treats its requests so, the rest like the last."""
    servers: list[BadServer] = []

    def start(*answering: Answering, port: int = 0) -> BadServer:
        servers.append(BadServer(answering, port=port))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
