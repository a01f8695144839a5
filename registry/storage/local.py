"""Storage in this process: a dictionary that readers never wait for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from registry.storage.base import (
    PRESENT,
    Claim,
    LocalStorage,
    Progress,
    View,
    as_items,
    no_progress,
    taken_by,
)
from registry.storage.lock import ReentrantLock
from registry.suggest import near_names

K = TypeVar("K")
V = TypeVar("V")
_MISSING: Any = object()


class ThreadSafeLocalStorage(LocalStorage[K, V]):
    """Artifacts of this process, by any hashable key; gone when it exits.

    Reads take no lock and see each write wholly or not at all: `update` and `clear` build a new table and
    put it in the old one's place. Writes exclude each other, under a lock that the same thread may take
    again. Values are kept as references: what is read is the very object that was stored.
    """

    def __init__(self, items: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        self._lock = ReentrantLock()
        self._view: View[K, V] = View(dict(items))

    @property
    def location(self) -> str:
        return ""

    @property
    def view(self) -> View[K, V]:
        return self._view

    @property
    def _table(self) -> dict[K, V]:
        # Kept nowhere else: with two references to swap, a reader, or a forked child, could meet one of each.
        return cast("dict[K, V]", self._view.table)

    def lock(self) -> AbstractContextManager[Any]:
        """Holds off writers, not readers, while it is entered; reentrant."""
        return self._lock

    def __getitem__(self, key: K) -> V:
        try:
            return self._table[key]
        except KeyError:
            pass
        raise self._missing(key)

    def __setitem__(self, key: K, value: V) -> None:
        with self._lock:
            self._table[key] = value
            self._tell("set", key, value)

    def __delitem__(self, key: K) -> None:
        with self._lock:
            self[key]  # raises with near names
            del self._table[key]
            self._tell("delete", key)

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._table))

    def snapshot(self) -> Iterator[tuple[K, V]]:
        # A copy is one step; listing the pairs makes tuples, and a collection in between may run any code.
        return iter(self._table.copy().items())

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, key: object) -> bool:
        return key in self._table

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._table)} entries)"

    def get(self, key: K, default: Any = None) -> Any:
        return self._table.get(key, default)

    def pop(self, key: K, default: Any = _MISSING) -> Any:
        with self._lock:
            if default is not _MISSING and key not in self._table:
                return default
            value = self[key]
            del self._table[key]
            self._tell("delete", key)
            return value

    def popitem(self) -> tuple[K, V]:
        """Remove and return the newest pair; `KeyError` where there is none."""
        with self._lock:
            if not self._table:
                raise self._empty()
            key, value = self._table.popitem()
            self._tell("delete", key)
            return key, value

    def setdefault(self, key: K, default: Any = None) -> Any:
        with self._lock:
            if key not in self._table:
                self[key] = default
            return self._table[key]

    def update(self, other: Any = (), /, **keywords: Any) -> None:
        items = as_items(other, keywords)
        with self._lock:
            self._view.table = {**self._table, **items}
            for key, value in items.items():
                self._tell("set", key, value)

    def clear(self) -> None:
        with self._lock:
            if self._table:
                self._view.table = {}
                self._tell("clear")

    def claim(self, key: K, value: V) -> Claim:
        with self._lock:
            current = self._table.get(key, _MISSING)
            if current is _MISSING:
                self._table[key] = value
                self._tell("set", key, value)
                return Claim(True, value)
        return Claim(True, value) if current is value else taken_by(current, value)

    def replace(self, key: K, value: V, version: Any) -> Claim:
        with self._lock:
            current = self._table.get(key, _MISSING)
            if current is not _MISSING and (version is PRESENT or current is version):
                self._table[key] = value
                self._tell("set", key, value)
                return Claim(True, value)
        return Claim(False, None) if current is _MISSING else taken_by(current, value)

    def claim_many(self, prepared: Mapping[K, V], *, progress: Progress = no_progress) -> dict[K, Claim]:
        with self._lock:
            free = {key: value for key, value in prepared.items() if key not in self._table}
            taken = {key: self._table[key] for key in prepared if key not in free}
            self._view.table = {**self._table, **free}
            for key, value in free.items():
                self._tell("set", key, value)
        progress(len(prepared), len(prepared))
        won = {key: Claim(True, value) for key, value in free.items()}
        return {key: won.get(key) or taken_by(taken[key], value) for key, value in prepared.items()}

    def near_names(self, key: object) -> list[str]:
        return near_names(key, list(self._table)) if isinstance(key, str) else []

    def __getstate__(self) -> dict[K, V]:
        return dict(self._table)

    def __setstate__(self, items: dict[K, V]) -> None:
        self.__init__(items)  # type: ignore[misc]
