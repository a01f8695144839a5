"""Versions, aliases and deprecation of shared artifacts, and lock files that freeze them.

Read in the order of imports: `deprecation` and `numbers`, which know of no server; `aliases`; `lock` and
`frozen`. `noted` is for registries that are not shared. Everything here is on top of the protocol as it is: a
version is an entry that was created, an alias an entry that was replaced on condition.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from registry.versions.deprecation import Deprecation, deprecated

if TYPE_CHECKING:
    from datetime import date

    from registry.base import Registry
    from registry.storage.remote import RemoteStorageProxy
    from registry.versions.aliases import Alias
    from registry.versions.numbers import Version

__all__ = ["Deprecation", "Versions", "deprecated"]


class Versions:
    """What a registry does with versions, shared aliases and deprecated names."""

    @classmethod
    def publish_version(cls, name: str, artifact: Any, /) -> str:
        """Register ``artifact`` as the next version of ``name``; returns its key, ``mse@2``.

        A version is created and never replaced: of several processes that publish at once each gets a number
        of its own. An artifact that is a version already is not published again: its key is returned.
        Two requests on a shared registry, and one more for each number that another process took meanwhile.

        Raises:
            CoercionError: this registry cannot hold it, or ``name`` is that of a version.
            SerializationError: it cannot travel to other processes.
            RemoteError: the server gave no usable answer.
        """
        from registry.versions.numbers import publish

        return publish(_registry(cls), name, artifact)

    @classmethod
    def versions(cls, name: str) -> list[Version]:
        """The versions of ``name`` by number, none decoded; empty where there is none."""
        from registry.versions.numbers import versions_of

        return versions_of(_registry(cls), name)

    @classmethod
    def move_alias(cls, alias: str, target: str, *, by: str | None = None) -> Alias:
        """Let ``alias`` lead to ``target`` for every process, from now on; made where there is none.

        The move is on condition of what the alias was, so of several movers each moves it once, none is lost,
        and all are in its history. Moving it to where it is does nothing; moving it back is rolling back.

        Args:
            alias: the alias.
            target: the name of an artifact, best a version.
            by: who moves it, for the history; ``user@host`` unless given.

        Raises:
            RegistryError: there is no ``target``.
            DuplicateKeyError: an artifact has the name ``alias``.
            AliasError: ``target`` is an alias.
            ValidationError: this registry is not shared.
        """
        from registry.versions.aliases import move

        return move(_shared(cls, "move_alias"), alias, target, by)

    @classmethod
    def get_alias(cls, alias: str) -> Alias:
        """The target and the history of a shared alias.

        Raises:
            RegistryError: nothing has this name.
            AliasError: it is the name of an artifact.
            ValidationError: this registry is not shared.
        """
        from registry.versions.aliases import read_stored

        return read_stored(_shared(cls, "get_alias", to_write=False), alias)

    @classmethod
    def deprecate(
        cls,
        name: Any,
        *,
        removal: date | str | None = None,
        alternative: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Have whoever looks up ``name`` warned, once per process, by a `DeprecationWarning`.

        On a shared registry this is written into the entry, on condition that nobody replaces it meanwhile,
        and every process sees it. Replacing the artifact takes it away.

        Args:
            name: a registered name, a version or a shared alias.
            removal: the date on which it will be removed, as `date` or ``2027-06-01``.
            alternative: the name to use instead.
            reason: why, in a sentence.

        Raises:
            RegistryError: nothing has this name.
            CoercionError: ``removal`` is no date.
            SignatureError: no key held here has signed the entry, so it is not signed again.
        """
        from registry.versions.naming import deprecate

        deprecate(_registry(cls), name, Deprecation.checked(removal, alternative, reason))

    @classmethod
    def undeprecate(cls, name: Any) -> None:
        """Take back what `deprecate`, or `deprecated`, says of ``name``; raises as `deprecate` does."""
        from registry.versions.naming import deprecate

        deprecate(_registry(cls), name, None)

    @classmethod
    def freeze(cls, path: str | os.PathLike[str]) -> None:
        """Write a lock file of all that this shared registry holds now; ``frozen=`` opens it.

        For several namespaces in one file, `registry.versions.lock.freeze`, or on the command line
        ``registry freeze``.

        Raises:
            LockFileError: the namespace went on changing while it was read.
            ValidationError: this registry is not shared.
        """
        from registry.versions.lock import frozen_text, write

        write(path, frozen_text([_shared(cls, "freeze")]))


def _registry(cls: type[Versions]) -> type[Registry[Any]]:
    return cast("type[Registry[Any]]", cls)


def _shared(cls: type[Versions], method: str, *, to_write: bool = True) -> RemoteStorageProxy[Any]:
    """The storage of a shared registry, for what makes sense only where others see it too."""
    from registry.versions.naming import shared_storage

    return shared_storage(_registry(cls), method, to_write=to_write)
