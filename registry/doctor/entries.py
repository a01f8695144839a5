"""Whether an entry of a server could be decoded here; it is not, and none of it is shown."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from registry.doctor.findings import Finding, finding, from_error
from registry.doctor.modules import why_not_importable
from registry.doctor.surroundings import keyring_as_it_is
from registry.errors import ValidationError

if TYPE_CHECKING:
    from registry.envelope.form import Envelope
    from registry.envelope.trust import Admission, TrustPolicy
    from registry.storage.remote import RemoteStorageProxy
    from registry.storage.stored import Stored


def judged(storage: RemoteStorageProxy[Any], stored: Stored) -> Iterator[Finding]:
    """What an entry is, and whether the gate of `registry.envelope.trust` would let it be decoded here."""
    from registry.envelope.trust import admit

    facts = known_of(stored)
    changed = f"revision {stored.revision}, changed {stored.updated_at}"
    text = f"{stored.key!r} is in {storage.location}: {facts['kind']}, {changed}"
    yield finding("name", "ok", text, **facts)
    try:
        policy = _looking_only(storage.policy)
        admission = admit(stored.envelope, policy, namespace=storage.namespace, key=stored.key)
    except ValidationError as error:
        yield from_error("value", error, signed_by=facts["signed_by"], trust=storage.policy.level.value)
        return
    yield _admitted(admission, stored.envelope, facts)


def known_of(stored: Stored) -> dict[str, Any]:
    """What the server and the envelope say of an entry, none of it the value."""
    envelope = stored.envelope
    meta, signature = envelope.meta or {}, envelope.signature
    kind = "a JSON value" if envelope.type == "json" else meta.get("kind", "a pickle")
    said = {name: meta[name] for name in ("codec", "module", "qualname", "python", "origin") if name in meta}
    return {
        **said,
        "kind": kind,
        "type": envelope.type,
        "signed_by": signature.partition(":")[0] if signature else None,
        "revision": stored.revision,
        "updated_at": stored.updated_at,
    }


def _looking_only(policy: TrustPolicy) -> TrustPolicy:
    """``policy``, less that asking for its keyring may make a key file."""
    from registry.envelope.trust import TrustPolicy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about trust='unsafe', where the registry was defined
        return TrustPolicy(
            policy.level,
            trusted_modules=policy.trusted_modules,
            home_package=policy.home_package,
            keyring=keyring_as_it_is,
        )


def _admitted(admission: Admission, envelope: Envelope, facts: dict[str, Any]) -> Finding:
    signer = facts["signed_by"]
    signed = f"signed with {signer}, which is held here" if signer else "not signed, which this trust= allows"
    if envelope.type == "json":
        return finding("value", "ok", "it is JSON, which anybody may read")
    if admission.reference is None:
        text = f"it is pickled by value, {signed}; only decoding it tells whether its packages are here"
        return finding("value", "ok", text, python=facts.get("python"))
    module, qualname = admission.reference
    if reason := why_not_importable(module, qualname):
        text = f"it is a reference to {module}.{qualname}, which cannot be imported here: {reason}"
        return finding("value", "wrong", text, [_installing(module)], module=module, qualname=qualname)
    text = f"it is a reference to {module}.{qualname}, {signed}; nothing speaks against importing it"
    return finding("value", "ok", text, module=module, qualname=qualname)


def _installing(module: str) -> str:
    return f"install what has {module.partition('.')[0]!r} in the writer's version, or put it on sys.path"
