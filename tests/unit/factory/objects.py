"""What configs in these tests are configs of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import attrs
import pydantic

CALLS: list[str] = []
"""What was called, in order; emptied before each test."""


class Optimizer:
    def __init__(self, lr: float, momentum: float = 0.0) -> None:
        CALLS.append("Optimizer")
        if lr < 0:
            raise ValueError("lr must not be negative")
        self.lr, self.momentum = lr, momentum


class Layer:
    def __init__(self, width: int, activation: str = "relu") -> None:
        CALLS.append("Layer")
        self.width, self.activation = width, activation


class Model:
    def __init__(self, layers: list[Layer], optimizer: Optimizer | None = None) -> None:
        CALLS.append("Model")
        self.layers, self.optimizer = layers, optimizer


class Trainer:
    def __init__(self, model: Model, optimizer: Optimizer, epochs: int = 1, callbacks: Any = ()) -> None:
        CALLS.append("Trainer")
        self.model, self.optimizer, self.epochs, self.callbacks = model, optimizer, epochs, callbacks


class Settings(pydantic.BaseModel):
    workers: int = 1
    seed: int | None = None


class Run(pydantic.BaseModel):
    name: str
    settings: Settings = Settings()
    by_host: dict[str, Settings] = {}
    stages: list[Settings] | None = None


@dataclass
class Point:
    x: int
    y: int = 0
    tags: tuple[str, ...] = ()


@dataclass
class Pair:
    left: Point
    right: Point
    notes: dict[str, Any] = field(default_factory=dict)


@attrs.define
class Span:
    begin: float
    _end: float = 1.0


def run(run: Run, point: Point | None = None) -> Any:
    return run, point


def gather(**parts: Any) -> Mapping[str, Any]:
    return parts


class Holder:
    """Holds what it is given as it is."""

    def __init__(self, one: Any = None, two: Any = None) -> None:
        CALLS.append("Holder")
        self.one, self.two = one, two
