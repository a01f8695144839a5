"""Classes keep their own types when they are registered, and have to inherit what the registry declares."""

from __future__ import annotations

import abc
from typing import Any, Protocol, assert_type

from registry import SchemeRegistry, TypeRegistry


class Model(abc.ABC):
    width: int = 1

    @abc.abstractmethod
    def predict(self, x: int) -> int: ...


class Models(TypeRegistry[Model], abstract=True):
    """Declares a base."""


class Classes(TypeRegistry):
    """Declares nothing."""


class Configs(SchemeRegistry):
    """Holds callables and JSON."""


# ---- every form keeps the type


@Models.register_artifact
class Linear(Model):
    slope: float = 1.0

    def __init__(self, slope: float = 1.0) -> None:
        self.slope = slope

    def predict(self, x: int) -> int:
        return 2 * x


@Models.register_artifact("squared", aliases=["square"])
class Squared(Linear):
    power: int = 2


direct = Models.register_artifact("linear again", Linear)
direct_named = Models.register_artifact("again")(Squared)


@Classes.register_artifact
class Anything:
    size: int = 1


assert_type(Linear(2.0).slope, float)
assert_type(Squared().power, int)
assert_type(direct, type[Linear])
assert_type(direct_named, type[Squared])
assert_type(Models.register_artifact(Squared), type[Squared])
assert_type(Anything().size, int)
assert_type(Classes.register_artifact("any", Anything), type[Anything])


def make_wrongly() -> None:
    Linear("2.0")  # error
    print(Squared().absent)  # error


class Steeper(Linear):
    """A registered class can be inherited from."""


assert_type(Models.register_artifact("base", Model), type[Model])


class Predicts(Protocol):
    def predict(self, x: int) -> int: ...


class Predictors(TypeRegistry[Predicts], abstract=True):
    """Declares what members its classes have."""


@Predictors.register_artifact
class Alone:
    depth: int = 1

    def predict(self, x: int) -> int:
        return x


assert_type(Alone().depth, int)
assert_type(Predictors.register_artifact("alone", Alone), type[Alone])
assert_type(Predictors["Alone"]().predict(1), int)


# ---- looking up

assert_type(Models.get_artifact("Linear"), type[Model])
assert_type(Models["Linear"], type[Model])
assert_type(Models["Linear"].width, int)
assert_type(Models.get_artifact("nothing", None), type[Model] | None)
assert_type(Models.get_artifact("nothing", Anything), type[Model] | type[Anything])
assert_type(list(Models.items()), list[tuple[Any, type[Model]]])
assert_type(Models.safe_register_batch({"one": Linear, "two": Squared}), dict[str, Any])
assert_type(Models.update_artifact("Linear", Linear), type[Model])


def mistake_what_is_found() -> None:
    _: type[Linear] = Models["Linear"]  # error


# ---- schemes: any callable, any JSON


@Configs.register_artifact
def train(lr: float, epochs: int = 1) -> str:
    return ""


assert_type(train(0.1, epochs=2), str)
assert_type(Configs.register_artifact("config", {"lr": 0.1}), dict[str, float])
assert_type(Configs.register_artifact("linear")(Linear), type[Linear])


def train_wrongly() -> None:
    train("high")  # error


# ---- what does not inherit is refused by the checker, and when it runs


class Stranger:
    def predict(self, x: int) -> int:
        return x


def make_model() -> Model:
    return Linear()


def refused_direct() -> None:
    Models.register_artifact(Stranger)  # error


def refused_named() -> None:
    Models.register_artifact("stranger", Stranger)  # error


def refused_decorated() -> None:
    @Models.register_artifact  # error
    class Wrong:
        pass


def refused_decorated_by_name() -> None:
    @Models.register_artifact("wrong")  # error
    class Wrong:
        pass


def refused_update() -> None:
    Models.update_artifact("Linear", Stranger)  # error


def refused_batch() -> None:
    Models.safe_register_batch({"stranger": Stranger}, skip_invalid=False)  # error


def refused_without_the_member() -> None:
    Predictors.register_artifact("anything", Anything)  # error


def refused_instance() -> None:
    Models.update_artifact("Linear", Linear())  # error
