"""What a function's code refers to: closure values, globals, and globals that are not bound yet."""

from __future__ import annotations

import sys
import types
from typing import Any

from registry.identity.code import global_names, names_used
from registry.identity.names import builtins_of
from registry.identity.plain import NoForm
from registry.identity.source import Source
from registry.identity.writer import Writer


def write_closure(writer: Writer, function: Any) -> Any:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    # An empty cell (a local function below its decorator) raises ValueError: what it will hold is unknown.
    return [[name, _write_value(writer, function, name, cells[name].cell_contents)] for name in sorted(cells)]


def write_globals(writer: Writer, function: Any, source: Source | None) -> Any:
    return [[name, _write_global(writer, function, name, source)] for name in global_names(function.__code__)]


_MODULE_ATTRIBUTES = (
    "__builtins__",
    "__cached__",
    "__doc__",
    "__file__",
    "__loader__",
    "__name__",
    "__spec__",
)
"""Globals that say where the module was found this time: another checkout is the same module."""


def _write_global(writer: Writer, function: Any, name: str, source: Source | None) -> Any:
    namespace = function.__globals__
    if name in _MODULE_ATTRIBUTES:
        return ["attribute"]
    if name in namespace:
        return _write_value(writer, function, name, namespace[name])
    if name in builtins_of(namespace):
        return ["builtin"]
    if name in _names_of_class_bodies(function.__code__):
        return ["local"]
    return writer.self_reference(function.__module__, name) or _write_unbound(writer, namespace, name, source)


def _names_of_class_bodies(code: types.CodeType) -> set[str]:
    """Names that only class bodies inside a function know: bound there, and read as globals would be."""
    return names_used(code, "STORE_NAME") - names_used(code, "LOAD_GLOBAL")


def _write_value(writer: Writer, function: Any, name: str, value: Any) -> Any:
    """What ``function`` knows as ``name``.

    A wrapper that another module made (a decorator's) is code of that module, which counts by name:
    so does what it uses there, if it has no form (a lock, a client).
    """
    module = function.__globals__.get("__name__")
    importable = getattr(sys.modules.get(module), "__dict__", None) is function.__globals__
    if writer.is_home(module) or not importable:
        return writer.write(value)
    return writer.write_or(value, ["global", module, name])


def _write_unbound(writer: Writer, namespace: dict[str, Any], name: str, source: Source | None) -> Any:
    """A global that is not there yet: a decorator runs before what stands below it in the file.

    It counts as the statements of the file that will bind it, with the names that these use. Only the
    text of the whole module can tell: a notebook's next cell may bind anything.
    """
    if source is None or source.file != namespace.get("__file__") or source.text.imports_all:
        raise NoForm(name)
    if name in writer.unbound:
        return ["unbound", name]
    writer.unbound.add(name)
    statements = source.text.binding(name)
    used = sorted({used for statement in statements for used in statement.used})
    return [
        "unbound",
        [statement.tree for statement in statements],
        [[other, _write_used(writer, namespace, other, source)] for other in used if other != name],
    ]


def _write_used(writer: Writer, namespace: dict[str, Any], name: str, source: Source) -> Any:
    if name in namespace:
        return writer.write(namespace[name])
    if name in builtins_of(namespace):
        return ["builtin"]
    module = namespace.get("__name__", "")
    return writer.self_reference(module, name) or _write_unbound(writer, namespace, name, source)
