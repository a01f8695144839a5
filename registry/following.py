"""What changes in a registry, and many of its artifacts at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from registry.errors import RegistryError, ValidationError
from registry.storage.base import Progress, no_progress

if TYPE_CHECKING:
    from registry.base import Registry
    from registry.storage.cached import CacheInfo
    from registry.watching import Change, Changes, Watch

_MISSING: Any = object()


class Following:
    """Batches, watches and the cache of a registry.

    A watch tells what is stored: of a shared registry whoever wrote it; of a local one what is written
    through the registry; of a mapping of yours (``storage=``) the same, not what is written past it. Lazy
    names, aliases and a parent's artifacts are not stored, and no change tells of them.
    """

    # ---- changes

    @classmethod
    def changes(cls, since: str | None = None, *, timeout: float | None = None) -> Changes:
        """An iterator over the changes after the cursor ``since``, or from now on; it waits for the next one.

            for change in Losses.changes():
                print(change.op, change.key)

        A connection that breaks is made again, and nothing is lost or comes twice. Where changes cannot be
        told any more (history is kept for the latest 10,000 at least, and a server on ``memory:`` forgets),
        there is one with ``op`` ``resync`` in their place.

        Args:
            since: ``cursor`` of a change, or of another iterator.
            timeout: end the iteration after so many seconds without a change; 0 takes what is there.

        Raises:
            RemoteError: the server gave no usable answer when it was asked for its cursor.
        """
        return _registry(cls)._storage().changes(since, timeout=timeout)

    @classmethod
    def watch(cls, callback: Callable[[Change], object], *, since: str | None = None) -> Watch:
        """Call ``callback`` with each change from now on, or after ``since``, on a thread of its own.

        Returns:
            What ends it: ``watch.close()``, or the end of a ``with`` block.

        Raises:
            CoercionError: ``callback`` cannot be called.
            RemoteError: as `changes`.
        """
        from registry.errors import CoercionError
        from registry.watching import Watch

        if not callable(callback):
            raise CoercionError(
                f"A watch calls a function with each change, and cannot call {type(callback).__name__}",
                suggestions=["to iterate over changes: changes()"],
            )
        return Watch(cls.changes(since), callback, cls.__name__)

    # ---- many at once

    @classmethod
    def prefetch(cls, names: Iterable[Any] | None = None) -> dict[Any, Any]:
        """The artifacts of these names, or all, by name; on a server one request for each 1,000.

        Names that are not there are left out. What is decoded is kept: later look-ups of functions and
        classes ask at most whether it still is what it was. With ``cache=True`` and no ``names`` it waits
        until the cache is filled.

        Raises:
            UntrustedError: one of them may not be decoded here.
            RemoteError: the server gave no usable answer.
        """
        registry = _registry(cls)
        storage = registry._storage()
        if names is None:
            wait = getattr(storage, "wait_until_current", None)
            if wait is not None:
                wait()
            return dict(registry.items())
        wanted = list(dict.fromkeys(names))
        found = storage.get_many(wanted)
        if registry._declared or registry._parent is not None:
            rest = {name: registry.get_artifact(name, _MISSING) for name in wanted if name not in found}
            found |= {name: artifact for name, artifact in rest.items() if artifact is not _MISSING}
        return {name: found[name] for name in wanted if name in found}

    @classmethod
    def unregister_many(cls, names: Iterable[Any], *, progress: Progress = no_progress) -> None:
        """Remove the artifacts of these names; on a server in one request for each 1,000.

        Args:
            progress: called with how many were asked for, and how many there are, after each request.

        Raises:
            RegistryError: some names were not there; ``context["missing"]`` has them. The others are removed.
        """
        registry = _registry(cls)
        wanted = list(dict.fromkeys(names))
        missing = registry._storage().delete_many(wanted, progress=progress)
        missing = [name for name in missing if not registry._declared.forget(name)]
        for name in wanted:
            registry._declared.forget(name)
            registry._own.pop(name, None)
        if missing:
            raise RegistryError(
                f"{len(missing)} of {len(wanted)} names were not in {registry._shown()}: "
                f"{', '.join(map(repr, missing[:3]))}{', ...' if len(missing) > 3 else ''}",
                context={"missing": missing},
            )

    # ---- the cache

    @classmethod
    def cache_info(cls) -> CacheInfo:
        """What the cache of this registry has done, and how it is.

        Raises:
            ValidationError: it has none.
        """
        info = getattr(_registry(cls)._storage(), "cache_info", None)
        if info is None:
            raise ValidationError(
                f"{cls.__name__} has no cache",
                suggestions=["class keyword cache=True, beside logic_namespace="],
                context={"registry": cls.__name__},
            )
        return cast("CacheInfo", info())


def _registry(cls: type) -> type[Registry[Any]]:
    return cast("type[Registry[Any]]", cls)
