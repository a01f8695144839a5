from __future__ import annotations

import json
import types
import urllib.request
from typing import Any, NamedTuple

import pytest

from registry import FunctionalRegistry
from tests.unit.registries.conftest import define, define_shared, home, memory_server

__all__ = ["define", "define_shared", "home", "memory_server"]


def new(name: str, base: Any = FunctionalRegistry, **keywords: Any) -> Any:
    """A registry class of this module."""
    return types.new_class(name, (base,), keywords, lambda body: body.update(__module__=__name__))


class Family(NamedTuple):
    """A registry, its parent, and the parent's parent."""

    child: Any
    parent: Any
    grandparent: Any


@pytest.fixture(params=["local", "shared", "shared over local", "local over shared"])
def family(request, define_shared) -> Family:
    """Three levels, on every mixture of storages that matters."""
    local = {
        "local": (True, True, True),
        "shared": (False, False, False),
        "shared over local": (False, True, False),
        "local over shared": (True, False, True),
    }[request.param]

    def place(level: int) -> dict[str, Any]:
        if local[level]:
            return {}
        shared = define_shared()
        return {"logic_namespace": shared._storage().namespace, "server": shared._storage().url}

    grandparent = new("Common", **place(2))
    parent = new("Losses", parent=grandparent, **place(1))
    return Family(new("Experimental", parent=parent, **place(0)), parent, grandparent)


@pytest.fixture
def requests_of(memory_server):
    """``requests_of(operation)``: how many requests the server counts while it runs."""

    def total() -> int:
        with urllib.request.urlopen(f"{memory_server.url}/stats") as answer:
            return int(json.load(answer)["total_requests"])

    def count(operation) -> int:
        asking = -total() + total()
        before = total()
        operation()
        return total() - before - asking

    return count
