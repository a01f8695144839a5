"""A namespace on a registry server, as a mapping: the library's promises around the generated client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import httpx

from registry.envelope.codec import EnvelopeCodec, may_be_shared
from registry.envelope.form import Envelope
from registry.envelope.trust import Trust, TrustPolicy
from registry.errors import PreconditionFailedError, RegistryError
from registry.identity import identity_of
from registry.names import check_key, check_namespace
from registry.origin import origin_of
from registry.steps import Ask, Steps, finish, finish_awaiting
from registry.storage import bulk
from registry.storage.base import PRESENT, Claim, Progress, Storage, as_items, no_progress
from registry.storage.claims import holds, is_same, lost, own_or_lost
from registry.storage.connection import Address, Connection
from registry.storage.servers import as_setting
from registry.storage.stored import Stored, envelope_of, set_request, stored_of
from registry.versions.aliases import Alias, following, is_alias, read
from registry.versions.deprecation import Deprecation, deprecation_of, warn_once
from registry_client.api.entries import (
    contains_entry,
    count_entries,
    delete_entry,
    get_entry,
    list_items,
    list_keys,
    set_entry,
)
from registry_client.api.namespaces import clear_namespace
from registry_client.models import (
    SetEntryResult,
)
from registry_client.types import UNSET

if TYPE_CHECKING:
    from registry.watching.changes import Changes

V = TypeVar("V")
_MISSING: Any = object()
_GONE: Any = object()

NEAR_NAMES = 3
_SHARED_VALUES = 1_024


class _Shared(NamedTuple):
    etag: str
    envelope: Envelope
    value: Any


class RemoteStorageProxy(Storage[str, V]):
    """The entries of one namespace on a registry server.

    A mapping whose every operation is one request, but for iteration (one for each 1,000 entries) and
    `update` (one for each 1,000). Nothing connects before the first of them. Safe to use from several
    threads; after a fork the child makes its own connections. Pickles by its settings, without the token.

    A function or class is decoded once and revalidated on each read; JSON values are decoded afresh for each
    reader, so that nobody changes another's.

    Args:
        namespace: dot-delimited letters and digits, ``research.losses``.
        host: the server's name; ``REGISTRY_SERVER_HOST`` or ``localhost`` unless given.
        port: its port; ``REGISTRY_SERVER_PORT`` or 8001 unless given.
        timeout: seconds for a whole operation; ``REGISTRY_SERVER_TIMEOUT``, read at each call, or 5 unless
            given.
        url: ``http://host:port`` in place of host and port, or those of several servers of one store, with
            commas or as a list: a call that one does not answer goes to the next. ``REGISTRY_SERVER_URL`` is
            asked before theirs.
        token: bearer token; ``REGISTRY_SERVER_TOKEN`` unless given.
        trust: what may be decoded: ``json``, ``refs``, ``signed`` or ``unsafe``; see ``docs/trust.md``.
        trusted_modules: modules into which unsigned references are followed.
        home_package: the package of whoever made this, trusted at ``refs``.
        describe: what else a key and its value say of themselves in the envelope's ``meta``.

    Raises:
        NamespaceError: not a namespace.
    """

    def __init__(
        self,
        namespace: str,
        host: str | None = None,
        port: int | None = None,
        timeout: float | None = None,
        *,
        url: str | Iterable[str] | None = None,
        token: str | None = None,
        trust: Trust | str = Trust.SIGNED,
        trusted_modules: Iterable[str] = (),
        home_package: str | None = None,
        describe: Callable[[str, Any], Mapping[str, str]] | None = None,
    ) -> None:
        self.namespace = check_namespace(namespace)
        self._connection = Connection(Address(host, port, timeout, as_setting(url)), token)
        policy = TrustPolicy(trust, trusted_modules=trusted_modules, home_package=home_package)
        self._codec = EnvelopeCodec(policy)
        self._describe = describe
        self._shared: dict[str, _Shared] = {}

    # ---- where it is

    @property
    def url(self) -> str:
        """The server's base URL, without a slash at the end; of several, the one that is asked now."""
        return self._connection.url

    @property
    def host(self) -> str:
        """The server's name or address."""
        return httpx.URL(self.url).host

    @property
    def port(self) -> int:
        """The server's port."""
        url = httpx.URL(self.url)
        return url.port or (443 if url.scheme == "https" else 80)

    @property
    def timeout(self) -> float:
        """Seconds that an operation may take."""
        return self._connection.timeout

    @property
    def location(self) -> str:
        return f"{self.namespace} at {self._connection.servers}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.namespace!r}, url={self._connection.servers.text!r})"

    def __reduce__(self) -> Any:
        policy = self._codec.policy
        options = {
            "trust": policy.level,
            "trusted_modules": policy.trusted_modules,
            "home_package": policy.home_package,
            "describe": self._describe,
        }
        return _rebuild, (type(self), self.namespace, self._connection.address, options)

    @property
    def address(self) -> Address:
        """Where the server is, as far as it was given; the environment says the rest."""
        return self._connection.address

    @property
    def policy(self) -> TrustPolicy:
        """What may be decoded of what the server has."""
        return self._codec.policy

    # ---- single entries

    def __getitem__(self, key: str) -> V:
        value: V = finish(self._reading(key))
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or ``default`` if there is none; whatever else goes wrong is raised."""
        return finish(self._getting(key, default))

    def _getting(self, key: str, default: Any) -> Steps[Any]:
        try:
            return (yield from self._reading(key, 0))
        except RegistryError:
            return default

    def entry(self, key: str) -> Stored:
        """The entry as the server has it, its value not decoded."""
        return finish(self._entering(key))

    def _entering(self, key: str, suggest: Any = NEAR_NAMES) -> Steps[Stored]:
        answer = yield self._ask(get_entry, key=check_key(key), suggest=suggest)
        return stored_of(key, answer)

    def __setitem__(self, key: str, value: V) -> None:
        self._set(key, self._encode(key, value))

    def __delitem__(self, key: str) -> None:
        self._call(delete_entry, key=check_key(key))

    def __contains__(self, key: object) -> bool:
        return finish(self._containing(key))

    def _containing(self, key: object) -> Steps[bool]:
        answer = yield self._ask(contains_entry, key=check_key(key))
        return bool(answer.contains)

    def __len__(self) -> int:
        return int(self._call(count_entries).length)

    def __bool__(self) -> bool:
        return True  # asking whether there is a storage must not ask a server

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Remove the entry and return its value; of racing callers exactly one gets it."""
        key = check_key(key)
        while True:
            try:
                stored = finish(self._entering(key, NEAR_NAMES if default is _MISSING else UNSET))
            except RegistryError:
                if default is _MISSING:
                    raise
                return default
            value = self._value(key, stored.envelope)
            try:
                self._call(delete_entry, key=key, if_match=f'"{stored.etag}"')
            except PreconditionFailedError:
                continue  # somebody replaced it in between; what they wrote is what is popped
            return value

    def popitem(self) -> tuple[str, V]:
        """Remove and return the newest pair; `KeyError` where there is none."""
        while True:
            keys = list(self)
            if not keys:
                raise self._empty()
            value = self.pop(keys[-1], _GONE)
            if value is not _GONE:
                return keys[-1], value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value, after storing ``default`` where there is none."""
        return default if self.claim(key, default).won else self[key]

    def claim(self, key: str, value: V) -> Claim:
        return finish(self._claiming(key, value))

    def _claiming(self, key: str, value: V) -> Steps[Claim]:
        return self._writing(key, self._encode(key, value), if_none_match="*")

    def replace(self, key: str, value: V, version: Any) -> Claim:
        return finish(self._replacing(key, value, version))

    def _replacing(self, key: str, value: V, version: Any) -> Steps[Claim]:
        condition = "*" if version is PRESENT else f'"{version}"'
        return self._writing(key, self._encode(key, value), if_match=condition)

    def _writing(self, key: str, envelope: Envelope, **condition: str) -> Steps[Claim]:
        try:
            result = yield self._ask(set_entry, body=set_request(key, envelope), **condition)
        except PreconditionFailedError as failure:
            return own_or_lost(failure, envelope, self.policy, replaces="if_match" in condition)
        return Claim(True, result.etag)

    def resign(self, key: str) -> None:
        """Sign the entry again with the key that signs now, unless somebody replaces it meanwhile.

        Raises:
            RegistryError: there is no such entry.
            SignatureError: no key held here has signed it, so it is not vouched for again.
        """
        stored = self.entry(key)
        envelope = self._codec.resign(stored.envelope, namespace=self.namespace, key=key)
        with suppress(PreconditionFailedError):
            self._set(key, envelope, if_match=f'"{stored.etag}"')

    # ---- many entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self, prefix: str = "") -> list[str]:
        """The keys that begin with ``prefix``, in creation order."""
        return finish(self._listing(prefix))

    def _listing(self, prefix: str = "") -> Steps[list[str]]:
        keys: list[str] = []
        page: Any = UNSET
        while page is not None:
            turning = self._connection.turning(list_keys, self.namespace, prefix=prefix, page=page)
            listing, page = yield from turning
            keys += listing.keys
        return keys

    def entries(self, prefix: str = "") -> Iterator[Stored]:
        """The entries that begin with ``prefix``, in creation order, no value decoded."""
        for page in bulk.pages(self._connection, self.namespace, prefix):
            for item in page["items"]:
                envelope = Envelope.from_dict(item["value"])
                about = item["revision"], item["etag"], item["digest"], item["updated_at"]
                yield Stored(item["key"], envelope, *about)

    def snapshot(self) -> Iterator[tuple[str, V]]:
        """The pairs, in creation order; one that may not be decoded raises when its turn comes."""
        for page in bulk.pages(self._connection, self.namespace):
            for item in page["items"]:
                value = self._decode(item["key"], Envelope.unread(item["value"]))
                yield item["key"], self._followed_alias(item["key"], value)

    def _page_of_entries(self, prefix: str = "", page: Any = UNSET) -> Steps[tuple[Iterator[Stored], Any]]:
        turning = self._connection.turning(list_items, self.namespace, prefix=prefix, page=page)
        listing, page = yield from turning
        return (stored_of(entry.key, entry) for entry in listing.items), page

    def update(self, other: Any = (), /, **keywords: Any) -> None:
        """Store all pairs, in their order, 1,000 a request; each request is one transaction."""
        self.set_many(as_items(other, keywords))

    def set_many(self, items: Mapping[str, V], *, progress: Progress = no_progress) -> None:
        envelopes = {check_key(key): self._encode(key, value) for key, value in items.items()}
        done = 0
        for keys, _ in bulk.set_many(self._connection, self.namespace, envelopes):
            progress(done := done + len(keys), len(envelopes))

    def get_many(self, keys: Iterable[str]) -> dict[str, V]:
        wanted = [check_key(key) for key in dict.fromkeys(keys)]
        held = {key: known for key in wanted if (known := self._shared.get(key)) is not None}
        versions = {key: known.etag for key, known in held.items()}
        found: dict[str, V] = {}
        for key, outcome in bulk.get_many(self._connection, self.namespace, wanted, versions):
            if outcome["outcome"] == "unchanged":
                found[key] = held[key].value
            elif outcome["outcome"] != "missing":
                found[key] = self._decoded(key, Envelope.unread(outcome["value"]), outcome["etag"])
        return {key: self._followed_alias(key, value) for key, value in found.items()}

    def _followed_alias(self, key: str, value: Any) -> Any:
        """``value``, or what it leads to where it is an alias."""
        return finish(following(self, key, value, NEAR_NAMES)) if type(value) is Alias else value

    def delete_many(self, keys: Iterable[str], *, progress: Progress = no_progress) -> list[str]:
        doomed = [check_key(key) for key in dict.fromkeys(keys)]
        missing: list[str] = []
        done = 0
        for asked, outcomes in bulk.delete_many(self._connection, self.namespace, doomed):
            pairs = zip(asked, outcomes, strict=True)
            missing += [key for key, outcome in pairs if outcome["outcome"] == "missing"]
            progress(done := done + len(asked), len(doomed))
        return missing

    def prepare(self, key: str, value: V) -> Envelope:
        return self._encode(key, value)

    def claim_many(
        self, prepared: Mapping[str, Envelope], *, progress: Progress = no_progress
    ) -> dict[str, Claim]:
        claims: dict[str, Claim] = {}
        for keys, outcomes in bulk.set_many(self._connection, self.namespace, prepared, absent=True):
            for key, outcome in zip(keys, outcomes, strict=True):
                if outcome["outcome"] == "refused":
                    claims[key] = lost(outcome.get("current"), prepared[key], self.policy)
                else:
                    claims[key] = Claim(True, outcome["etag"])
            progress(len(claims), len(prepared))
        return claims

    def clear(self) -> None:
        self._call(clear_namespace)

    def keys_of(self, value: V) -> list[str]:
        # A signature is over the key too, so what is compared is the content and the identity alone.
        offered = self._codec.encode(value, namespace=self.namespace, key="?", meta=_meta_of(value))
        return [
            stored.key
            for stored in self.entries()
            if is_same(stored.digest, stored.envelope.meta or {}, offered)
        ]

    def changes(self, since: str | None = None, *, timeout: float | None = None) -> Changes:
        from registry.storage.watched import RemoteSource
        from registry.watching.changes import Changes

        return Changes(RemoteSource(self), since, timeout=timeout)

    def near_names(self, key: object) -> list[str]:
        return finish(self._offering(key))

    def _offering(self, key: object) -> Steps[list[str]]:
        try:
            yield self._ask(get_entry, key=check_key(key), suggest=NEAR_NAMES)
        except RegistryError as error:
            return error.suggestions
        return []

    def _holds(self, stored: Stored, offered: Envelope) -> bool:
        return holds(stored, offered, self.policy)

    # ---- the way to the server and back

    async def awaiting(self, method: str, *arguments: Any) -> Any:
        """One of the methods of `_STEPS`, awaited."""
        return await finish_awaiting(getattr(self, _STEPS[method])(*arguments))

    def _reading(self, key: str, suggest: int = NEAR_NAMES) -> Steps[Any]:
        found = yield from self._finding(key, suggest)
        if type(found) is Alias:
            found = yield from following(self, key, found, suggest)
        return found

    def _found(self, key: str, suggest: int) -> Any:
        return finish(self._finding(key, suggest))

    def _finding(self, key: str, suggest: int) -> Steps[Any]:
        """The value of an entry; an alias as such."""
        key = check_key(key)
        known = self._shared.get(key)
        answer = yield self._ask(
            get_entry,
            key=key,
            suggest=suggest or UNSET,
            if_none_match=f'"{known.etag}"' if known else UNSET,
        )
        if answer is None:  # 304: what we hold is what the server has
            return cast(_Shared, known).value
        return self._decoded(key, envelope_of(answer.value), answer.etag)

    def _decoded(self, key: str, envelope: Envelope, etag: str) -> Any:
        """The value of an envelope that was just read, an alias as such; what may be shared is kept."""
        known = self._shared.get(key)
        if known is not None and known.envelope == envelope:
            value = known.value
        else:
            value = self._decode(key, envelope)
            if (deprecation := Deprecation.of_meta(envelope.meta)) is not None:
                warn_once(self.location, key, deprecation)
        if type(value) is Alias or may_be_shared(envelope):
            self._share(key, _Shared(etag, envelope, value))
        return value

    def _share(self, key: str, shared: _Shared) -> None:
        # Steps that need no lock: one held at the moment of a fork would stay taken in the child.
        self._shared.pop(key, None)
        self._shared[key] = shared
        while len(self._shared) > _SHARED_VALUES:
            with suppress(StopIteration, RuntimeError):  # another thread was here first
                self._shared.pop(next(iter(self._shared)), None)

    def _value(self, key: str, envelope: Envelope) -> Any:
        return finish(self._valuing(key, envelope))

    def _valuing(self, key: str, envelope: Envelope) -> Steps[Any]:
        value = self._decode(key, envelope)
        if type(value) is Alias:
            value = yield from following(self, key, value, NEAR_NAMES)
        return value

    def _decode(self, key: str, envelope: Envelope) -> Any:
        """The value of an envelope; an alias as such."""
        value = self._codec.decode(envelope, namespace=self.namespace, key=key)
        return read(envelope, key=key, policy=self._codec.policy) if is_alias(envelope) else value

    def _encode(self, key: str, value: object) -> Envelope:
        key = check_key(key)
        meta = _meta_of(value)
        if self._describe is not None:
            meta |= self._describe(key, value)
        return self._codec.encode(value, namespace=self.namespace, key=key, meta=meta)

    def _set(self, key: str, envelope: Envelope, **conditions: Any) -> SetEntryResult:
        return cast(SetEntryResult, self._call(set_entry, body=set_request(key, envelope), **conditions))

    def _call(self, operation: Any, **arguments: Any) -> Any:
        return self._connection.call(operation, self.namespace, **arguments)

    def _ask(self, operation: Any, **arguments: Any) -> Ask:
        return Ask(self._connection, "call", (operation, self.namespace), arguments)


_STEPS: Final = {
    "__getitem__": "_reading",
    "get": "_getting",
    "__contains__": "_containing",
    "claim": "_claiming",
    "replace": "_replacing",
    "near_names": "_offering",
    "__iter__": "_listing",
    "entry": "_entering",
    "_found": "_finding",
    "_value": "_valuing",
    "_page_of_entries": "_page_of_entries",
}


def _rebuild(
    kind: type[RemoteStorageProxy[Any]], namespace: str, address: Address, options: dict[str, Any]
) -> RemoteStorageProxy[Any]:
    host, port, timeout, url = address
    return kind(namespace, host, port, timeout, url=url, **options)


def _meta_of(value: object) -> dict[str, str]:
    """What tells readers and racing writers apart from the value: for code only, JSON speaks for itself."""
    if not callable(value):
        return {}
    meta = {"origin": str(origin_of(value))}
    if (deprecation := deprecation_of(value)) is not None:
        meta |= deprecation.to_meta()
    identity = identity_of(value)
    return meta if identity is None else {**meta, "identity": identity}
