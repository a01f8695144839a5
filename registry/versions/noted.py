"""Deprecated names of a registry whose look-ups read a dictionary: the first look-up of one misses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from registry.discovery import MISSING
from registry.storage.base import View
from registry.versions.deprecation import Deprecation, deprecation_of, warn_once

if TYPE_CHECKING:
    from registry.base import Registry


class Unwarned(Mapping[Any, Any]):
    """A view without the names that somebody still has to be told of, so that `Registry._miss` gets them."""

    def __init__(self, names: set[Any], view: View[Any, Any]) -> None:
        self.names = names
        self.view = view

    def __getitem__(self, key: Any) -> Any:
        if key in self.names:
            raise KeyError(key)
        return self.view.table[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.view.table)

    def __len__(self) -> int:
        return len(self.view.table)


class Noted:
    """What this process says against names of one registry that is not shared.

    A deprecation is of the artifact that had the name then: whoever puts another in its place is not met by
    it, as in a shared registry, where it is part of the entry.
    """

    def __init__(self) -> None:
        self._said: dict[Any, tuple[Any, Deprecation]] = {}
        self._unwarned: set[Any] = set()

    def __bool__(self) -> bool:
        return bool(self._said)

    def add(self, cls: type[Registry[Any]], key: Any, artifact: Any, deprecation: Deprecation) -> None:
        """Warn of ``key`` when it is next looked up."""
        self._said[key] = artifact, deprecation
        if not self._unwarned:
            self._unwarned = {key}
            cls._view = View(Unwarned(self._unwarned, cls._view))
        else:
            self._unwarned.add(key)

    def registered(self, cls: type[Registry[Any]], key: Any, artifact: Any) -> None:
        """Note what an artifact that was registered just now says against itself."""
        deprecation = deprecation_of(artifact)
        if deprecation is not None and cls._storage().view is not None:  # else it is in the entry
            self.add(cls, key, artifact, deprecation)

    def drop(self, key: Any) -> None:
        """Say nothing against ``key`` any more."""
        self._said.pop(key, None)
        self._unwarned.discard(key)

    def current(self, key: Any, artifact: Any) -> Deprecation | None:
        """What is said against ``artifact`` under ``key``."""
        noted, deprecation = self._said.get(key, (MISSING, None))
        return deprecation if noted is artifact else None

    def looked_up(self, cls: type[Registry[Any]], key: Any) -> None:
        """Warn of ``key`` if it is due; once nothing is due, look-ups read the dictionary itself again."""
        if key not in self._unwarned:
            return
        deprecation = self.current(key, cls._storage().get(key, MISSING))
        self._unwarned.discard(key)
        table = cls._view.table
        if not self._unwarned and isinstance(table, Unwarned) and table.names is self._unwarned:
            cls._view = table.view
        if deprecation is not None:
            warn_once(f"{cls.__module__}.{cls.__qualname__}", key, deprecation)
