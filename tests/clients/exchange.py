"""The Python side of the exchange: what is written for the other languages, and what they wrote."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from registry import SchemeRegistry, ValidationError
from tests.clients.languages import ROOT, Language

VALUES: Final[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "clients" / "exchange.json").read_text(encoding="utf-8")
)["values"]


def train(lr: float, epochs: int = 10, optimizer: Literal["sgd", "adam"] = "sgd") -> str:
    """Shared as a scheme, against which the client in TypeScript checks configs."""
    return f"{epochs} epochs of {optimizer} at {lr}"


def values_in(url: str, namespace: str) -> type[SchemeRegistry]:
    """A registry of the JSON values in a namespace of the server."""

    class Values(SchemeRegistry, logic_namespace=namespace, server=url, trust="json"):
        pass

    return Values


def written_by_python(url: str) -> None:
    """Every value, and a scheme, as a Python program shares them. A key file has to be set for the scheme."""

    class Schemes(SchemeRegistry, logic_namespace="clients.schemes", server=url):
        pass

    values = values_in(url, "clients.python")
    for name, value in VALUES.items():
        values.register_artifact(name, value)
    Schemes.register_artifact("train", train)


def wrong_in_python(url: str, language: Language) -> list[str]:
    """The names of what the language wrote, or should have, that Python does not read as it was meant."""
    values = values_in(url, f"clients.{language.name}")
    return [name for name, value in VALUES.items() if not reads(values, name, value)] + wrong_configs(
        url, language
    )


def wrong_configs(url: str, language: Language) -> list[str]:
    """The config that a language stored against the scheme, where Python cannot call by it."""
    if language.name != "typescript":
        return []

    class Schemes(SchemeRegistry, logic_namespace="clients.schemes", server=url):
        pass

    try:
        called = Schemes.execute("train", Schemes.get_artifact("typescript"))
    except ValidationError:
        called = None
    return [] if called == "10 epochs of adam at 0.001" else ["the config of typescript"]


def reads(values: type[SchemeRegistry], name: str, value: Any) -> bool:
    try:
        found = values.get_artifact(name)
    except ValidationError:
        return False
    return found == value and type(found) is type(value)
