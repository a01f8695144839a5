"""From the keywords of a registry class to the storage that it keeps its artifacts in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from os import PathLike
from typing import Any

from registry import settings
from registry.errors import ValidationError
from registry.names import check_namespace
from registry.storage.base import MappingStorage, Storage
from registry.storage.caching import UNCACHED, Caching
from registry.storage.local import ThreadSafeLocalStorage


def check_place(
    name: str, namespace: str | None, server: object, storage: object, frozen: object = None
) -> None:
    """Raise unless the keywords say of one place where the artifacts are kept."""
    if storage is not None and namespace is not None:
        raise ValidationError(
            f"{name} cannot have both storage= and logic_namespace=", suggestions=["give one of them"]
        )
    if server is not None and namespace is None:
        raise ValidationError(
            f"{name} has server= without logic_namespace=, and would be local",
            suggestions=["logic_namespace='research.losses'", "leave server= out"],
        )
    if frozen is not None and namespace is None:
        raise ValidationError(
            f"{name} has frozen= without logic_namespace=, and only what is shared can be frozen",
            suggestions=["logic_namespace='research.losses'", "leave frozen= out"],
        )
    if storage is not None and not isinstance(storage, MutableMapping):
        raise ValidationError(
            f"{name}: storage= is a mapping that can be changed, not {type(storage).__name__}",
            suggestions=["storage={}"],
        )


def storage_for(
    *,
    namespace: str | None,
    server: str | Iterable[str] | None,
    storage: MutableMapping[Any, Any] | None,
    trust: Any,
    trusted_modules: Iterable[str],
    module: str,
    describe: Callable[[str, Any], dict[str, str]],
    frozen: str | PathLike[str] | None = None,
    caching: Caching = UNCACHED,
) -> Storage[Any, Any]:
    """The storage of a registry class.

    Args:
        namespace, server, storage, trust, trusted_modules, frozen: as the keywords of a `Registry`.
        module: the one that defines the class; its top-level package is trusted at ``refs``.
        describe: what a shared artifact says of itself, given its key and itself.
        caching: whether the namespace is followed, and how closely.

    Raises:
        NamespaceError: ``namespace`` is not one.
        ValidationError: no such level of trust, or a module that nobody should trust.
        LockFileError: what should be a lock file is none.
    """
    caching.check(shared=namespace is not None)
    if isinstance(storage, Storage):
        return storage
    if storage is not None:
        return MappingStorage(storage)
    if namespace is None:
        return ThreadSafeLocalStorage()
    check_namespace(namespace)
    options: dict[str, Any] = {
        "trust": trust,
        "trusted_modules": trusted_modules,
        "home_package": module.partition(".")[0],
        "describe": describe,
    }
    if (lock := frozen or settings.frozen()) is not None:
        from registry.versions.frozen import FrozenStorage

        return FrozenStorage(namespace, lock, **options)
    if caching.cache:
        from registry.storage.cached import CachedStorage

        return CachedStorage(namespace, url=server, **options, **caching.bounds())
    from registry.storage.remote import RemoteStorageProxy

    return RemoteStorageProxy(namespace, url=server, **options)
