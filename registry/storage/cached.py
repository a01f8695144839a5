"""A shared namespace that is followed, so that look-ups are answered in this process.

What is promised of it, and shown by ``tests/unit/cache``:

- A look-up is never older than what this process has written to the namespace through such a registry, or
  was shown of it: own writes are seen at once, and no reader goes back in time.
- What is served was vouched for by the server ``max_staleness`` seconds ago at most; while it does not
  answer, ``stale_if_error`` seconds. Past that the server is asked, as without a cache.
- A name that is not there is known not to be there.
- Signatures are checked before anything is decoded, as without a cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from registry.envelope.codec import may_be_shared
from registry.envelope.form import Envelope
from registry.errors import RegistryError, ServerTimeoutError
from registry.names import check_key
from registry.storage.base import View
from registry.storage.informer import Held, Informer
from registry.storage.observed import ObservedConnection
from registry.storage.poller import pollers
from registry.storage.remote import NEAR_NAMES, RemoteStorageProxy
from registry.storage.window import Window, is_unchangeable
from registry.suggest import MAX_CANDIDATES, did_you_mean, near_names

V = TypeVar("V")

MAX_STALENESS = 10.0
_UNKNOWN: Any = object()
_MISSING: Any = object()


class CacheInfo(NamedTuple):
    """What a cache has done so far.

    A look-up that the table of decoded values answers is not counted: counting would cost as much as half of
    the look-up.

    Attributes:
        state: ``current``; ``behind`` what this process has seen, for a moment; ``stale``, served while the
            server is away; ``expired``; or ``unknown``, not listed yet.
        entries: how many there are, as far as it is known.
        cursor: how far the namespace has come, as far as it is known.
        age: seconds since the moment that the server has vouched for; infinite where it never did.
        decoded: look-ups that were answered here and decoded for it: JSON containers, and first look-ups.
        misses: look-ups that the server was asked.
        polls: answers to polls.
        applied: changes that were taken over.
        relists: times that the namespace was listed anew because changes could not be gone on from.
        reconnects: polls that failed.
    """

    state: str
    entries: int
    cursor: str | None
    age: float
    decoded: int
    misses: int
    polls: int
    applied: int
    relists: int
    reconnects: int


class CachedStorage(RemoteStorageProxy[V]):
    """`RemoteStorageProxy` whose reads are answered here while what is known may be served.

    Nothing connects before the first read. That one asks the server, and lets the thread that polls for all
    cached registries of the process list the namespace; from then on it is followed.

    Args:
        max_staleness: seconds, 3 or more.
        stale_if_error: seconds, while the server does not answer; 0 for no longer than `max_staleness`.

    Other arguments are `RemoteStorageProxy`'s.
    """

    _clock = staticmethod(time.monotonic)

    def __init__(
        self,
        namespace: str,
        *arguments: Any,
        max_staleness: float = MAX_STALENESS,
        stale_if_error: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(namespace, *arguments, **options)
        self._window = Window(max_staleness, stale_if_error)
        plain = self._connection
        self._observed = ObservedConnection(plain.address, plain._token, Informer(self.namespace))
        self._connection = self._observed
        self._generation = -1
        self._decoded_here = self._misses = 0

    @property
    def view(self) -> View[str, Any]:
        return self._window.view

    def cache_info(self) -> CacheInfo:
        """What the cache has done, and how it is."""
        informer, now = self._observed.informer, self._clock()
        counters = informer.counters
        with informer.lock:
            return CacheInfo(
                self._state(informer, now),
                len(informer.entries),
                None if informer.at is None else str(informer.at),
                now - informer.checked,
                self._decoded_here,
                self._misses,
                counters.polls,
                counters.applied,
                counters.relists,
                counters.reconnects,
            )

    def _state(self, informer: Informer, now: float) -> str:
        if informer.at is None:
            return "unknown"
        if not informer.current:
            return "behind"
        if not informer.may_serve(self._window, now):
            return "expired"
        return "stale" if informer.away else "current"

    def wait_until_current(self, timeout: float | None = None) -> None:
        """Return once reads are answered here.

        Raises:
            ServerTimeoutError: they are not within ``timeout`` s, the storage's own unless given.
        """
        self._followed()
        seconds = self.timeout if timeout is None else timeout
        if not self._window.opened.wait(seconds):
            raise ServerTimeoutError(
                f"The cache of {self.location} is not filled after {seconds:.3g} s",
                suggestions=["see whether the server answers: /health", "wait longer: timeout="],
                context={"timeout": seconds},
            )

    def close(self) -> None:
        """Follow the namespace no longer; the next read begins anew."""
        informer = self._observed.informer
        with informer.lock:
            informer.windows.discard(self._window)
            self._window.clear()
        self._generation = -1

    def __reduce__(self) -> Any:
        rebuild, (kind, namespace, address, options) = super().__reduce__()
        bounds = {
            "max_staleness": self._window.max_staleness,
            "stale_if_error": self._window.stale_if_error,
        }
        return rebuild, (kind, namespace, address, {**options, **bounds})

    # ---- reading

    def __getitem__(self, key: str) -> V:
        found = self._find(key)
        if found is _UNKNOWN:
            value: V = super().__getitem__(key)
            return value
        if found is _MISSING:
            raise self._not_there(key)
        return self._followed_alias(key, found)  # type: ignore[no-any-return]

    def get(self, key: str, default: Any = None) -> Any:
        found = self._find(key)
        if found is _UNKNOWN:
            return super().get(key, default)
        try:
            return default if found is _MISSING else self._followed_alias(key, found)
        except RegistryError:  # an alias that leads nowhere
            return default

    def _found(self, key: str, suggest: int) -> Any:
        """What an alias leads to, as it stands there."""
        found = self._find(key)
        if found is _MISSING:
            raise self._not_there(key)
        return super()._found(key, suggest) if found is _UNKNOWN else found

    def __contains__(self, key: object) -> bool:
        key = check_key(key)
        found = self._here(lambda entries: key in entries)
        return super().__contains__(key) if found is _UNKNOWN else found

    def __len__(self) -> int:
        found = self._here(len)
        return super().__len__() if found is _UNKNOWN else found

    def names(self, prefix: str = "") -> list[str]:
        found = self._here(lambda entries: [key for key in entries if key.startswith(prefix)])
        return super().names(prefix) if found is _UNKNOWN else found

    def snapshot(self) -> Iterator[tuple[str, V]]:
        known = self._here(dict.copy)
        if known is _UNKNOWN or any(held.wire is None for held in known.values()):
            return super().snapshot()
        return ((key, self._followed_alias(key, self._shown(key, held))) for key, held in known.items())

    def get_many(self, keys: Iterable[str]) -> dict[str, V]:
        wanted = [check_key(key) for key in dict.fromkeys(keys)]
        known = self._here(lambda entries: {key: entries[key] for key in wanted if key in entries})
        if known is _UNKNOWN or any(held.wire is None for held in known.values()):
            return super().get_many(wanted)
        return {key: self._followed_alias(key, self._shown(key, held)) for key, held in known.items()}

    def near_names(self, key: object) -> list[str]:
        name = check_key(key)
        found = self._here(lambda entries: list(islice(entries, MAX_CANDIDATES)))
        return super().near_names(name) if found is _UNKNOWN else near_names(name, found, limit=NEAR_NAMES)

    def _here(self, answer: Callable[[dict[str, Held]], Any]) -> Any:
        """What ``answer`` says of the entries, at once; `_UNKNOWN` where the server has to be asked."""
        informer = self._followed()
        with informer.lock:
            if informer.may_serve(self._window, self._clock()):
                return answer(informer.entries)
        self._misses += 1
        return _UNKNOWN

    def _find(self, key: str) -> Any:
        """The value; `_MISSING` where there is none, `_UNKNOWN` where the server has to be asked."""
        key = check_key(key)
        held = self._here(lambda entries: entries.get(key, _MISSING))
        if held is _UNKNOWN or held is _MISSING:
            return held
        return self._read_through(key, held) if held.wire is None else self._shown(key, held)

    def _read_through(self, key: str, held: Held) -> Any:
        """The value of an entry that was too large to come along with its change; kept from now on."""
        self._misses += 1
        try:
            stored = self.entry(key)
        except RegistryError:
            return _MISSING
        if stored.revision == held.revision:
            self._observed.informer.fill(key, held, stored.envelope.to_dict())
        return self._decoded(key, stored.envelope, stored.etag)

    def _shown(self, key: str, held: Held) -> Any:
        """The value of an entry, an alias as such; shown to later look-ups while it is the entry's."""
        informer, at = self._observed.informer, self._observed.informer.at
        envelope = Envelope.unread(held.wire)
        etag = f"{at.epoch if at else ''}.{held.revision}"
        value = self._decoded(key, envelope, etag)
        self._decoded_here += 1
        if may_be_shared(envelope) or (envelope.type == "json" and is_unchangeable(value)):
            with informer.lock:
                if informer.entries.get(key) is held:
                    self._window.put(key, value)
        return value

    def _not_there(self, key: str) -> RegistryError:
        near = self.near_names(key)
        return RegistryError(
            f"Key not found: {key!r} in {self.namespace}.{did_you_mean(near)}",
            suggestions=near,
            context={"key": key, "namespace": self.namespace},
        )

    def _followed(self) -> Informer:
        """What is known of the namespace, kept up from now on; in a forked child, anew."""
        if self._generation != pollers.generation:
            self._generation = pollers.generation
            poller = pollers.of(self._observed)
            self._observed.informer = poller.follow(self.namespace, self._window, self._observed.informer)
        return self._observed.informer
