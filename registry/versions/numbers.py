"""Versions: create-only keys ``name@number``, numbered by whoever creates the next one first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from registry.errors import CoercionError, DuplicateKeyError
from registry.origin import origin_of
from registry.versions.deprecation import Deprecation

if TYPE_CHECKING:
    from registry.base import Registry
    from registry.storage.base import Storage
    from registry.storage.remote import RemoteStorageProxy
    from registry.storage.stored import Stored

MAX_DIGITS: Final = 9
"""Longer numbers are no versions."""


class Version(NamedTuple):
    """One version of a name, its artifact not decoded.

    Attributes:
        number: 1, 2, 3 and so on.
        key: under which it is looked up, ``mse@2``.
        origin: where it was defined, as far as known.
        digest: of its envelope; empty in a local registry.
        updated_at: RFC 3339 time of its last change, which can only be to its ``meta``; empty in a local
            registry and in a lock file.
        deprecation: what is said against using it, or None.
    """

    number: int
    key: str
    origin: str
    digest: str = ""
    updated_at: str = ""
    deprecation: Deprecation | None = None


class _Known(NamedTuple):
    version: Version
    is_same: bool


def split_version(key: object) -> tuple[str, int] | None:
    """Name and number of a key that is a version; None of any other key.

    A version is a name, ``@``, and a number of ASCII digits without leading zeros.
    """
    if not isinstance(key, str):
        return None
    name, _, number = key.rpartition("@")
    is_number = number.isascii() and number.isdecimal() and number[0] != "0" and len(number) <= MAX_DIGITS
    return (name, int(number)) if name and is_number else None


def is_version(key: object) -> bool:
    """Whether ``key`` is that of a version, which is created once and never replaced."""
    return split_version(key) is not None


def check_replaceable(cls: type[Registry[Any]], key: object) -> None:
    """Raise unless what stands under ``key`` may be replaced by another artifact.

    Raises:
        DuplicateKeyError: ``key`` is that of a version.
    """
    if (version := split_version(key)) is not None:
        raise DuplicateKeyError(
            f"{key!r} in {cls._shown()} is a version, and a version is never replaced",
            suggestions=[f"publish the next one: {cls.__name__}.publish_version({version[0]!r}, ...)"],
            context={"key": key, "registry": cls.__name__},
        )


def publish(cls: type[Registry[Any]], name: str, artifact: Any) -> str:
    """See `Versions.publish_version`."""
    _check_name(name)
    cls.validate_artifact(artifact)
    storage = cls._storage()
    known = list(_known(storage, name, artifact))
    for version, is_same in known:
        if is_same:
            return version.key
    number = max((version.number for version, _ in known), default=0)
    while True:  # who creates the number has it; the others go on to the next
        number += 1
        key = f"{name}@{number}"
        claim = storage.claim(key, artifact)
        if claim.won:
            cls._deprecated.registered(cls, key, artifact)
        if claim.won or claim.same:
            return key


def versions_of(cls: type[Registry[Any]], name: str) -> list[Version]:
    """See `Versions.versions`."""
    return listed(cls._storage(), name, cls._deprecated)


def listed(storage: Storage[Any, Any], name: str, noted: Any = None) -> list[Version]:
    """The versions of ``name`` that a storage holds, by number; ``noted`` has what is deprecated here."""
    _check_name(name)
    if hasattr(storage, "entries"):
        found = [_of_entry(stored) for stored in _entries(storage, name)]
    else:
        found = [_of_artifact(key, value, noted) for key, value in _artifacts(storage, name)]
    return sorted(found)


def _known(storage: Storage[Any, Any], name: str, artifact: Any) -> Iterator[_Known]:
    """The versions of ``name``, each with whether it is ``artifact`` and this process' readers accept it."""
    from registry.storage.base import is_same

    if not hasattr(storage, "entries"):
        for key, value in _artifacts(storage, name):
            yield _Known(_of_artifact(key, value, None), is_same(value, artifact))
        return
    stored = list(_entries(storage, name))
    shared = cast("RemoteStorageProxy[Any]", storage)
    offered = shared._encode(f"{name}@1", artifact) if stored else None
    for entry in stored:
        yield _Known(_of_entry(entry), offered is not None and shared._holds(entry, offered))


def _entries(storage: Any, name: str) -> Iterator[Stored]:
    for stored in storage.entries(f"{name}@"):
        if _is_of(stored.key, name):
            yield stored


def _artifacts(storage: Storage[Any, Any], name: str) -> Iterator[tuple[str, Any]]:
    for key, value in storage.items():
        if _is_of(key, name):
            yield key, value


def _is_of(key: object, name: str) -> bool:
    version = split_version(key)
    return version is not None and version[0] == name


def _of_entry(stored: Stored) -> Version:
    meta = stored.envelope.meta or {}
    origin = meta.get("origin") or ("a JSON value" if stored.envelope.type == "json" else "")
    return Version(
        _number(stored.key),
        stored.key,
        origin,
        stored.digest,
        stored.updated_at,
        Deprecation.of_meta(meta),
    )


def _of_artifact(key: str, artifact: Any, noted: Any) -> Version:
    deprecation = noted.current(key, artifact) if noted else None
    return Version(_number(key), key, str(origin_of(artifact)), deprecation=deprecation)


def _number(key: str) -> int:
    return int(key.rpartition("@")[2])


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise CoercionError(
            f"Versions have a text as their name, not {type(name).__name__}" if name != "" else "No name",
            suggestions=["publish_version('mse', artifact)"],
            context={"type": type(name).__name__},
        )
    if (version := split_version(name)) is not None:
        raise CoercionError(
            f"{name!r} is a version itself, and has none",
            suggestions=[f"{version[0]!r} is the name"],
            context={"key": name},
        )
