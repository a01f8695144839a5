"""Registering what modules and packages define."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any

from registry.discovery import what_went_wrong
from registry.envelope.reference import own_name
from registry.errors import (
    ArtifactLoadError,
    CoercionError,
    DuplicateKeyError,
    InheritanceError,
    ValidationError,
)
from registry.functional import FunctionalRegistry
from registry.origin import origin_of
from registry.type import TypeRegistry

if TYPE_CHECKING:
    from registry.base import Registry


def register_module(cls: type[Registry[Any]], module: ModuleType | str) -> dict[str, Any]:
    """See `Registry.register_module`."""
    return _registered(cls, [_imported(module)], {})


def register_package(cls: type[Registry[Any]], package: ModuleType | str) -> dict[str, Any]:
    """See `Registry.register_package`."""
    broken: dict[str, ValidationError] = {}
    return _registered(cls, list(_modules_below(_imported(package), broken)), broken)


def _registered(
    cls: type[Registry[Any]], modules: list[ModuleType], errors: dict[str, ValidationError]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in modules:
        for name, artifact in _defined(cls, module):
            if found.setdefault(name, artifact) is not artifact:
                errors[f"{module.__name__}.{name}"] = _twice(name, found[name], artifact)
    report = cls.safe_register_batch(found)
    return {
        "successful": report["successful"],
        "failed": [*report["failed"], *errors],
        "errors": [
            *report["errors"],
            *(
                {"key": key, "error": error.message, "suggestions": error.suggestions}
                for key, error in errors.items()
            ),
        ],
        "total": report["total"] + len(errors),
    }


def _defined(cls: type[Registry[Any]], module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The functions and classes that ``module`` defines or, by ``__all__``, its package offers there."""
    offered = getattr(module, "__all__", None)
    for name in offered if offered is not None else [name for name in vars(module) if name[:1] != "_"]:
        artifact = vars(module).get(name)
        reference = own_name(artifact)
        if reference is None or not _is_home(module.__name__, reference.module, by_all=offered is not None):
            continue
        if _may_hold(cls, artifact):
            yield name, artifact


def _is_home(module: str, home: str, *, by_all: bool) -> bool:
    return home == module or (by_all and home.startswith(f"{module}."))


def _may_hold(cls: type[Registry[Any]], artifact: object) -> bool:
    """Whether ``artifact`` is of the registry's kind; whether it conforms is said in the report."""
    if issubclass(cls, FunctionalRegistry) and isinstance(artifact, type):
        return False  # it could be called; that a module defines it does not say that it is meant to be
    if issubclass(cls, TypeRegistry) and not isinstance(artifact, type):
        return False
    try:
        cls.validate_artifact(artifact)
    except (CoercionError, InheritanceError):
        return False
    except ValidationError:
        return True
    return callable(artifact)


def _imported(module: ModuleType | str) -> ModuleType:
    if isinstance(module, ModuleType):
        return module
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        raise _broken(module, error) from error


def _modules_below(package: ModuleType, broken: dict[str, ValidationError]) -> Iterator[ModuleType]:
    """``package`` and its public modules, parents first, siblings by name."""
    yield package
    for _, name, _ in iter_modules(getattr(package, "__path__", ()), f"{package.__name__}."):
        if name.rpartition(".")[2].startswith("_"):
            continue
        try:
            module = _imported(name)
        except ArtifactLoadError as error:
            broken[name] = error
            continue
        yield from _modules_below(module, broken)


def _broken(name: str, cause: BaseException) -> ArtifactLoadError:
    return ArtifactLoadError(
        f"Cannot import {name}: {what_went_wrong(cause)}",
        context={"module": name, "cause": type(cause).__name__},
    )


def _twice(name: str, first: object, second: object) -> DuplicateKeyError:
    return DuplicateKeyError(
        f"{name!r} is defined twice: {origin_of(first)} is registered, {origin_of(second)} is not",
        suggestions=["name what is meant in __all__", "register one of them under a name of its own"],
        context={"key": name},
    )
