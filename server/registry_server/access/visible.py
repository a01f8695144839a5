"""A storage as one caller may see it: namespaces that it may not read are not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from registry_server.access.guard import Access
from registry_server.access.scopes import Permission, Scope
from registry_server.storage.base import Entry, NamespaceInfo, Page, StorageBackend, Totals

_COUNTED = 10_000
"""How many namespaces are counted for a caller who may not see them all."""


async def visible_namespaces(
    backend: StorageBackend, access: Access, *, prefix: str = "", after: str = "", limit: int
) -> tuple[list[NamespaceInfo], bool]:
    """As `StorageBackend.namespaces`, of those that the caller may read.

    Costs one question to the storage for each scope at most. The scopes come in code point order and none
    lies within another; ``.`` sorts before letters and digits, so a namespace and all below it stand
    together.
    """
    found: list[NamespaceInfo] = []
    for own, asked in _ranges(access, prefix):
        infos, _ = await backend.namespaces(prefix=asked, after=after, limit=limit - len(found) + 1)
        scope = Scope(own, Permission.READ)
        found += [info for info in infos if scope.covers(info.namespace)]
        if len(found) > limit:
            return found[:limit], True
    return found, False


def _ranges(access: Access, prefix: str) -> Iterator[tuple[str, str]]:
    """Each namespace that may be read, with the prefix to ask the storage for: the longer one of the two."""
    for own in access.readable():
        if prefix.startswith(own):
            yield own, prefix
        elif own.startswith(prefix):
            yield own, own


class VisibleStorage:
    """What pages read of a storage, as far as one caller may."""

    def __init__(self, backend: StorageBackend, access: Access) -> None:
        self._backend = backend
        self._access = access

    @property
    def location(self) -> str:
        return self._backend.location

    @property
    def epoch(self) -> str:
        return self._backend.epoch

    async def get(self, namespace: str, key: str) -> tuple[Entry | None, int]:
        self._access.require(Permission.READ, namespace)
        return await self._backend.get(namespace, key)

    async def count(self, namespace: str) -> tuple[int, int]:
        self._access.require(Permission.READ, namespace)
        return await self._backend.count(namespace)

    async def page(self, namespace: str, **options: Any) -> Page:
        self._access.require(Permission.READ, namespace)
        return await self._backend.page(namespace, **options)

    async def namespaces(
        self, *, prefix: str = "", after: str = "", limit: int
    ) -> tuple[list[NamespaceInfo], bool]:
        return await visible_namespaces(self._backend, self._access, prefix=prefix, after=after, limit=limit)

    async def totals(self, *, largest: int) -> Totals:
        """As the storage's own, of what the caller may read; of 10,000 namespaces at most."""
        if self._access.permission("") >= Permission.READ:
            return await self._backend.totals(largest=largest)
        infos, _ = await self.namespaces(limit=_COUNTED)
        by_size = sorted(infos, key=lambda info: (-info.entries, info.namespace))
        return Totals(len(infos), sum(info.entries for info in infos), by_size[:largest])
