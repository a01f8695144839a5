"""Shared aliases: entries that say which name they lead to, and how they came to it.

An entry is an alias where its envelope is of type ``json`` and its ``meta`` has ``kind: alias``; a value
never makes it one, and registering a value never writes that ``meta``. The value is::

    {"target": "mse@2", "history": [{"at": ..., "by": ..., "from": "mse@1", "to": "mse@2"}, ...]}

with the newest of at most `MAX_MOVES` moves last. An alias leads to an artifact of its own namespace, never
to another alias, so there are no circles to follow. It is signed where its mover has a key. One that is not
signed by a held key is worth what an unsigned value is: what it leads to counts as unsigned too, as
otherwise whoever can write to the server could have one signed function answer in the place of another.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from registry.envelope.form import Envelope, parse_json
from registry.envelope.signing import key_id_of
from registry.envelope.trust import Trust, TrustPolicy, admit
from registry.errors import (
    AliasError,
    CoercionError,
    DuplicateKeyError,
    MalformedEnvelopeError,
    PreconditionFailedError,
    RegistryError,
    SignatureMissingError,
)
from registry.names import check_key
from registry.steps import Ask, Steps, finish
from registry.storage.claims import own_or_lost
from registry.versions.deprecation import META_NAME
from registry.versions.numbers import is_version

if TYPE_CHECKING:
    from registry.storage.remote import RemoteStorageProxy
    from registry.storage.stored import Stored

MAX_MOVES: Final = 100
"""How many moves an alias remembers; older ones are forgotten."""

MAX_WHO: Final = 200
"""Longest ``by``, in characters."""


class Move(NamedTuple):
    """One move of an alias.

    Attributes:
        at: when, RFC 3339 in UTC, by the clock of whoever moved it.
        by: who, as they say: ``user@host`` unless they said otherwise.
        previous: what it led to before; None where this made it.
        target: what it led to from then on.
    """

    at: str
    by: str
    previous: str | None
    target: str


class Alias(NamedTuple):
    """A shared alias as it was when it was read.

    Attributes:
        target: the name it leads to.
        history: its moves, the newest last, at most `MAX_MOVES`.
        is_vouched_for: whether a key that is held here has signed it.
    """

    target: str
    history: tuple[Move, ...] = ()
    is_vouched_for: bool = False


def is_alias(envelope: Envelope) -> bool:
    """Whether an entry is an alias; its value is not looked at."""
    return envelope.type == "json" and (envelope.meta or {}).get("kind") == "alias"


def target_of(envelope: Envelope) -> str:
    """The name an alias leads to, for listings; empty where its value does not say."""
    try:
        return read(envelope, key="").target
    except AliasError:
        return ""


def read(envelope: Envelope, *, key: str, policy: TrustPolicy | None = None) -> Alias:
    """The alias that an entry is; its signature, if it has one, has been checked.

    Raises:
        AliasError: its value is not that of an alias.
    """
    try:
        value = parse_json(envelope.data)
        history = tuple(Move(move["at"], move["by"], move["from"], move["to"]) for move in value["history"])
        target = check_key(value["target"])
    except (MalformedEnvelopeError, CoercionError, KeyError, TypeError, IndexError) as error:
        raise AliasError(
            f"{key!r} says that it is an alias, and its value is none ({type(error).__name__})",
            suggestions=[f"remove {key!r}, and move the alias anew"],
            context={"alias": key},
        ) from None
    return Alias(target, history, policy is not None and _is_vouched_for(envelope, policy))


def _is_vouched_for(envelope: Envelope, policy: TrustPolicy) -> bool:
    """Whether the signature, which is not a wrong one, is by a held key."""
    if envelope.signature is None or policy.level is Trust.JSON:
        return False
    keyring = policy.keyring()
    return keyring is not None and key_id_of(envelope.signature) in keyring


# ---- look up


def follow(storage: Any, key: str, alias: Alias, suggest: int) -> Any:
    """`following`, called."""
    return finish(following(storage, key, alias, suggest))


def following(storage: Any, key: str, alias: Alias, suggest: int) -> Steps[Any]:
    """The value behind an alias, its envelope checked under the name that it stands under.

    One request, and none where the target is a version whose function or class is known here: versions do
    not change.

    Raises:
        RegistryError: it leads to a name that is missing.
        AliasError: it leads to an alias.
        UntrustedError: what it leads to may not be decoded here, or not behind this alias.
    """
    known = storage._shared.get(alias.target) if alias.is_vouched_for and is_version(alias.target) else None
    if known is not None and type(known.value) is not Alias:
        return known.value
    try:
        if alias.is_vouched_for:
            found = yield Ask(storage, "_found", (alias.target, suggest))
        else:
            found = yield from _finding_unsigned(storage, key, alias)
    except RegistryError as error:
        raise _dangling(key, storage, error) from None
    if isinstance(found, Alias):
        raise _leads_to_alias(key, alias.target, storage)
    return found


def _finding_unsigned(storage: Any, key: str, alias: Alias) -> Steps[Any]:
    """The value behind an alias that nobody vouches for: only what could stand there unsigned."""
    stored = yield Ask(storage, "entry", (alias.target,))
    if is_alias(stored.envelope):
        raise _leads_to_alias(key, alias.target, storage)
    codec, name = storage._codec, {"namespace": storage.namespace, "key": alias.target}
    admit(stored.envelope, codec.policy, **name)
    try:
        return codec.decode(stored.envelope._replace(signature=None), **name)
    except SignatureMissingError:
        raise SignatureMissingError(
            f"{key!r} in {storage.namespace} is an alias of code, and not signed by a key that is held here; "
            "nothing was decoded",
            suggestions=[f"move it again with a signing key: registry alias {storage.namespace} {key} ..."],
            context={"namespace": storage.namespace, "key": key, "target": alias.target},
        ) from None


def _dangling(key: str, storage: Any, error: RegistryError) -> RegistryError:
    return RegistryError(
        f"{key!r} in {storage.location} is an alias. {error.message}",
        error.suggestions,
        {**error.context, "alias": key},
    )


def _leads_to_alias(key: str, target: str, storage: Any) -> AliasError:
    where = "itself" if key == target else f"the alias {target!r}"
    return AliasError(
        f"{key!r} in {storage.location} is an alias of {where}, and an alias leads to an artifact",
        suggestions=["move it to a version or another name"],
        context={"alias": key, "target": target},
    )


# ---- show and move


def read_stored(storage: RemoteStorageProxy[Any], key: str) -> Alias:
    """The alias under ``key``, with its history.

    Raises:
        RegistryError: there is nothing.
        AliasError: there is something else.
    """
    return _alias_of(storage, storage.entry(key))


def _alias_of(storage: RemoteStorageProxy[Any], stored: Stored) -> Alias:
    if not is_alias(stored.envelope):
        raise AliasError(
            f"{stored.key!r} in {storage.location} is an artifact, not an alias",
            suggestions=[f"look it up: get_artifact({stored.key!r})"],
            context={"key": stored.key},
        )
    admit(stored.envelope, storage._codec.policy, namespace=storage.namespace, key=stored.key)
    return read(stored.envelope, key=stored.key, policy=storage._codec.policy)


def move(storage: RemoteStorageProxy[Any], key: str, target: str, by: str | None) -> Alias:
    """See `Versions.move_alias`."""
    who = _checked_who(by)
    _check_target(storage, check_key(key), check_key(target))
    while True:
        stored = _entry_or_none(storage, key)
        before = _movable(storage, stored) if stored is not None else None
        if before is not None and before.target == target:
            return before
        moment = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        step = Move(moment, who, before.target if before else None, target)
        after = Alias(target, ((before.history if before else ()) + (step,))[-MAX_MOVES:], True)
        if _written(storage, key, _envelope(storage, key, after, stored), stored):
            return after


def _check_target(storage: RemoteStorageProxy[Any], key: str, target: str) -> None:
    if is_version(key):
        raise CoercionError(
            f"{key!r} is the name of a version, and cannot be an alias",
            suggestions=["'champion'"],
            context={"alias": key},
        )
    if key == target or is_alias(storage.entry(target).envelope):
        raise _leads_to_alias(key, target, storage)


def _entry_or_none(storage: RemoteStorageProxy[Any], key: str) -> Stored | None:
    try:
        return storage.entry(key)
    except RegistryError:
        return None


def _movable(storage: RemoteStorageProxy[Any], stored: Stored) -> Alias:
    if not is_alias(stored.envelope):
        owner = (stored.envelope.meta or {}).get("origin") or "a JSON value"
        raise DuplicateKeyError(
            f"{storage.location} already has {stored.key!r}, registered from {owner}, which is no alias",
            suggestions=["pick another name for the alias", f"remove {stored.key!r} first"],
            context={"key": stored.key, "owner": owner},
        )
    return _alias_of(storage, stored)


def _envelope(storage: RemoteStorageProxy[Any], key: str, alias: Alias, stored: Stored | None) -> Envelope:
    value = {
        "target": alias.target,
        "history": [
            {"at": move.at, "by": move.by, "from": move.previous, "to": move.target} for move in alias.history
        ],
    }
    kept = (stored.envelope.meta or {}) if stored is not None else {}
    said = {META_NAME: kept[META_NAME]} if META_NAME in kept else {}
    meta = {"kind": "alias", "origin": f"an alias of {alias.target!r}", **said}
    envelope = Envelope("json", json.dumps(value, ensure_ascii=False), "json", meta)
    policy = storage._codec.policy
    keyring = None if policy.level is Trust.JSON else policy.keyring()
    return keyring.sign(envelope, namespace=storage.namespace, key=key) if keyring else envelope


def _written(storage: RemoteStorageProxy[Any], key: str, envelope: Envelope, stored: Stored | None) -> bool:
    """Whether the alias stands now, which it does not if somebody moved it meanwhile."""
    condition = {"if_none_match": "*"} if stored is None else {"if_match": f'"{stored.etag}"'}
    try:
        storage._set(key, envelope, **condition)
    except PreconditionFailedError as failure:
        return own_or_lost(failure, envelope, storage.policy, replaces=stored is not None).won
    return True


def _checked_who(by: str | None) -> str:
    who = _this_user() if by is None else by
    if not isinstance(who, str) or not 0 < len(who) <= MAX_WHO or not who.isprintable():
        raise CoercionError(f"by is a line of 1 to {MAX_WHO} characters", suggestions=["by='ann@lab'"])
    return who


def _this_user() -> str:
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in many containers
        import os

        user = str(cast(Any, os).getuid())
    return f"{user}@{socket.gethostname()}"[:MAX_WHO]
