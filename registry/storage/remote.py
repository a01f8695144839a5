"""A namespace on a registry server, as a mapping: the library's promises around the generated client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import httpx

from registry.envelope.codec import EnvelopeCodec, may_be_shared
from registry.envelope.form import Envelope
from registry.envelope.signing import key_id_of
from registry.envelope.trust import Trust, TrustPolicy
from registry.errors import PreconditionFailedError, RegistryError
from registry.identity import identity_of
from registry.names import check_key, check_namespace
from registry.origin import origin_of
from registry.storage import bulk
from registry.storage.base import PRESENT, Claim, Progress, Storage, as_items, no_progress
from registry.storage.connection import Address, Connection
from registry_client.api.entries import (
    contains_entry,
    count_entries,
    delete_entry,
    get_entry,
    list_keys,
    set_entry,
)
from registry_client.api.namespaces import clear_namespace
from registry_client.models import (
    EntryAnswer,
    KeyEnvelope,
    SetEntryRequest,
    SetEntryResult,
)
from registry_client.models import Envelope as WireEnvelope
from registry_client.types import UNSET

if TYPE_CHECKING:
    from registry.watching.changes import Changes

V = TypeVar("V")
_MISSING: Any = object()
_GONE: Any = object()

NEAR_NAMES = 3
_SHARED_VALUES = 1_024


class Stored(NamedTuple):
    """An entry as the server has it, its value not decoded.

    Attributes:
        key: its key.
        envelope: its value as it travels; ``meta`` tells kind, module, origin.
        revision: the number of its last change in the namespace.
        etag: its version, for a conditional write.
        digest: the envelope's digest, as the server says.
        updated_at: RFC 3339 time of its last change.
    """

    key: str
    envelope: Envelope
    revision: int
    etag: str
    digest: str
    updated_at: str


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
        given. url: ``http://host:port`` in place of host and port; ``REGISTRY_SERVER_URL`` is asked before
        theirs. token: bearer token; ``REGISTRY_SERVER_TOKEN`` unless given. trust: what may be decoded:
        ``json``, ``refs``, ``signed`` or ``unsafe``; see ``docs/trust.md``. trusted_modules: modules into
        which unsigned references are followed. home_package: the package of whoever made this, trusted at
        ``refs``. describe: what else a key and its value say of themselves in the envelope's ``meta``.

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
        url: str | None = None,
        token: str | None = None,
        trust: Trust | str = Trust.SIGNED,
        trusted_modules: Iterable[str] = (),
        home_package: str | None = None,
        describe: Callable[[str, Any], Mapping[str, str]] | None = None,
    ) -> None:
        self.namespace = check_namespace(namespace)
        self._connection = Connection(Address(host, port, timeout, url), token)
        policy = TrustPolicy(trust, trusted_modules=trusted_modules, home_package=home_package)
        self._codec = EnvelopeCodec(policy)
        self._describe = describe
        self._shared: dict[str, _Shared] = {}

    # ---- where it is

    @property
    def url(self) -> str:
        """The server's base URL, without a slash at the end."""
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
        return f"{self.namespace} at {self.url}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.namespace!r}, url={self.url!r})"

    def __reduce__(self) -> Any:
        policy = self._codec.policy
        options = {
            "trust": policy.level,
            "trusted_modules": policy.trusted_modules,
            "home_package": policy.home_package,
            "describe": self._describe,
        }
        return _rebuild, (type(self), self.namespace, self._connection.address, options)

    # ---- single entries

    def __getitem__(self, key: str) -> V:
        value: V = self._read(key, suggest=NEAR_NAMES)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or ``default`` if there is none; whatever else goes wrong is raised."""
        try:
            return self._read(key, suggest=0)
        except RegistryError:
            return default

    def entry(self, key: str) -> Stored:
        """The entry as the server has it, its value not decoded."""
        return self._entry(check_key(key), suggest=NEAR_NAMES)

    def _entry(self, key: str, *, suggest: Any) -> Stored:
        answer = cast(EntryAnswer, self._call(get_entry, key=key, suggest=suggest))
        return Stored(
            key,
            _envelope_of(answer.value),
            answer.revision,
            answer.etag,
            answer.digest,
            _timestamp(answer.updated_at),
        )

    def __setitem__(self, key: str, value: V) -> None:
        self._set(key, self._encode(key, value))

    def __delitem__(self, key: str) -> None:
        self._call(delete_entry, key=check_key(key))

    def __contains__(self, key: object) -> bool:
        return bool(self._call(contains_entry, key=check_key(key)).contains)

    def __len__(self) -> int:
        return int(self._call(count_entries).length)

    def __bool__(self) -> bool:
        return True  # asking whether there is a storage must not ask a server

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Remove the entry and return its value; of racing callers exactly one gets it."""
        key = check_key(key)
        while True:
            try:
                stored = self._entry(key, suggest=NEAR_NAMES if default is _MISSING else UNSET)
            except RegistryError:
                if default is _MISSING:
                    raise
                return default
            value = self._decode(key, stored.envelope)
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
        envelope = self._encode(key, value)
        try:
            result = self._set(key, envelope, if_none_match="*")
        except PreconditionFailedError as failure:
            return self._own_or_lost(failure, envelope)
        return Claim(True, result.etag)

    def replace(self, key: str, value: V, version: Any) -> Claim:
        envelope = self._encode(key, value)
        try:
            result = self._set(key, envelope, if_match="*" if version is PRESENT else f'"{version}"')
        except PreconditionFailedError as failure:
            return self._own_or_lost(failure, envelope)
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
        return [
            key
            for page in self._connection.pages(list_keys, self.namespace, prefix=prefix)
            for key in page.keys
        ]

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
                yield item["key"], self._decode(item["key"], Envelope.unread(item["value"]))

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
        return found

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
                    claims[key] = self._lost(outcome.get("current"), prepared[key])
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
            if _is_same(stored.digest, stored.envelope.meta or {}, offered)
        ]

    def changes(self, since: str | None = None, *, timeout: float | None = None) -> Changes:
        from registry.storage.watched import RemoteSource
        from registry.watching.changes import Changes

        return Changes(RemoteSource(self), since, timeout=timeout)

    def near_names(self, key: object) -> list[str]:
        try:
            self._call(get_entry, key=check_key(key), suggest=NEAR_NAMES)
        except RegistryError as error:
            return error.suggestions
        return []

    # ---- what a lost condition tells

    def _own_or_lost(self, failure: PreconditionFailedError, offered: Envelope) -> Claim:
        """The claim whose condition failed; won after all if only the answer to its success was lost."""
        current = failure.context["current"]
        if failure.context["repeated"] and current is not None and current["digest"] == offered.digest:
            return Claim(True, current["etag"])
        return self._lost(current, offered)

    def _lost(self, current: dict[str, Any] | None, offered: Envelope) -> Claim:
        """The claim that ``offered`` lost to the entry that the server tells of."""
        if current is None:
            return Claim(False, None)
        meta = current.get("meta") or {}
        owner = meta.get("origin") or "a JSON value"
        same = _is_same(current["digest"], meta, offered)
        if same and not self._is_vouched_for(current.get("signature"), offered):
            # Our readers refuse what stands there, so leaving it in place would not register anything.
            return Claim(False, current["etag"], owner=f"{owner}, signed with a key that is not held here")
        return Claim(False, current["etag"], same=same, owner=owner)

    def _is_vouched_for(self, signature: str | None, offered: Envelope) -> bool:
        """Whether readers who accept ``offered`` would accept an equal envelope that is signed like this."""
        if offered.signature is None:
            return True
        keyring = self._codec.policy.keyring()
        return signature is not None and keyring is not None and key_id_of(signature) in keyring

    # ---- the way to the server and back

    def _read(self, key: str, *, suggest: int) -> Any:
        key = check_key(key)
        known = self._shared.get(key)
        answer = self._call(
            get_entry,
            key=key,
            suggest=suggest or UNSET,
            if_none_match=f'"{known.etag}"' if known else UNSET,
        )
        if answer is None:  # 304: what we hold is what the server has
            return cast(_Shared, known).value
        return self._decoded(key, _envelope_of(answer.value), answer.etag)

    def _decoded(self, key: str, envelope: Envelope, etag: str) -> Any:
        """The value of an envelope that was just read; a function or class is decoded once."""
        known = self._shared.get(key)
        value = (
            known.value if known is not None and known.envelope == envelope else self._decode(key, envelope)
        )
        if may_be_shared(envelope):
            self._share(key, _Shared(etag, envelope, value))
        return value

    def _share(self, key: str, shared: _Shared) -> None:
        # Steps that need no lock: one held at the moment of a fork would stay taken in the child.
        self._shared.pop(key, None)
        self._shared[key] = shared
        while len(self._shared) > _SHARED_VALUES:
            with suppress(StopIteration, RuntimeError):  # another thread was here first
                self._shared.pop(next(iter(self._shared)), None)

    def _decode(self, key: str, envelope: Envelope) -> Any:
        return self._codec.decode(envelope, namespace=self.namespace, key=key)

    def _encode(self, key: str, value: object) -> Envelope:
        key = check_key(key)
        meta = _meta_of(value)
        if self._describe is not None:
            meta |= self._describe(key, value)
        return self._codec.encode(value, namespace=self.namespace, key=key, meta=meta)

    def _set(self, key: str, envelope: Envelope, **conditions: Any) -> SetEntryResult:
        body = SetEntryRequest(key=_key_envelope(key), value=_wire(envelope))
        return cast(SetEntryResult, self._call(set_entry, body=body, **conditions))

    def _call(self, operation: Any, **arguments: Any) -> Any:
        return self._connection.call(operation, self.namespace, **arguments)


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
    identity = identity_of(value)
    return meta if identity is None else {**meta, "identity": identity}


def _timestamp(moment: datetime) -> str:
    """As the server wrote it; the generated client reads times of day into objects."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _key_envelope(key: str) -> KeyEnvelope:
    return KeyEnvelope(type_="json", data=json.dumps(key, ensure_ascii=False), encoding="json")


def _wire(envelope: Envelope) -> WireEnvelope:
    return WireEnvelope.from_dict(envelope.to_dict())


def _envelope_of(wire: WireEnvelope) -> Envelope:
    return Envelope.from_dict(wire.to_dict())


def _is_same(digest: str, meta: Mapping[str, str], offered: Envelope) -> bool:
    identity = (offered.meta or {}).get("identity")
    return digest == offered.digest or (identity is not None and meta.get("identity") == identity)
