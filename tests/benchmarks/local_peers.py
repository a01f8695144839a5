"""Registries that others made, each used as its own documentation uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import autoregistry
import catalogue
import class_registry
from fvcore.common.registry import Registry as FvcoreRegistry
from mmengine.registry import Registry as MmengineRegistry

Function = Callable[[], None]


class Peer(NamedTuple):
    """Somebody else's registry.

    Attributes:
        name: of the distribution.
        make: an empty registry.
        register: puts a function into it under the function's own name.
        lookup: an expression that finds ``function50`` in ``registry``.
    """

    name: str
    make: Callable[[], Any]
    register: Callable[[Any, Function], object]
    lookup: str


PEERS = (
    Peer(
        "catalogue",
        lambda: catalogue.Registry(("benchmark",)),
        lambda registry, function: registry.register(function.__name__, func=function),
        "registry.get('function50')",
    ),
    Peer(
        "fvcore",
        lambda: FvcoreRegistry("benchmark"),
        lambda registry, function: registry.register(function),
        "registry.get('function50')",
    ),
    Peer(
        "class-registry",
        class_registry.ClassRegistry,
        lambda registry, function: registry.register(function.__name__)(function),
        "registry.get_class('function50')",
    ),
    Peer(
        "autoregistry",
        autoregistry.Registry,
        lambda registry, function: registry(function),
        "registry['function50']",
    ),
    Peer(
        "mmengine",
        lambda: MmengineRegistry("benchmark", scope="benchmark"),
        lambda registry, function: registry.register_module(module=function),
        "registry.get('function50')",
    ),
)
