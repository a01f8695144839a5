from __future__ import annotations

import itertools
import types
from collections.abc import Callable
from typing import Any

import pytest

from registry import FunctionalRegistry
from tests.server.processes import LiveServer
from tests.unit.registries.conftest import home
from tests.unit.storage.conftest import server_that

__all__ = ["home", "server_that"]

numbers = itertools.count()


@pytest.fixture(scope="session")
def memory_server(tmp_path_factory):
    """A server for all tests of a worker; each registry has a namespace of its own."""
    server = LiveServer(tmp_path_factory.mktemp("server"), "memory:").start()
    yield server
    server.kill()


@pytest.fixture
def define(memory_server) -> Callable[..., Any]:
    """``define(base, namespace, **keywords)``: a cached registry class on the server."""
    made: list[Any] = []

    def make(base: Any = FunctionalRegistry, namespace: str | None = None, **keywords: Any) -> Any:
        keywords = {"cache": True, "server": memory_server.url, **keywords}
        keywords["logic_namespace"] = namespace or f"cache.n{next(numbers)}"
        registry = types.new_class("Losses", (base,), keywords, lambda body: body.update(__module__=__name__))
        made.append(registry)
        return registry

    yield make
    for registry in made:
        if hasattr(registry._repository, "close"):
            registry._repository.close()
