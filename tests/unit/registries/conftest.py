from __future__ import annotations

import itertools
import types
from collections.abc import Callable
from typing import Any

import pytest

from registry import FunctionalRegistry
from tests.server.processes import LiveServer

numbers = itertools.count()


@pytest.fixture(scope="session")
def memory_server(tmp_path_factory):
    """A server for all tests of a worker; each registry has a namespace of its own."""
    server = LiveServer(tmp_path_factory.mktemp("server"), "memory:").start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home and no ``REGISTRY_*``: no test reads a key or a setting of whoever runs it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for variable in ("SERVER_URL", "SERVER_HOST", "SERVER_PORT", "SERVER_TIMEOUT", "SERVER_TOKEN"):
        monkeypatch.delenv(f"REGISTRY_{variable}", raising=False)
    monkeypatch.delenv("REGISTRY_SIGNING_KEY_FILE", raising=False)
    monkeypatch.delenv("REGISTRY_ON_DUPLICATE", raising=False)
    monkeypatch.delenv("REGISTRY_FROZEN", raising=False)


@pytest.fixture
def define_shared(memory_server) -> Callable[..., Any]:
    """As `define`, always on the server; ``logic_namespace`` a new one unless given."""

    def make(base: Any = FunctionalRegistry, **keywords: Any) -> Any:
        keywords = {"logic_namespace": f"unit.n{next(numbers)}", "server": memory_server.url, **keywords}
        return types.new_class("Losses", (base,), keywords, lambda body: body.update(__module__=__name__))

    return make


@pytest.fixture(params=["local", "a user's mapping", "shared"])
def define(request) -> Callable[..., Any]:
    """``define(base, **keywords)``: an empty registry class ``Losses``, on each kind of storage in turn."""
    if request.param == "shared":
        return request.getfixturevalue("define_shared")  # type: ignore[no-any-return]

    def make(base: Any = FunctionalRegistry, **keywords: Any) -> Any:
        if request.param == "a user's mapping":
            keywords = {"storage": {}, **keywords}
        return types.new_class("Losses", (base,), keywords, lambda body: body.update(__module__=__name__))

    return make
