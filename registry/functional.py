"""A registry of callables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from registry.base import type_arguments
from registry.errors import CoercionError
from registry.named import NamedRegistry

if TYPE_CHECKING:  # with defaults (PEP 696), which the typing of Python 3.11 does not have
    from typing_extensions import ParamSpec, TypeVar

    from registry.static import RegistersCallables

    P = ParamSpec("P", default=...)
    R = TypeVar("R", default=Any)
else:
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


class FunctionalRegistry(NamedRegistry[Callable[P, R]], base=True):
    """A registry of callables: functions, and whatever else can be called.

    ``FunctionalRegistry[[int, str], float]`` declares what they are called with and what they return; with
    ``strict=True`` a callable that does not conform is refused.
    """

    if TYPE_CHECKING:  # checkers refuse what ``strict=`` refuses at run time
        register_artifact: RegistersCallables = RegistersCallables()  # type: ignore[assignment]

    @classmethod
    def validate_artifact(cls, artifact: Any) -> Callable[P, R]:
        if not callable(artifact):
            raise CoercionError(
                f"{cls.__name__} holds callables, and {type(artifact).__name__} is none",
                suggestions=[
                    "register the function itself, not what it returns",
                    "use a SchemeRegistry for configs",
                ],
                context={"type": type(artifact).__name__, "registry": cls.__name__},
            )
        if cls._strict and (declared := type_arguments(cls, FunctionalRegistry)):
            from registry.conformity import check_signature

            check_signature(artifact, declared)
        return artifact  # type: ignore[no-any-return]
