"""What counts by name: importable objects, and what is compiled into the interpreter."""

from __future__ import annotations

import sys
import types
from typing import Any

from registry.identity.plain import NoForm

MAIN = ("__main__", "__mp_main__")
"""What the program's main module is called, here and in a process that multiprocessing spawned from it."""

_HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: made by a class statement, not compiled into the interpreter."""


def module_of(value: Any) -> str:
    module: str = value.__module__
    return "__main__" if module in MAIN else module


def is_compiled_in(cls: type) -> bool:
    return not cls.__flags__ & _HEAP_TYPE


def reference(value: Any) -> Any:
    """``value`` as module and name, if that is where Python would find it; else ``None``."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    if isinstance(value, type) and is_compiled_in(value):
        # Some (NoneType, generator) claim to be in builtins, where they are not found.
        return ["reference", value.__module__, name]
    for module in (getattr(value, "__module__", None), type(value).__module__):
        if isinstance(module, str) and find(module, name) is value:
            return ["reference", module, name]
    return None


def required_reference(value: Any) -> Any:
    """The name of something compiled in: of its own, or within the class it belongs to."""
    owner = getattr(value, "__objclass__", None) or getattr(value, "__self__", None)
    if isinstance(owner, type) and (named := reference(owner)) is not None:
        return ["builtin", *named[1:], value.__name__]
    if (named := reference(value)) is None:
        raise NoForm(type(value))
    return named


def find(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def builtins_of(namespace: dict[str, Any]) -> dict[str, Any]:
    builtins = namespace.get("__builtins__", {})
    return vars(builtins) if isinstance(builtins, types.ModuleType) else builtins
