"""Whatever is changed about a signed envelope, or the name it stands under, it is refused undecoded."""

import itertools
import json
import pickle

import pytest

from registry.envelope import by_value, reference
from registry.envelope.codec import EnvelopeCodec
from registry.envelope.form import Envelope
from registry.envelope.signing import Keyring, SigningKey
from registry.envelope.trust import TrustPolicy
from registry.errors import (
    NamespaceError,
    SerializationError,
    SignatureMissingError,
    UnknownSigningKeyError,
    UntrustedError,
)

NAMESPACE, KEY = "research.losses", "mse"
VALUES = {"reference": json.dumps, "value": (1, "two")}


@pytest.fixture(params=VALUES)
def signed(request, codec):
    return codec.encode(
        VALUES[request.param],
        namespace=NAMESPACE,
        key=KEY,
        meta={"identity": "sha256:00", "origin": "a.py:1"},
    )


@pytest.fixture(autouse=True)
def nothing_is_decoded(monkeypatch, request):
    """A tampered envelope must be refused before these: they fail the test."""
    if "genuine" in request.function.__name__:
        return

    def fail(*_):
        raise AssertionError("a tampered envelope was decoded")

    monkeypatch.setattr(pickle, "loads", fail)
    monkeypatch.setattr(by_value, "decode", fail)
    monkeypatch.setattr(reference, "resolve", fail)


def flips(text):
    """Every text that differs from ``text`` in one bit of its UTF-8, if it is still a text."""
    raw = text.encode()
    for position, bit in itertools.product(range(len(raw)), range(8)):
        flipped = bytearray(raw)
        flipped[position] ^= 1 << bit
        try:
            yield flipped.decode()
        except UnicodeDecodeError:
            continue


def flipped_envelopes(envelope):
    for field in ("type", "data", "encoding", "signature"):
        for text in flips(getattr(envelope, field)):
            yield envelope._replace(**{field: text})
    for name, text in envelope.meta.items():
        rest = {other: value for other, value in envelope.meta.items() if other != name}
        yield from (envelope._replace(meta={**rest, name: flipped}) for flipped in flips(text))
        yield from (envelope._replace(meta={**rest, flipped: text}) for flipped in flips(name))


def refused(codec, envelope, namespace=NAMESPACE, key=KEY):
    with pytest.raises((SerializationError, NamespaceError)):
        codec.decode(envelope, namespace=namespace, key=key)
    return True


def test_the_genuine_envelope_is_decoded(codec, signed):
    assert codec.decode(signed, namespace=NAMESPACE, key=KEY) in VALUES.values()


def test_every_flipped_bit_is_noticed(codec, signed):
    tampered = list(flipped_envelopes(signed))

    assert len(tampered) > 1_000
    assert all(refused(codec, envelope) for envelope in tampered)


def test_every_flipped_bit_of_the_name_is_noticed(codec, signed):
    assert all(refused(codec, signed, namespace=text) for text in flips(NAMESPACE))
    assert all(refused(codec, signed, key=text) for text in flips(KEY))


def test_a_boundary_between_namespace_and_key_cannot_be_moved(codec):
    signed = codec.encode((1,), namespace="ab", key="c")

    assert refused(codec, signed, namespace="a", key="bc")


def test_every_swap_of_two_entries_is_noticed(codec):
    names = [("a.b", "one"), ("a.b", "two"), ("a", "one")]
    values = [json.dumps, (1,), (2,)]
    envelopes = [codec.encode(value, namespace=n, key=k) for value, (n, k) in zip(values, names, strict=True)]
    for (left, name), right in itertools.product(zip(envelopes, names, strict=True), envelopes):
        if left is right:
            continue
        assert refused(codec, right, *name)
        for field in ("data", "meta", "signature"):
            if getattr(left, field) != getattr(right, field):
                assert refused(codec, left._replace(**{field: getattr(right, field)}), *name)


def test_meta_cannot_be_dropped_emptied_or_added_to(codec, signed):
    for meta in (None, {}, {**signed.meta, "x": ""}, {k: v for k, v in signed.meta.items() if k != "origin"}):
        assert refused(codec, signed._replace(meta=meta))


def test_meta_absent_and_meta_empty_are_signed_differently(keyring):
    bare = Envelope("pickle", "gA==", "base64")
    name = {"namespace": "a", "key": "b"}

    assert keyring.sign(bare, **name).signature != keyring.sign(bare._replace(meta={}), **name).signature


def test_every_stripped_signature_is_refused(codec, signed):
    for signature, error in (
        (None, SignatureMissingError),
        (signed.signature.partition(":")[2], UnknownSigningKeyError),
        (signed.signature.partition(":")[0], UntrustedError),
        (signed.signature[:-1], UntrustedError),
        (":" + signed.signature, UnknownSigningKeyError),
    ):
        with pytest.raises(error):
            codec.decode(signed._replace(signature=signature), namespace=NAMESPACE, key=KEY)


def test_another_keyring_decodes_nothing(foreign_keyring, signed):
    with pytest.raises(UnknownSigningKeyError, match="not held here"):
        EnvelopeCodec(TrustPolicy(keyring=foreign_keyring)).decode(signed, namespace=NAMESPACE, key=KEY)


def test_a_key_with_another_keys_id_is_a_wrong_signature(keyring, signed):
    impostor = SigningKey(b"x" * 32)
    impostor.id = next(iter(keyring))
    forged = Keyring([impostor]).sign(signed, namespace=NAMESPACE, key=KEY)

    assert refused(EnvelopeCodec(TrustPolicy(keyring=keyring)), forged)
