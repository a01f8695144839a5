"""What a registry asks of its storage: a mapping that can also create and replace atomically."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from registry.errors import DuplicateKeyError, RegistryError, ValidationError
from registry.storage.lock import ReentrantLock
from registry.suggest import did_you_mean

if TYPE_CHECKING:
    from registry.watching.change import Operation
    from registry.watching.changes import Changes
    from registry.watching.feed import Feed

K = TypeVar("K")
V = TypeVar("V")
_MISSING: Any = object()

Progress: TypeAlias = Callable[[int, int], object]
"""Told after each step of a long operation how many entries are done, and of how many."""


def no_progress(done: int, total: int) -> None:
    """The `Progress` of whoever does not want to know."""


PRESENT: Final = object()
"""For `Storage.replace`: whichever version, but there must be an entry."""


class View(Generic[K, V]):
    """The one slot through which look-ups read: whoever swaps ``table`` swaps all readers at once.

    A registry class holds the view and never the table, so a swap rebinds no class attribute.
    """

    __slots__ = ("table",)

    def __init__(self, table: Mapping[K, V]) -> None:
        self.table = table


class Claim(NamedTuple):
    """What came of a create or of a conditional replace.

    Attributes:
        won: the value is stored now.
        version: of the entry as it is; give it back to `Storage.replace`. None where there is no entry.
        same: not won, and what is stored is the same artifact by identity.
        owner: not won, and where what is stored was defined, as far as it is known.
    """

    won: bool
    version: Any
    same: bool = False
    owner: str = "elsewhere"


class Storage(MutableMapping[K, V]):
    """A mapping for artifacts.

    Keeps the contract of `collections.abc.MutableMapping`: a missing key raises a `KeyError`
    (`registry.errors.RegistryError`), iteration is over a snapshot, in creation order. Adds atomic creation
    and replacement, and makes `update` one step.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the entries are, for messages; empty for this process."""

    @property
    def view(self) -> View[K, V] | None:
        """The view that look-ups may read directly, or None where they must ask."""
        return None

    def items(self) -> ItemsView[K, V]:
        return _Items(self)

    def values(self) -> ValuesView[V]:
        return _Values(self)

    @abstractmethod
    def snapshot(self) -> Iterator[tuple[K, V]]:
        """The pairs as they are now, in creation order; what `items` and `values` iterate over."""

    @abstractmethod
    def claim(self, key: K, value: V) -> Claim:
        """Store ``value`` if ``key`` is free, in one atomic step, and say what came of it."""

    @abstractmethod
    def replace(self, key: K, value: V, version: Any) -> Claim:
        """Store ``value`` if the entry is still at ``version`` (for `PRESENT`: is there), atomically."""

    def insert(self, key: K, value: V) -> None:
        """Store ``value`` under a key that is free.

        Raises:
            DuplicateKeyError: it is taken; nothing changed. ``context["owner"]`` says by what.
        """
        claim = self.claim(key, value)
        if not claim.won:
            place = f" in {self.location}" if self.location else ""
            raise DuplicateKeyError(
                f"Key taken: {key!r}{place}, by {claim.owner}",
                suggestions=["assign with storage[key] = value to replace it"],
                context={"key": key, "owner": claim.owner},
            )

    def keys_of(self, value: V) -> list[K]:
        """The keys under which this artifact stands, by identity, in creation order."""
        return [key for key, stored in self.items() if is_same(stored, value)]

    def changes(self, since: str | None = None, *, timeout: float | None = None) -> Changes:
        """The changes after a cursor, or from now on; `registry.watching.Changes` says how they come.

        Raises:
            ValidationError: this storage cannot be watched.
        """
        raise ValidationError(
            f"A {type(self).__name__} does not tell what changes in it",
            suggestions=["override changes()", "give a plain mapping as storage="],
        )

    @abstractmethod
    def near_names(self, key: object) -> list[str]:
        """Names like ``key``, best first, at most three."""

    def prepare(self, key: K, value: V) -> Any:
        """The form in which ``value`` would be stored under ``key``, for `claim_many`.

        Raises what storing it would raise for the key or the value alone; nothing is stored or asked.
        """
        return value

    def claim_many(self, prepared: Mapping[K, Any], *, progress: Progress = no_progress) -> dict[K, Claim]:
        """`claim` for many keys, their values as `prepare` gave them, in one step where the storage can.

        On a server each 1,000 are one request and one transaction; ``progress`` is told after each.
        """
        claims = {key: self.claim(key, value) for key, value in prepared.items()}
        progress(len(claims), len(claims))
        return claims

    def set_many(self, items: Mapping[K, V], *, progress: Progress = no_progress) -> None:
        """`update`, with somebody who is told how far it is; on a server 1,000 entries a request."""
        self.update(items)
        progress(len(items), len(items))

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """The values of those keys that there are, in the order asked; on a server 1,000 a request."""
        found = {key: self.get(key, _MISSING) for key in dict.fromkeys(keys)}
        return {key: value for key, value in found.items() if value is not _MISSING}

    def delete_many(self, keys: Iterable[K], *, progress: Progress = no_progress) -> list[K]:
        """Remove these keys; those that are not there are returned. On a server 1,000 a request."""
        doomed = list(dict.fromkeys(keys))
        missing = [key for key in doomed if self.pop(key, _MISSING) is _MISSING]
        progress(len(doomed), len(doomed))
        return missing

    def _missing(self, key: object) -> RegistryError:
        place = f" in {self.location}" if self.location else ""
        near = self.near_names(key)
        return RegistryError(
            f"Key not found: {key!r}{place}.{did_you_mean(near)}", suggestions=near, context={"key": key}
        )

    def _empty(self) -> RegistryError:
        return RegistryError(f"Nothing to pop: {self.location or 'the storage'} is empty")


class LocalStorage(Storage[K, V]):
    """A storage of this process, which tells those who watch it of its writes; nobody watching costs nothing.

    Each write tells of itself before the lock is released, so that changes come in the order of the writes.
    """

    _lock: ReentrantLock
    _feed: Feed | None = None

    def changes(self, since: str | None = None, *, timeout: float | None = None) -> Changes:
        from registry.watching.changes import Changes
        from registry.watching.feed import Feed, LocalSource

        with self._lock:
            if self._feed is None:
                self._feed = Feed()
            return Changes(LocalSource(self._feed), since, timeout=timeout)

    def _tell(self, op: Operation, key: Any = None, value: Any = None) -> None:
        if self._feed is not None:
            self._feed.add(op, key, value)


class _Items(ItemsView[K, V]):
    def __init__(self, storage: Storage[K, V]) -> None:
        super().__init__(storage)
        self._storage = storage

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._storage.snapshot()


class _Values(ValuesView[V]):
    def __init__(self, storage: Storage[Any, V]) -> None:
        super().__init__(storage)
        self._storage = storage

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._storage.snapshot())

    def __contains__(self, value: object) -> bool:
        return any(value is stored or value == stored for stored in self)


class MappingStorage(LocalStorage[K, V]):
    """A user's own mapping (``storage=``) as a storage: its writes go one at a time, under a lock of ours.

    Creation is atomic among the threads of this process; whether it is beyond, is the mapping's affair.
    """

    def __init__(self, mapping: MutableMapping[K, V]) -> None:
        self._mapping = mapping
        self._lock = ReentrantLock()
        self._view: View[K, V] = View(mapping)

    @property
    def location(self) -> str:
        return type(self._mapping).__name__

    @property
    def view(self) -> View[K, V]:
        return self._view

    def lock(self) -> AbstractContextManager[Any]:
        return self._lock

    def claim(self, key: K, value: V) -> Claim:
        with self._lock:
            if key not in self._mapping:  # asked first: a defaultdict would make what it is asked for
                self._mapping[key] = value
                self._tell("set", key, value)
                return Claim(True, value)
            current = self._mapping[key]
        return taken_by(current, value)

    def replace(self, key: K, value: V, version: Any) -> Claim:
        with self._lock:
            if key not in self._mapping:
                return Claim(False, None)
            current = self._mapping[key]
            if version is PRESENT or current is version:
                self._mapping[key] = value
                self._tell("set", key, value)
                return Claim(True, value)
        return taken_by(current, value)

    def near_names(self, key: object) -> list[str]:
        from registry.suggest import near_names

        return near_names(key, self) if isinstance(key, str) else []

    def snapshot(self) -> Iterator[tuple[K, V]]:
        with self._lock:
            return iter(list(self._mapping.items()))

    def __getitem__(self, key: K) -> V:
        try:
            return self._mapping[key]
        except KeyError as error:
            raise self._missing(key) from error

    def __setitem__(self, key: K, value: V) -> None:
        with self._lock:
            self._mapping[key] = value
            self._tell("set", key, value)

    def __delitem__(self, key: K) -> None:
        with self._lock:
            try:
                del self._mapping[key]
            except KeyError as error:
                raise self._missing(key) from error
            self._tell("delete", key)

    def __iter__(self) -> Iterator[K]:
        with self._lock:
            return iter(list(self._mapping))

    def __len__(self) -> int:
        return len(self._mapping)

    def __contains__(self, key: object) -> bool:
        return key in self._mapping

    # What a mapping does in two steps, other threads must not come between.

    def pop(self, key: K, *default: Any) -> Any:
        with self._lock:
            return super().pop(key, *default)

    def popitem(self) -> tuple[K, V]:
        """Remove and return the newest pair; `KeyError` where there is none."""
        with self._lock:
            for key in reversed(list(self._mapping)):
                return key, self.pop(key)
        raise self._empty()

    def setdefault(self, key: K, default: Any = None) -> Any:
        with self._lock:
            return super().setdefault(key, default)

    def update(self, other: Any = (), /, **keywords: Any) -> None:
        items = as_items(other, keywords)
        with self._lock:
            self._mapping.update(items)
            for key, value in items.items():
                self._tell("set", key, value)

    def clear(self) -> None:
        with self._lock:
            if len(self._mapping):
                self._mapping.clear()
                self._tell("clear")

    def __reduce__(self) -> Any:
        return type(self), (self._mapping,)


def taken_by(current: object, offered: object) -> Claim:
    """The claim that ``offered`` lost to ``current``, both of this process."""
    from registry.origin import told_origin

    return Claim(False, current, same=is_same(current, offered), owner=told_origin(current))


def is_same(one: object, other: object) -> bool:
    """Whether two registrations are of the same artifact: code by identity, JSON by what it spells."""
    from registry.envelope.json_codec import encode_exactly
    from registry.identity import same_artifact

    if same_artifact(one, other):
        return True
    return not callable(one) and (text := encode_exactly(one)) is not None and text == encode_exactly(other)


def as_items(other: Mapping[K, V] | Iterable[tuple[K, V]], keywords: Mapping[Any, V]) -> dict[K, V]:
    """The arguments of `dict.update` as one dictionary."""
    items: dict[K, V] = dict(other)
    items.update(keywords)
    return items
