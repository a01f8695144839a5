"""Registries whose artifacts mostly have a name of their own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar, overload

from registry.asynchronous import Asynchronous
from registry.base import Registry
from registry.discovery import MISSING
from registry.errors import CoercionError
from registry.factory import Factory
from registry.following import Following
from registry.names import hashable
from registry.steps import Steps, finish
from registry.versions import Versions

A = TypeVar("A")
T = TypeVar("T")


class NamedRegistry(Following, Factory, Versions, Asynchronous[A], Registry[A], base=True):
    """A registry whose artifacts mostly have a name of their own: `register_artifact` and its forms."""

    @overload
    @classmethod
    def register_artifact(cls, name: Hashable, artifact: T, /, *, aliases: Iterable[Hashable] = ()) -> T: ...

    @overload
    @classmethod
    def register_artifact(cls, name: str, /, *, aliases: Iterable[Hashable] = ()) -> Callable[[T], T]: ...

    @overload
    @classmethod
    def register_artifact(cls, artifact: T, /, *, aliases: Iterable[Hashable] = ()) -> T: ...

    @classmethod
    def register_artifact(
        cls, name_or_artifact: Any, artifact: Any = MISSING, /, *, aliases: Iterable[Hashable] = ()
    ) -> Any:
        """Register an artifact, under its own name or under the one given; returns it unchanged.

        ``R.register_artifact(f)``, ``R.register_artifact("name", f)``, and as a decorator with or without a
        name. Registering the same artifact again does nothing. On a shared registry this is one atomic
        request. ``aliases`` are further names for it in this process: see `add_alias`.

        Raises:
            DuplicateKeyError: another artifact has the name; both origins are in the message.
            CoercionError, ConformanceError, InheritanceError: this registry cannot hold it.
            SerializationError: it cannot travel to other processes.
            RemoteError: the server gave no usable answer.
        """
        if artifact is MISSING and isinstance(name_or_artifact, str):
            return lambda decorated: cls.register_artifact(name_or_artifact, decorated, aliases=aliases)
        return finish(cls._registering_named(name_or_artifact, artifact, aliases))

    @classmethod
    def _registering_named(
        cls, name_or_artifact: Any, artifact: Any, aliases: Iterable[Hashable]
    ) -> Steps[Any]:
        if artifact is MISSING:
            name, artifact = own_name(name_or_artifact, cls.__name__), name_or_artifact
        else:
            name = name_or_artifact
        yield from cls._registering(name, artifact)
        for alias in (aliases,) if isinstance(aliases, str) else aliases:
            yield from cls._declared.adding_alias(cls, hashable(alias), hashable(name))
        return artifact


def own_name(artifact: object, registry: str) -> str:
    """The name under which an artifact is registered if none is given: its ``__name__``.

    Raises:
        CoercionError: it has none that anyone could ask for.
    """
    name = getattr(artifact, "__name__", None)
    if isinstance(name, str) and name != "<lambda>":
        return name
    raise CoercionError(
        f"{type(artifact).__name__} has no name of its own to be registered under",
        suggestions=[f"{registry}.register_artifact('name', artifact)"],
        context={"type": type(artifact).__name__},
    )
