"""What pool workers import: a registry and functions that take and return what pickles."""

from __future__ import annotations

from typing import Any

from registry import DuplicateKeyError, FunctionalRegistry, RegistryError


class Shared(FunctionalRegistry, logic_namespace="workers.shared"):
    """Finds its server through the environment."""


def triple(x: int) -> int:
    return 3 * x


def call_in(registry: Any, name: str, argument: Any) -> Any:
    return registry[name](argument)


def read_from(storage: Any, key: str) -> Any:
    return storage[key]


def answers_of(registry: Any) -> dict[str, int]:
    """What each of the registered functions makes of 1."""
    return {name: registry[name](1) for name in registry}


def register_in(registry: Any, name: str) -> bool:
    registry.register_artifact(name, triple)
    return True


def look_up_what_is_missing(registry: Any) -> Any:
    return registry["missing"]


def error_of(registry: Any, name: str) -> str:
    try:
        registry.register_artifact(name, len)
    except DuplicateKeyError as error:
        return str(error.context["owner"])
    except RegistryError:
        return "another error"
    return "no error"
