"""A shared registry that is read from a lock file: it holds what was frozen, and nobody changes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from registry.discovery import Declared, Target
from registry.envelope.codec import EnvelopeCodec, may_be_shared
from registry.envelope.form import Envelope
from registry.envelope.trust import Trust, TrustPolicy
from registry.errors import FrozenError, RegistryError, SerializationError, ValidationError
from registry.identity import identity_of
from registry.names import check_key
from registry.storage.base import Claim, Progress, Storage, View, no_progress
from registry.storage.claims import is_same
from registry.suggest import near_names
from registry.versions.aliases import Alias, follow, is_alias, read
from registry.versions.deprecation import Deprecation, warn_once
from registry.versions.lock import Locked, opened, read_lock

if TYPE_CHECKING:
    from registry.base import Registry
    from registry.watching import Changes

V = TypeVar("V")


class _Decoded(NamedTuple):
    value: Any


class FrozenStorage(Storage[str, V]):
    """The entries of one namespace of a lock file, read only; no server is asked.

    What is decoded has passed the trust gate as if a server had sent it. Functions and classes are decoded
    once, and then found as in a local registry; JSON is decoded afresh for each reader. A namespace that the
    file does not have is empty. Storing what is there already changes nothing; anything else is refused.

    Args:
        namespace: dot-delimited letters and digits, ``research.losses``.
        path: of the lock file; read once, when this is made.
        trust, trusted_modules, home_package, describe: as `RemoteStorageProxy`'s.

    Raises:
        LockFileError: the file cannot be read, or is no lock file.
    """

    def __init__(
        self,
        namespace: str,
        path: str | os.PathLike[str],
        *,
        trust: Trust | str = Trust.SIGNED,
        trusted_modules: Iterable[str] = (),
        home_package: str | None = None,
        describe: Callable[[str, Any], Mapping[str, str]] | None = None,
    ) -> None:
        self.namespace = namespace
        self.path = os.path.abspath(path)
        self._said = read_lock(path).get(namespace, {})
        policy = TrustPolicy(trust, trusted_modules=trusted_modules, home_package=home_package)
        self._codec = EnvelopeCodec(policy)
        self._describe = describe
        self._shared: dict[str, _Decoded] = {}
        self._view: View[str, V] = View({})

    @property
    def location(self) -> str:
        return f"{self.namespace} in {self.path}"

    @property
    def view(self) -> View[str, V]:
        return self._view

    @property
    def declared(self) -> Declared:
        """What a registry finds beside this: aliases of this process, and nothing that is not frozen."""
        return _NothingBeside()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.namespace!r}, {self.path!r})"

    def __reduce__(self) -> Any:
        policy = self._codec.policy
        options = {
            "trust": policy.level,
            "trusted_modules": policy.trusted_modules,
            "home_package": policy.home_package,
            "describe": self._describe,
        }
        return _rebuild, (type(self), self.namespace, self.path, options)

    # ---- read

    def changes(self, since: str | None = None, *, timeout: float | None = None) -> Changes:
        raise ValidationError(
            f"Nothing changes in {self.location}: it is read from a lock file",
            suggestions=["watch the registry itself: without frozen=, and without REGISTRY_FROZEN"],
            context={"namespace": self.namespace, "path": self.path},
        )

    def entry(self, key: str) -> Locked:
        """The entry as it was frozen, its value not decoded.

        Raises:
            RegistryError: there is none.
            LockFileError: it was changed in the file.
        """
        said = self._said.get(check_key(key))
        if said is None:
            raise self._missing(key)
        return opened(self.path, self.namespace, key, said)

    def entries(self, prefix: str = "") -> Iterator[Locked]:
        """The entries that begin with ``prefix``, in the order of their creation, no value decoded."""
        return (self.entry(key) for key in self._said if key.startswith(prefix))

    def __getitem__(self, key: str) -> V:
        found = self._found(key)
        is_alias = type(found) is Alias
        value: V = follow(self, key, found, 0) if is_alias else found
        if (found.target if is_alias else key) in self._shared:
            self._view.table[key] = value  # type: ignore[index]  # nothing here ever changes
        return value

    def _found(self, key: str, suggest: int = 0) -> Any:
        """The value of an entry; an alias as such."""
        if (known := self._shared.get(key)) is not None:
            return known.value
        envelope = self.entry(key).envelope
        value = self._codec.decode(envelope, namespace=self.namespace, key=key)
        if (deprecation := Deprecation.of_meta(envelope.meta)) is not None:
            warn_once(self.location, key, deprecation)
        if is_alias(envelope):
            return read(envelope, key=key, policy=self._codec.policy)
        return self._shared.setdefault(key, _Decoded(value)).value if may_be_shared(envelope) else value

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except RegistryError:
            return default

    def __contains__(self, key: object) -> bool:
        return key in self._said

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._said))

    def __len__(self) -> int:
        return len(self._said)

    def snapshot(self) -> Iterator[tuple[str, V]]:
        return ((key, self[key]) for key in self._said)

    def near_names(self, key: object) -> list[str]:
        return near_names(key, self._said) if isinstance(key, str) else []

    def keys_of(self, value: V) -> list[str]:
        return [stored.key for stored in self.entries() if self._is(stored.envelope, stored.key, value)]

    # ---- what would write

    def claim(self, key: str, value: V) -> Claim:
        return self.claim_many({key: self.prepare(key, value)})[key]

    def prepare(self, key: str, value: V) -> Any:
        """``value`` itself, if it is what stands under ``key``."""
        if key not in self._said:
            self.check_writable(key)
        locked = self.entry(key)
        if not self._is(locked.envelope, key, value):
            raise _other(self, locked)
        return value

    def claim_many(
        self, prepared: Mapping[str, Any], *, progress: Progress = no_progress
    ) -> dict[str, Claim]:
        return {key: Claim(False, self.entry(key).digest, same=True) for key in prepared}

    def replace(self, key: str, value: V, version: Any) -> Claim:
        self.check_writable(key)

    def __setitem__(self, key: str, value: V) -> None:
        self.check_writable(key)

    def __delitem__(self, key: str) -> None:
        self.check_writable(key)

    def pop(self, key: str, default: Any = None) -> Any:
        self.check_writable(key)

    def popitem(self) -> tuple[str, V]:
        self.check_writable(None)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self.check_writable(key)

    def update(self, other: Any = (), /, **keywords: Any) -> None:
        self.check_writable(None)

    def clear(self) -> None:
        self.check_writable(None)

    def check_writable(self, key: object) -> NoReturn:
        """Raise: nothing is written to a lock file by a registry.

        Raises:
            FrozenError: always.
        """
        what = f"{key!r} in {self.location}" if key is not None else self.location
        raise FrozenError(
            f"{what} is frozen, and cannot be written",
            suggestions=[
                "leave frozen= (or REGISTRY_FROZEN) out to write to the server",
                f"then freeze anew: registry freeze {self.namespace} -o {os.path.basename(self.path)}",
            ],
            context={"key": key, "namespace": self.namespace, "path": self.path},
        )

    def _encode(self, key: str, value: V) -> Envelope:
        return self._codec.encode(value, namespace=self.namespace, key=key, meta=_identity_meta(value))

    def _holds(self, stored: Locked, offered: Envelope) -> bool:
        return is_same(stored.digest, stored.envelope.meta or {}, offered)

    def _is(self, envelope: Envelope, key: str, value: V) -> bool:
        """Whether ``value`` is what was frozen: by identity, which needs no key, else by content."""
        identity = (envelope.meta or {}).get("identity")
        if callable(value) and identity is not None:
            return identity == identity_of(value)
        try:
            return not is_alias(envelope) and self._encode(key, value).digest == envelope.digest
        except SerializationError:
            return False


class _NothingBeside(Declared):
    """For a frozen registry: names that lead to what is frozen, and no way past it."""

    def add_lazy(self, cls: type[Registry[Any]], key: Hashable, target: Target) -> None:
        storage = cls._storage()
        if key not in storage and isinstance(storage, FrozenStorage):
            storage.check_writable(key)
        super().add_lazy(cls, key, target)


def _identity_meta(value: object) -> dict[str, str]:
    identity = identity_of(value) if callable(value) else None
    return {} if identity is None else {"identity": identity}


def _other(storage: FrozenStorage[Any], locked: Locked) -> FrozenError:
    owner = (locked.envelope.meta or {}).get("origin") or "another value"
    return FrozenError(
        f"{locked.key!r} in {storage.location} is frozen as {owner}, and what is offered now is not that",
        suggestions=[
            "go back to the code that was frozen",
            "leave frozen= (or REGISTRY_FROZEN) out, and freeze anew",
        ],
        context={
            "key": locked.key,
            "namespace": storage.namespace,
            "path": storage.path,
            "frozen": locked.digest,
        },
    )


def _rebuild(
    kind: type[FrozenStorage[Any]], namespace: str, path: str, options: dict[str, Any]
) -> FrozenStorage[Any]:
    return kind(namespace, path, **options)
