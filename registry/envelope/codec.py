"""From values to envelopes and back: exact JSON, signed references, and signed values.

>>> codec = EnvelopeCodec(TrustPolicy("json"))
>>> envelope = codec.encode({"result": 42}, namespace="research.config", key="answer")
>>> envelope.data
'{"result": 42}'
>>> codec.decode(envelope, namespace="research.config", key="answer")
{'result': 42}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from registry.envelope import by_value, form, json_codec, keyfile
from registry.envelope import reference as references
from registry.envelope.form import Envelope
from registry.envelope.reference import Reference
from registry.envelope.trust import Decoder, Trust, TrustPolicy, admit
from registry.errors import SerializationError

OWN_META: Final = frozenset({"codec", "kind", "module", "qualname", "python"})
"""The names in ``meta`` that the codec writes; all others are the caller's."""

_NO_META: Mapping[str, str] = {}
_MAX_NAME_LENGTH = 1_024


class EnvelopeCodec:
    """Encodes and decodes values as one policy allows.

    Safe to use from several threads and after a fork; holds no key.
    """

    __slots__ = ("policy",)

    policy: Final[TrustPolicy]

    def __init__(self, policy: TrustPolicy | None = None) -> None:
        self.policy = policy or TrustPolicy()

    def encode(
        self, value: object, *, namespace: str, key: str, meta: Mapping[str, str] = _NO_META
    ) -> Envelope:
        """The envelope of ``value``, to be stored under this name and no other.

        What is exactly JSON travels as JSON, unsigned. An importable function or class travels as its
        name, anything else by value; both are signed. ``meta`` goes along, beside what the codec says
        about the value (`OWN_META`, for pickles only).

        Raises:
            SerializationError: it cannot travel, or not at this policy's level; says why and what to do.
            EnvelopeTooLargeError: it is larger than any value may be.
            MalformedEnvelopeError: ``meta`` is not a small map of texts.
            SignatureError: the signing key file cannot be used.
        """
        text = json_codec.encode_exactly(value)
        if text is None:
            return self._encode_pickle(value, namespace, key, meta)
        envelope = Envelope("json", text, form.ENCODING_OF["json"], dict(meta) or None)
        form.check_fields(envelope)
        return envelope

    def decode(self, envelope: Envelope, *, namespace: str, key: str) -> Any:
        """The value of an envelope that was found under this name.

        The gate (`registry.envelope.trust.admit`) decides first; a refused envelope is not decoded by
        any other way. JSON is made afresh each time; see `may_be_shared`.

        Raises:
            UntrustedError: refused; which of its subclasses says why.
            MalformedEnvelopeError: not an envelope, or its data is not what its encoding says.
            SerializationError: allowed, and loading it failed; the cause is chained.
        """
        admission = admit(envelope, self.policy, namespace=namespace, key=key)
        if admission.decoder is Decoder.JSON:
            return json_codec.decode(envelope.data)
        if admission.reference is None:
            return by_value.decode(admission.raw)
        found = references.resolve(admission.reference)
        if admission.check_own_name:
            references.check_own_name(admission.reference, found)
        return found

    def resign(self, envelope: Envelope, *, namespace: str, key: str) -> Envelope:
        """The same envelope, signed with the key that signs now; JSON stays unsigned.

        Only what a held key has signed for this name is signed again.

        Raises:
            SignatureError: it is not signed, by no held key, or wrongly; or there is no key here.
        """
        form.check_fields(envelope)
        if envelope.type == "json" and envelope.signature is None:
            return envelope
        keyring = self.policy.keyring()
        if keyring is None:
            raise _no_key(f"{key!r} cannot be signed again")
        keyring.verify(envelope, namespace=namespace, key=key)
        return keyring.sign(envelope, namespace=namespace, key=key)

    def _encode_pickle(self, value: object, namespace: str, key: str, meta: Mapping[str, str]) -> Envelope:
        if self.policy.level is Trust.JSON:
            raise _only_json(value)
        name = references.reference_to(value)
        if name is not None and not by_value.is_registered_by_value(name.module):
            raw, about = references.write(name), {"codec": "reference", **_description(value)}
        else:
            self._check_by_value_allowed(value)
            raw = by_value.encode(value)
            about = {"codec": "cloudpickle", "python": by_value.PYTHON_TAG, **_description(value)}
        return self._signed(raw, {**meta, **about}, namespace, key)

    def _signed(self, raw: bytes, meta: Mapping[str, str], namespace: str, key: str) -> Envelope:
        envelope = Envelope("pickle", form.encode_base64(raw), form.ENCODING_OF["pickle"], meta)
        form.check_fields(envelope)
        keyring = self.policy.keyring()
        # Only a reference, or anything at 'unsafe', gets here without one.
        return envelope if keyring is None else keyring.sign(envelope, namespace=namespace, key=key)

    def _check_by_value_allowed(self, value: object) -> None:
        level = self.policy.effective_level()
        if level is not Trust.REFS:
            return
        if self.policy.level is Trust.SIGNED:
            raise _no_key(f"{_shown(value)} can only be sent by value, which has to be signed")
        raise SerializationError(
            f"{_shown(value)} can only be sent by value, which trust='refs' does not do",
            suggestions=["define it in a module that the other processes can import", "use trust='signed'"],
            context={"trust": "refs"},
        )


def may_be_shared(envelope: Envelope) -> bool:
    """Whether one decoded value may be handed to many readers: functions and classes.

    JSON containers and instances could be changed by one reader under another's eyes, so they are decoded
    for each. ``meta`` decides this only, never whether something is decoded.
    """
    return envelope.type == "pickle" and (envelope.meta or {}).get("kind") in ("function", "class")


def _description(value: object) -> dict[str, str]:
    """What a reader may know of a value without decoding it."""
    kind = _kind(value)
    name = references.own_name(value if kind != "instance" else type(value))
    about = {"kind": kind}
    if name is not None and _is_short_text(name):
        about |= {"module": name.module, "qualname": name.qualname}
    return about


def _kind(value: object) -> str:
    if isinstance(value, type):
        return "class"
    # By its own name: an instance that can be called is still state somebody may change.
    return "function" if callable(value) and references.own_name(value) is not None else "instance"


def _is_short_text(name: Reference) -> bool:
    return all(len(part) <= _MAX_NAME_LENGTH and part.isprintable() for part in name)


def _shown(value: object) -> str:
    name = references.own_name(value)
    return name.qualname if name else f"{type(value).__qualname__} object"


def _only_json(value: object) -> SerializationError:
    return SerializationError(
        f"{_shown(value)} is not exactly JSON, and trust='json' sends nothing else",
        suggestions=["use lists instead of tuples, texts as keys, and finite numbers", "use trust='signed'"],
        context={"type": type(value).__qualname__, "trust": "json"},
    )


def _no_key(what: str) -> SerializationError:
    return SerializationError(f"{what}, and there is no key", suggestions=[keyfile.why_no_keyring()])
