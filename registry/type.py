"""A registry of classes."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from registry.base import type_arguments
from registry.errors import CoercionError, ConformanceError
from registry.named import NamedRegistry
from registry.origin import origin_of

if TYPE_CHECKING:  # with a default (PEP 696), which the typing of Python 3.11 does not have
    from typing_extensions import TypeVar

    from registry.static import RegistersClasses

    C = TypeVar("C", default=Any)
else:
    from typing import TypeVar

    C = TypeVar("C")


class TypeRegistry(NamedRegistry[type[C]], base=True):
    """A registry of classes.

    ``TypeRegistry[Model]`` declares what they are; with ``abstract=True`` a class that does not inherit it is
    refused, and with ``strict=True`` one whose methods cannot be called as it declares.
    """

    if TYPE_CHECKING:  # checkers refuse what ``abstract=`` refuses at run time
        register_artifact: RegistersClasses = RegistersClasses()  # type: ignore[assignment]

    @classmethod
    def validate_artifact(cls, artifact: Any) -> type[C]:
        if not isinstance(artifact, type):
            raise CoercionError(
                f"{cls.__name__} holds classes, and {type(artifact).__name__} is none",
                suggestions=["register the class, not an instance of it"],
                context={"type": type(artifact).__name__, "registry": cls.__name__},
            )
        if (cls._abstract or cls._strict) and (declared := type_arguments(cls, TypeRegistry)):
            cls._check_declared(artifact, declared[0])
        return artifact

    @classmethod
    def _check_declared(cls, artifact: type, declared: Any) -> None:
        from registry.conformity import check_signature, check_subclass

        if cls._abstract:
            check_subclass(artifact, declared)
        if cls._strict:
            for name, method in _declared_methods(declared):
                if not hasattr(artifact, name):
                    raise _lacks(artifact, name)
                check_signature(getattr(artifact, name), method)


def _lacks(artifact: type, name: str) -> ConformanceError:
    return ConformanceError(
        f"{artifact.__qualname__} has no method {name}(), which the registry's type parameter declares",
        suggestions=[f"define {name}() at {origin_of(artifact)}", "or register it where strict= is not set"],
        context={"lacking": name, "origin": str(origin_of(artifact))},
    )


def _declared_methods(declared: Any) -> list[tuple[str, Any]]:
    """The public methods, and ``__call__``, of ``declared`` and its bases."""
    base = getattr(declared, "__origin__", declared)
    names = {name for ancestor in getattr(base, "__mro__", ())[:-1] for name in vars(ancestor)}
    public = sorted(name for name in names if not name.startswith("_") or name == "__call__")
    return [
        (name, method) for name in public if isinstance(method := getattr(base, name, None), FunctionType)
    ]
