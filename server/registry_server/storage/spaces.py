"""Listing and summing up namespaces whose heads and sizes are held in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import NoReturn, Protocol, TypeVar

from registry_server.storage.base import NamespaceInfo, StorageUnavailableError, Totals


class SizedSpace(Protocol):
    """A namespace that knows its head and how many entries it holds."""

    @property
    def head(self) -> int:
        """The number of the latest change."""

    @property
    def size(self) -> int:
        """The number of entries."""


Space = TypeVar("Space", bound=SizedSpace)


class NotOpen(dict[str, Space]):
    """What a backend holds while it is not open: a look into it refuses, so that an open one need not ask."""

    def _refuse(self, *_: object) -> NoReturn:
        raise StorageUnavailableError("the storage is not open")

    get = __getitem__ = __setitem__ = items = _refuse


def list_namespaces(
    names: Sequence[str], spaces: Mapping[str, Space], *, prefix: str, after: str, limit: int
) -> tuple[list[NamespaceInfo], bool]:
    """`StorageBackend.namespaces` over ``names``, which are sorted; empty namespaces are passed over.

    Costs a binary search, and a step for every name looked at.
    """
    start = max(bisect_right(names, after), bisect_left(names, prefix))
    found: list[NamespaceInfo] = []
    for index in range(start, len(names)):
        name = names[index]
        if not name.startswith(prefix):
            break
        space = spaces[name]
        if space.size and len(found) == limit:
            return found, True
        if space.size:
            found.append(NamespaceInfo(name, space.size, space.head))
    return found, False


def sum_up(spaces: Mapping[str, Space], *, largest: int) -> Totals:
    """`StorageBackend.totals`; equally large namespaces stand by name. A step for every namespace."""
    filled = [NamespaceInfo(name, space.size, space.head) for name, space in spaces.items() if space.size]
    first = nsmallest(largest, filled, key=lambda info: (-info.entries, info.namespace))
    return Totals(len(filled), sum(info.entries for info in filled), first)
