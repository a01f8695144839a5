"""What came of a conditional write to a server, read from what its refusal tells of the entry as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from registry.envelope.form import Envelope
from registry.envelope.signing import key_id_of
from registry.envelope.trust import TrustPolicy
from registry.errors import OutcomeUnknownError, PreconditionFailedError
from registry.origin import JSON_VALUE
from registry.storage.base import Claim

if TYPE_CHECKING:
    from registry.storage.stored import Stored


def own_or_lost(
    failure: PreconditionFailedError, offered: Envelope, policy: TrustPolicy, *, replaces: bool
) -> Claim:
    """The claim whose condition failed; won after all if only the answer to its success was lost.

    Raises:
        OutcomeUnknownError: it may have replaced the entry, and been replaced itself since.
    """
    current = failure.context["current"]
    if failure.context["repeated"] and current is not None and current["digest"] == offered.digest:
        return Claim(True, current["etag"])
    if failure.context["repeated"] and replaces:
        raise OutcomeUnknownError(
            "Outcome unknown: the answer to a replacement was lost, and the entry was written to since",
            suggestions=["read the entry before writing again"],
            context={"current": current},
        ) from failure
    return lost(current, offered, policy)


def lost(current: Mapping[str, Any] | None, offered: Envelope, policy: TrustPolicy) -> Claim:
    """The claim that ``offered`` lost to the entry that the server tells of."""
    if current is None:
        return Claim(False, None)
    meta = current.get("meta") or {}
    owner = meta.get("origin") or JSON_VALUE
    same = is_same(current["digest"], meta, offered)
    if same and not _is_vouched_for(current.get("signature"), offered, policy):
        # Our readers refuse what stands there, so leaving it in place would not register anything.
        return Claim(False, current["etag"], owner=f"{owner}, signed with a key that is not held here")
    return Claim(False, current["etag"], same=same, owner=owner)


def _is_vouched_for(signature: str | None, offered: Envelope, policy: TrustPolicy) -> bool:
    """Whether readers who accept ``offered`` would accept an equal envelope that is signed like this."""
    if offered.signature is None:
        return True
    keyring = policy.keyring()
    return signature is not None and keyring is not None and key_id_of(signature) in keyring


def holds(stored: Stored, offered: Envelope, policy: TrustPolicy) -> bool:
    """Whether an entry is what ``offered`` is, for our readers too."""
    same = is_same(stored.digest, stored.envelope.meta or {}, offered)
    return same and _is_vouched_for(stored.envelope.signature, offered, policy)


def is_same(digest: str, meta: Mapping[str, str], offered: Envelope) -> bool:
    """Whether an entry with this digest and meta is what ``offered`` is: by content, or by identity."""
    identity = (offered.meta or {}).get("identity")
    return digest == offered.digest or (identity is not None and meta.get("identity") == identity)
