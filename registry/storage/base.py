"""What a registry asks of its storage: a mapping that can also create and replace atomically."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from threading import RLock
from typing import Any, Final, Generic, NamedTuple, TypeVar

from registry.errors import DuplicateKeyError

K = TypeVar("K")
V = TypeVar("V")

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

    @abstractmethod
    def near_names(self, key: object) -> list[str]:
        """Names like ``key``, best first, at most three."""

    def prepare(self, key: K, value: V) -> Any:
        """The form in which ``value`` would be stored under ``key``, for `claim_many`.

        Raises what storing it would raise for the key or the value alone; nothing is stored or asked.
        """
        return value

    def claim_many(self, prepared: Mapping[K, Any]) -> dict[K, Claim]:
        """`claim` for many keys, their values as `prepare` gave them, in one step where the storage can."""
        return {key: self.claim(key, value) for key, value in prepared.items()}


class MappingStorage(Storage[K, V]):
    """A user's own mapping (``storage=``) as a storage: its writes go one at a time, under a lock of ours.

    Creation is atomic among the threads of this process; whether it is beyond, is the mapping's affair.
    """

    def __init__(self, mapping: MutableMapping[K, V]) -> None:
        self._mapping = mapping
        self._lock = RLock()
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
            try:
                current = self._mapping[key]
            except KeyError:
                self._mapping[key] = value
                return Claim(True, value)
        return taken_by(current, value)

    def replace(self, key: K, value: V, version: Any) -> Claim:
        with self._lock:
            try:
                current = self._mapping[key]
            except KeyError:
                return Claim(False, None)
            if version is PRESENT or current is version:
                self._mapping[key] = value
                return Claim(True, value)
        return taken_by(current, value)

    def near_names(self, key: object) -> list[str]:
        from registry.suggest import near_names

        return near_names(key, self) if isinstance(key, str) else []

    def __getitem__(self, key: K) -> V:
        return self._mapping[key]

    def __setitem__(self, key: K, value: V) -> None:
        with self._lock:
            self._mapping[key] = value

    def __delitem__(self, key: K) -> None:
        with self._lock:
            del self._mapping[key]

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._mapping))

    def __len__(self) -> int:
        return len(self._mapping)

    def __contains__(self, key: object) -> bool:
        return key in self._mapping

    def clear(self) -> None:
        with self._lock:
            self._mapping.clear()

    def __reduce__(self) -> Any:
        return type(self), (self._mapping,)


def taken_by(current: object, offered: object) -> Claim:
    """The claim that ``offered`` lost to ``current``, both of this process."""
    from registry.origin import origin_of

    return Claim(False, current, same=is_same(current, offered), owner=str(origin_of(current)))


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
