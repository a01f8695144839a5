"""Whether a module could be imported and has a name, told without running any of it.

What is looked at: whether the import system finds the module, whether its source is Python, whether what it
imports at its top can be found, and whether it binds the name. What only running it would tell is left open.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from registry.suggest import did_you_mean, near_names
from registry.syntax import parse


def why_not_importable(module: str, attribute: str = "") -> str | None:
    """Why ``module:attribute`` cannot be had here; None where nothing speaks against it."""
    first = attribute.partition(".")[0]
    if (loaded := sys.modules.get(module)) is not None:
        return _lacks(module, first, vars(loaded)) if not hasattr(loaded, "__getattr__") else None
    found = _spec(module)
    if isinstance(found, str):
        return f"there is no module {found!r}"
    source = _source(found)
    if source is None:
        return None  # an extension module, or a package without code of its own
    try:
        tree = parse(source)
    except (SyntaxError, ValueError) as error:
        return f"{module} is broken: {type(error).__name__}: {error}"
    for needed, line in _imports(tree):
        if isinstance(_spec(needed), str):
            return f"{module} imports {needed!r} in line {line}, and there is no such module"
    names = _bindings(tree)
    return _lacks(module, first, names) if names is not None else None


def _lacks(module: str, name: str, names: Any) -> str | None:
    if not name or name in names:
        return None
    return f"{module} has no {name!r}.{did_you_mean(near_names(name, names))}"


def _spec(module: str) -> ModuleSpec | str:
    """Where a module lies, or the name of the first part that is nowhere. Imports no package on the way."""
    parts = module.split(".")
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ValueError, ImportError):
        spec = None
    name = parts[0]
    for part in parts[1:]:
        if spec is None:
            break
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations or [])
    return spec or name


def _source(spec: ModuleSpec) -> str | None:
    get_source = getattr(spec.loader, "get_source", None)
    try:
        return get_source(spec.name) if get_source else None
    except (ImportError, OSError):
        return None


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The top-level packages that the module imports whenever it is imported, each with its line."""
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            yield from ((name.name.partition(".")[0], statement.lineno) for name in statement.names)
        elif isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
            yield statement.module.partition(".")[0], statement.lineno


def _bindings(tree: ast.Module) -> set[str] | None:
    """The names that the module binds anywhere; None where that cannot be told from its text."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
    computed = {"*", "__getattr__", "globals", "setattr"}
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return None if computed & (names | called) else names
