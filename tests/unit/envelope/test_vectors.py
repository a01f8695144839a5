"""The code against the known answers that other languages read too."""

import base64
import json
from pathlib import Path

import pytest

from registry.envelope import form, json_codec, reference, signing
from registry.envelope.form import Envelope
from registry.errors import (
    MalformedEnvelopeError,
    SignatureInvalidError,
    SignatureMissingError,
    UnknownSigningKeyError,
)

VECTORS = Path(__file__).parents[2] / "vectors"


def load(name):
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def cases(name, list_name):
    return [pytest.param(case, id=case["description"]) for case in load(name)[list_name]]


@pytest.fixture(scope="module")
def test_keyring():
    keys = [signing.SigningKey(base64.b64decode(key["secret"])) for key in load("signatures.json")["keyring"]]
    return keys, signing.Keyring(keys)


@pytest.mark.parametrize("case", cases("envelopes.json", "valid"))
def test_envelope_has_its_form_and_digest(case):
    envelope = Envelope.from_dict(case["envelope"])

    assert envelope.digest == case["digest"]
    assert envelope.to_dict() == case["envelope"]


@pytest.mark.parametrize("case", [case for case in load("envelopes.json")["valid"] if "value" in case])
def test_json_data_is_its_value(case):
    value = json_codec.decode(case["envelope"]["data"])

    assert value == case["value"]
    assert type(value) is type(case["value"])


@pytest.mark.parametrize("case", cases("envelopes.json", "malformed"))
def test_malformed_envelope_is_refused(case):
    with pytest.raises(MalformedEnvelopeError):
        Envelope.from_dict(case["envelope"])


def test_tags_and_key_ids_are_those_of_the_vectors(test_keyring):
    keys, _ = test_keyring
    vectors = load("signatures.json")

    assert vectors["domain_tag"] == signing.DOMAIN_TAG
    assert vectors["algorithm"] == signing.ALGORITHM
    assert [key.id for key in keys] == [key["id"] for key in vectors["keyring"]]


@pytest.mark.parametrize("case", cases("signatures.json", "valid"))
def test_signature_is_made_over_its_input(case, test_keyring):
    keys, keyring = test_keyring
    envelope, where = Envelope(**case["envelope"]), {"namespace": case["namespace"], "key": case["key"]}
    key = next(key for key in keys if key.id == case["signing_key"])

    assert signing.meta_form(envelope.meta).hex() == case["meta_form_hex"]
    assert signing.signing_input(envelope, **where, key_id=key.id).hex() == case["input_hex"]
    signed = signing.Keyring([key]).sign(envelope, **where)
    assert signed.signature == case["signature"]
    keyring.verify(signed, **where)


REASONS = {
    "invalid": SignatureInvalidError,
    "unknown": UnknownSigningKeyError,
    "missing": SignatureMissingError,
}


@pytest.mark.parametrize("case", cases("signatures.json", "refused"))
def test_wrong_signature_is_refused_for_its_reason(case, test_keyring):
    with pytest.raises(REASONS[case["reason"]]):
        test_keyring[1].verify(Envelope(**case["envelope"]), namespace=case["namespace"], key=case["key"])


@pytest.mark.parametrize("case", cases("references.json", "valid"))
def test_reference_is_read_and_written(case):
    raw, name = bytes.fromhex(case["pickle_hex"]), reference.Reference(case["module"], case["qualname"])

    assert reference.read(raw) == name
    assert reference.write(name) == raw
    assert reference.is_plain_name(name) == case["plain_name"]


@pytest.mark.parametrize("case", cases("references.json", "malformed"))
def test_anything_else_is_no_reference(case):
    assert reference.read(bytes.fromhex(case["pickle_hex"])) is None


def test_pickle_envelopes_begin_as_the_seed_prints_them(codec):
    for value in (json.dumps, lambda: 1):
        assert codec.encode(value, namespace="a", key="b").data.startswith("gASV")


def test_json_envelopes_are_those_of_the_seed(codec):
    envelope = codec.encode({"result": 42}, namespace="my.namespace", key="my_key")

    assert envelope.to_dict() == {"type": "json", "data": '{"result": 42}', "encoding": "json"}
    form.check_form(envelope)
