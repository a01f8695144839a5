"""Publishing importable artifacts on a shared registry by name alone, without importing them here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from registry import settings
from registry.discovery import Target
from registry.duplicates import Own, taken
from registry.envelope import reference as references
from registry.envelope.form import Envelope
from registry.envelope.reference import Reference
from registry.envelope.trust import Trust
from registry.errors import CoercionError, SerializationError
from registry.storage.base import Claim
from registry.type import TypeRegistry

if TYPE_CHECKING:
    from registry.base import Registry
    from registry.storage.remote import RemoteStorageProxy


def publish(cls: type[Registry[Any]], key: str, target: Target) -> None:
    """Store a signed reference to ``target`` under ``key`` as `Registry.register_lazy` says.

    The bytes are those that registering the artifact itself would store, so whoever does that later
    registers the same again.
    """
    storage = cast("RemoteStorageProxy[Any]", cls._storage())
    envelope = _envelope(storage, key, target, "class" if issubclass(cls, TypeRegistry) else "function")
    claim = storage.claim_many({key: envelope})[key]
    if not (claim.won or claim.same):
        policy = cls._on_duplicate or settings.on_duplicate()
        if policy == "keep":
            return
        if policy != "replace":
            raise taken(cls.__name__, cls._shown(), key, str(target), claim.owner)
        claim = Claim(True, storage._set(key, envelope).etag)
    if claim.won:
        cls._own[key] = Own(claim.version, target.module, target.attribute)


def _envelope(storage: RemoteStorageProxy[Any], key: str, target: Target, kind: str) -> Envelope:
    from registry.names import check_key

    reference = Reference(*target)
    if not references.is_plain_name(reference):
        raise CoercionError(
            f"{target} cannot be looked up by other processes",
            suggestions=["name what can be imported anywhere, and no part of it __like_this__"],
            context={"target": str(target)},
        )
    codec = storage._codec
    if codec.policy.level is Trust.JSON:
        raise SerializationError(
            f"{target} is not JSON, and trust='json' sends nothing else", suggestions=["use trust='signed'"]
        )
    meta = {"origin": ".".join(target), "codec": "reference", "kind": kind, **reference._asdict()}
    return codec._signed(references.write(reference), meta, storage.namespace, check_key(key))
