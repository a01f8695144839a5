"""One program for every kind of storage: ``same_everywhere.py local``, ``mapping`` or ``shared``.

It prints the same, errors included, wherever its registries keep what is registered; only the place that some
messages name differs. ``shared`` needs a registry server, which ``REGISTRY_SERVER_URL`` names.
"""

import sys
from collections import UserDict
from typing import Any

from registry import FunctionalRegistry, SchemeRegistry, TypeRegistry, ValidationError

PLACES: dict[str, Any] = {
    "local": lambda name: {},
    "mapping": lambda name: {"storage": UserDict()},
    "shared": lambda name: {"logic_namespace": f"everywhere.{name}"},
}
place = PLACES[sys.argv[1]]


class Losses(FunctionalRegistry[[float, float], float], strict=True, **place("losses")):
    """Functions."""


class Model:
    def predict(self, x: float) -> float:
        raise NotImplementedError


class Models(TypeRegistry[Model], abstract=True, **place("models")):
    """Classes."""


class Configs(SchemeRegistry, **place("configs")):
    """Configs, and what they are for."""


def attempt(call: Any, *arguments: Any, **named: Any) -> None:
    """Print what a call returns, or all that its error says."""
    try:
        print("  ", call(*arguments, **named))
    except ValidationError as error:
        print("  ", type(error).__name__, "|", error.message)
        for suggestion in error.suggestions:
            print("      -", suggestion)
        print("     ", sorted(error.context))


print("register")


@Losses.register_artifact
def squared(y: float, z: float) -> float:
    """The square of the difference."""
    return (y - z) ** 2


@Losses.register_artifact("l1", aliases=["mae"])
def absolute(y: float, z: float) -> float:
    return abs(y - z)


def one_too_many(y: float, z: float, w: float) -> float:
    return w


def other(y: float, z: float) -> float:
    return 0.0


Losses.register_artifact(squared)
attempt(Losses.register_artifact, "l1", other)
attempt(Losses.register_artifact, one_too_many)
attempt(Losses.register_artifact, "number", 3)
attempt(Losses.register_artifact, [], squared)
attempt(Losses.register_artifact, lambda y, z: 0.0)

print("look up")
print("  ", list(Losses), len(Losses), "l1" in Losses, "mae" in Losses, "l3" in Losses)
print("  ", [(name, function(3.0, 1.0)) for name, function in Losses.items()])
print("  ", Losses["squared"](3.0, 1.0), Losses["mae"](3.0, 1.0), Losses.get_artifact("l3", None))
print("  ", Losses.has_artifact(squared), Losses.has_artifact(other))
attempt(Losses.get_artifact, "square")
attempt(lambda: Losses["l2"])
attempt(Losses.get_artifact, "nothing like it")

print("many at once")
report = Losses.safe_register_batch({"other": other, "l1": other, "broken": one_too_many, "none": None})
print("  ", report["successful"], report["failed"], report["total"])
for problem in report["errors"]:
    print("  ", problem["key"], "|", problem["error"], "|", problem["suggestions"])
attempt(Losses.safe_register_batch, {"a": other, "b": None}, skip_invalid=False)
print("  ", list(Losses))

print("change")
Losses.update_artifact("other", squared)
print("  ", Losses["other"](5.0, 1.0))
attempt(Losses.update_artifact, "others", squared)
Losses.unregister_identifier("other")
attempt(Losses.unregister_identifier, "other")
attempt(Losses.unregister_artifact, other)
with Losses.overriding(l1=squared):
    print("  ", Losses["l1"](5.0, 1.0))
print("  ", Losses["l1"](5.0, 1.0), Losses.validate_registry_state())

print("classes")


@Models.register_artifact
class Linear(Model):
    def __init__(self, slope: float = 1.0) -> None:
        self.slope = slope

    def predict(self, x: float) -> float:
        return self.slope * x


class Stranger:
    pass


attempt(Models.register_artifact, Stranger)
attempt(Models.register_artifact, "linear", Linear())
print("  ", list(Models), Models["Linear"](2.0).predict(3.0))
print("  ", Models.factorize_artifact("Linear", slope="4").predict(3.0))
attempt(Models.factorize_artifact, "Linear", {"slop": 4})

print("configs")


@Configs.register_artifact
def train(lr: float, epochs: int = 1) -> str:
    return f"{epochs} epochs at {lr}"


Configs.register_artifact("careful", {"lr": 0.001, "epochs": 100})
Configs.register_artifact("careful", {"lr": 0.001, "epochs": 100})
attempt(Configs.register_artifact, "careful", {"epochs": 100, "lr": 0.001})
attempt(Configs.register_artifact, "careful", {"lr": 0.001, "epochs": 100.0})
attempt(Configs.register_artifact, "pair", (1, 2))
attempt(Configs.execute, "train", Configs["careful"], epochs=2)
attempt(Configs.execute, "train", {"lr": "high", "epoch": 2})
attempt(Configs.build_config, "careful")
print("  ", list(Configs), Configs.json_schema("train")["required"])

print("clear")
for registry in (Losses, Models, Configs):
    registry.clear_artifacts()
    print("  ", list(registry), len(registry), bool(registry), list(registry.items()))
attempt(Losses.get_artifact, "squared")
