"""Where a registry keeps what is said of its names: in the entry if it is shared, else in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from registry.discovery import MISSING, is_shared
from registry.errors import PreconditionFailedError, ValidationError
from registry.versions.deprecation import Deprecation, amended

if TYPE_CHECKING:
    from registry.base import Registry
    from registry.storage.remote import RemoteStorageProxy


def deprecate(cls: type[Registry[Any]], name: Any, deprecation: Deprecation | None) -> None:
    """See `Versions.deprecate`; None takes it back."""
    if is_shared(cls):
        storage = cast("RemoteStorageProxy[Any]", cls._storage())
        before, after = deprecate_entry(storage, name, deprecation)
        own = cls._own.get(name)
        if own is not None and own.version == before:
            cls._own[name] = own._replace(version=after)
        return
    local: Any = cls._storage()
    if hasattr(local, "check_writable"):
        local.check_writable(name)
    artifact = local.get(name, MISSING) if name in local else MISSING  # a defaultdict would make it
    if artifact is MISSING:
        raise cls._not_found(name, local.near_names(name))
    if deprecation is None:
        cls._deprecated.drop(name)
    else:
        cls._deprecated.add(cls, name, artifact, deprecation)


def deprecate_entry(
    storage: RemoteStorageProxy[Any], key: str, deprecation: Deprecation | None
) -> tuple[str, str]:
    """Say it in the entry, on condition that it is as it was read; returns its etags before and after.

    Raises:
        RegistryError: there is no such entry.
        SignatureError: no key held here has signed it.
    """
    while True:
        stored = storage.entry(key)
        envelope = amended(
            storage._codec, stored.envelope, deprecation, namespace=storage.namespace, key=stored.key
        )
        try:
            result = storage._set(stored.key, envelope, if_match=f'"{stored.etag}"')
        except PreconditionFailedError:
            continue  # somebody replaced it; what is there now is what has the name
        return stored.etag, result.etag


def shared_storage(
    cls: type[Registry[Any]], method: str, *, to_write: bool = True
) -> RemoteStorageProxy[Any]:
    """The storage of a shared registry; to read, one of a lock file will do, which reads alike.

    Raises:
        FrozenError: it is read from a lock file, and ``to_write``.
        ValidationError: it is not shared.
    """
    storage: Any = cls._storage()
    if is_shared(cls):
        return cast("RemoteStorageProxy[Any]", storage)
    if hasattr(storage, "check_writable"):
        if to_write:
            storage.check_writable(None)
        return cast("RemoteStorageProxy[Any]", storage)
    raise ValidationError(
        f"{cls.__name__}.{method}() is for shared registries, and {cls._shown()} is not one",
        suggestions=["share it: logic_namespace='research.losses'", "add_alias is for this process"],
        context={"registry": cls.__name__},
    )
