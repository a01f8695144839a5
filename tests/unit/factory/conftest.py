from __future__ import annotations

from typing import Any

import pytest

from registry import FunctionalRegistry, SchemeRegistry, TypeRegistry
from tests.unit.factory import objects


class Parts(TypeRegistry[Any]):
    pass


class Optimizers(TypeRegistry[Any]):
    pass


class Functions(FunctionalRegistry[..., Any]):
    pass


class Schemes(SchemeRegistry):
    pass


for kind in ("Layer", "Model", "Trainer", "Settings", "Run", "Point", "Pair", "Span", "Holder"):
    Parts.register_artifact(getattr(objects, kind))
    Schemes.register_artifact(getattr(objects, kind))
Optimizers.register_artifact("sgd", objects.Optimizer)
Functions.register_artifact(objects.run)
Functions.register_artifact(objects.gather)
Schemes.register_artifact("careful", {"lr": 0.001})


@pytest.fixture(autouse=True)
def calls() -> list[str]:
    objects.CALLS.clear()
    return objects.CALLS


@pytest.fixture
def build():
    """``build(name, config, **fields)`` in the registry of parts, with the optimizers as ``optim:``."""

    def build(name: Any, config: Any = None, /, **fields: Any) -> Any:
        return Parts.factorize_artifact(name, config, registries={"optim": Optimizers}, **fields)

    return build
