"""Signatures: who wrote an envelope, and under which name.

A signature is ``<key id>:<mac>``. The mac is the canonical base64 of HMAC-SHA256 over a domain tag and
these fields, each as its length in bytes (unsigned, 8 bytes, big-endian) and its bytes:

    domain tag, key id, algorithm, namespace, key, type, encoding, SHA-256 of meta, SHA-256 of data

So an envelope cannot be served under another name, none of its fields can be exchanged, and no two
different envelopes spell the same message. Algorithm and secret come from the keyring, never from the
envelope. The known answers are in ``tests/vectors/signatures.json``.

Secrets stand in no ``repr``, no error and no pickle.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, NoReturn

from registry.envelope.form import Envelope, encode_base64, length_prefixed
from registry.errors import SignatureInvalidError, SignatureMissingError, UnknownSigningKeyError

ALGORITHM: Final = "hmac-sha256"
DOMAIN_TAG: Final = "namestead envelope signature 1"
SECRET_BYTES: Final = 32
"""Length of a secret, and the least length accepted."""

_KEY_ID_TAG = b"namestead key id 1"


class SigningKey:
    """One secret and its name.

    Attributes:
        id: 16 hex digits, made from the secret: a key cannot be filed under another's name.
    """

    __slots__ = ("_secret", "id")

    id: str

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES:
            raise ValueError(f"a signing key has at least {SECRET_BYTES} bytes, not {len(secret)}")
        self._secret = secret
        self.id = hmac.digest(secret, _KEY_ID_TAG, "sha256").hex()[:16]

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of ``message``."""
        return hmac.digest(self._secret, message, "sha256")

    def export(self) -> str:
        """The secret in base64, for a key file and nothing else."""
        return encode_base64(self._secret)

    def __repr__(self) -> str:
        return f"<SigningKey {self.id}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key is not pickled: let the other process read the key file")


class Keyring:
    """Signing keys in order: the first signs, all of them verify.

    Raises:
        ValueError: there is no key, or one twice.
    """

    __slots__ = ("_by_id", "_first")

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        listed = list(keys)
        self._by_id: Mapping[str, SigningKey] = {key.id: key for key in listed}
        if not listed or len(self._by_id) != len(listed):
            raise ValueError("a keyring has at least one key, and none twice")
        self._first = listed[0]

    def __iter__(self) -> Iterator[str]:
        """The ids, the signing one first."""
        return iter(self._by_id)

    def __repr__(self) -> str:
        return f"<Keyring {' '.join(self)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring is not pickled: let the other process read the key file")

    def sign(self, envelope: Envelope, *, namespace: str, key: str) -> Envelope:
        """``envelope`` with this keyring's signature, replacing any other, for this one name."""
        return envelope._replace(signature=_signature(self._first, envelope, namespace, key))

    def verify(self, envelope: Envelope, *, namespace: str, key: str) -> None:
        """Return if a key of this keyring signed the envelope for this name.

        Raises:
            SignatureMissingError: it is not signed.
            UnknownSigningKeyError: it names a key that is not here.
            SignatureInvalidError: it names a key that is here, and anything was changed since.
        """
        if envelope.signature is None:
            raise signature_missing(namespace, key)
        signer = self._by_id.get(key_id_of(envelope.signature))
        if signer is None:
            raise unknown_key(envelope.signature, namespace, key, held=list(self))
        expected = _signature(signer, envelope, namespace, key)
        # The whole text is compared, so there is one spelling of a signature only.
        if not hmac.compare_digest(expected.encode(), envelope.signature.encode()):
            raise SignatureInvalidError(
                f"The signature of {key!r} in {namespace} is wrong: the value, its meta, or the name it "
                "stands under is not what was signed",
                suggestions=[
                    "find out who can write to this server",
                    f"register {key!r} again to replace it",
                ],
                context={"namespace": namespace, "key": key, "signing_key": signer.id},
            )


def key_id_of(signature: str) -> str:
    """The key that a signature says it was made with."""
    return signature.partition(":")[0]


def new_key() -> SigningKey:
    """A key nobody has seen."""
    import os

    return SigningKey(os.urandom(SECRET_BYTES))


def signing_input(envelope: Envelope, *, namespace: str, key: str, key_id: str) -> bytes:
    """The bytes a signature is made over; the module's docstring says which."""
    return length_prefixed(
        DOMAIN_TAG.encode(),
        key_id.encode(),
        ALGORITHM.encode(),
        namespace.encode(),
        key.encode(),
        envelope.type.encode(),
        envelope.encoding.encode(),
        sha256(meta_form(envelope.meta)).digest(),
        # A lone surrogate is found where the data is decoded; here it must not stop the check.
        sha256(envelope.data.encode("utf-8", "surrogatepass")).digest(),
    )


def meta_form(meta: Mapping[str, str] | None) -> bytes:
    """The one byte form of ``meta``: nothing if absent, else the count and each name and text by name.

    Names are in the order of their UTF-8 bytes; the count is 8 bytes, big-endian, the texts
    length-prefixed like the fields. An empty ``meta`` is not an absent one.
    """
    if meta is None:
        return b""
    # The order of code points, which Python sorts by, is the order of UTF-8 bytes.
    texts = [text.encode() for name in sorted(meta) for text in (name, meta[name])]
    return len(meta).to_bytes(8, "big") + length_prefixed(*texts)


def _signature(signer: SigningKey, envelope: Envelope, namespace: str, key: str) -> str:
    message = signing_input(envelope, namespace=namespace, key=key, key_id=signer.id)
    return f"{signer.id}:{encode_base64(signer.mac(message))}"


def signature_missing(namespace: str, key: str, *suggestions: str) -> SignatureMissingError:
    """The error that an unsigned value would have to be signed."""
    return SignatureMissingError(
        f"{key!r} in {namespace} is code and not signed; nothing of it was decoded",
        suggestions=suggestions or ["register it again with a process that has a signing key"],
        context={"namespace": namespace, "key": key},
    )


def unknown_key(
    signature: str, namespace: str, key: str, *suggestions: str, held: Iterable[str] = ()
) -> UnknownSigningKeyError:
    """The error that a value is signed with a key this process does not hold."""
    signer = key_id_of(signature)[:40]
    context: dict[str, Any] = {"namespace": namespace, "key": key, "signing_key": signer, "held": list(held)}
    return UnknownSigningKeyError(
        f"{key!r} in {namespace} is signed with the key {signer}, which is not held here; "
        "nothing of it was decoded",
        suggestions=suggestions
        or [
            "share one key file with its writer: REGISTRY_SIGNING_KEY_FILE",
            "see docs/trust.md, 'A team'",
        ],
        context=context,
    )
