"""Functions and classes with importable names, for registries to hold."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any


def mse(y_true, y_pred):
    """Mean squared error."""
    return sum((a - b) ** 2 for a, b in zip(y_true, y_pred, strict=True)) / len(y_true)


def mae(y_true, y_pred):
    """Mean absolute error."""
    return sum(abs(a - b) for a, b in zip(y_true, y_pred, strict=True)) / len(y_true)


class Callee:
    """Its instances can be called and have no name."""

    def __call__(self, x):
        return x


class Model(abc.ABC):
    @abc.abstractmethod
    def predict(self, x: int) -> int: ...


class Linear(Model):
    def predict(self, x: int) -> int:
        return 2 * x


class Stranger:
    def predict(self, x: int) -> int:
        return x


class WrongSignature(Model):
    def predict(self, x: int, y: int, z: int) -> int:
        return x


class Lacking:
    pass


def defined_as(source: str, name: str, **space: Any) -> Callable[..., Any]:
    """The function that ``source`` defines, as a notebook cell would: same module, no file."""
    space = {"__name__": "notebook", **space}
    exec(compile(source, "<cell>", "exec"), space)
    return space[name]  # type: ignore[no-any-return]
