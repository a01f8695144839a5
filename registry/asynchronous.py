"""What registries offer to callers in an event loop: the same operations, awaited.

Each is its blocking twin in all it decides and raises, since both run the same steps (`registry.steps`).
While a server is asked, the loop goes on; a registry of this process answers at once. What no server is asked
for is done in the loop's thread, as elsewhere: importing a lazy artifact, encoding and decoding.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from registry.discovery import MISSING, warn_of
from registry.errors import ArtifactLoadError
from registry.steps import finish_awaiting

if TYPE_CHECKING:
    from registry.named import NamedRegistry
    from registry.storage.base import Storage

A = TypeVar("A")
T = TypeVar("T")


class Asynchronous(Generic[A]):
    """The awaited twins of a registry's operations."""

    @classmethod
    async def aget_artifact(cls, key: Any, default: Any = MISSING) -> A:
        """`get_artifact`, awaited."""
        found: A = await finish_awaiting(_registry(cls)._getting(key, default))
        return found

    @overload
    @classmethod
    def aregister_artifact(
        cls, name: Hashable, artifact: T, /, *, aliases: Iterable[Hashable] = ()
    ) -> Coroutine[Any, Any, T]: ...

    # A text alone is a name, never an artifact, whatever the third one says.
    @overload
    @classmethod
    def aregister_artifact(  # type: ignore[overload-overlap]
        cls, name: str, /, *, aliases: Iterable[Hashable] = ()
    ) -> Callable[[T], Coroutine[Any, Any, T]]: ...

    @overload
    @classmethod
    def aregister_artifact(
        cls, artifact: T, /, *, aliases: Iterable[Hashable] = ()
    ) -> Coroutine[Any, Any, T]: ...

    @classmethod
    def aregister_artifact(
        cls, name_or_artifact: Any, artifact: Any = MISSING, /, *, aliases: Iterable[Hashable] = ()
    ) -> Any:
        """`register_artifact`, awaited: ``await R.aregister_artifact(f)``, or with a name before it.

        With a name alone it gives what takes the artifact: ``await R.aregister_artifact("name")(f)``.
        """
        if artifact is MISSING and isinstance(name_or_artifact, str):
            return lambda given: cls.aregister_artifact(name_or_artifact, given, aliases=aliases)
        return finish_awaiting(_registry(cls)._registering_named(name_or_artifact, artifact, aliases))

    @classmethod
    async def alist_identifiers(cls) -> list[Any]:
        """The names that `iter_identifiers` gives, in that order."""
        return list(await finish_awaiting(_registry(cls)._listing()))

    @classmethod
    async def aitems(cls) -> AsyncIterator[tuple[Any, A]]:
        """The pairs that `items` gives, in that order, for ``async for``; a page of a server at a time."""
        registry, seen = _registry(cls), set[Any]()
        async for key, artifact in _stored(registry._storage()):
            seen.add(key)
            yield key, artifact
        for key in registry._declared.names():
            if key in seen:
                continue
            seen.add(key)
            try:
                artifact = await cls.aget_artifact(key)
            except ArtifactLoadError as error:
                warn_of(error)
                continue
            yield key, artifact
        if registry._parent is not None:
            seen.update(registry._declared.aliases)
            async for key, artifact in cast("type[Asynchronous[A]]", registry._parent).aitems():
                if key not in seen:
                    yield key, artifact


def _registry(cls: type[Asynchronous[A]]) -> type[NamedRegistry[A]]:
    return cast("type[NamedRegistry[A]]", cls)


async def _stored(storage: Storage[Any, A]) -> AsyncIterator[tuple[Any, A]]:
    """The pairs of a storage, in creation order."""
    awaiting = getattr(storage, "awaiting", None)
    if awaiting is None:
        for pair in storage.items():
            yield pair
        return
    entries, page = await awaiting("_page_of_entries")
    while True:
        for entry in entries:
            yield entry.key, await awaiting("_value", entry.key, entry.envelope)
        if page is None:
            return
        entries, page = await awaiting("_page_of_entries", "", page)
