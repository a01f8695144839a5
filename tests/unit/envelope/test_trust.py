"""The gate: every level against every kind of envelope, and the gadgets that broke other gates."""

import builtins
import functools
import json
import os
import pickle
import subprocess
import sys
import warnings
from typing import Any

import pytest

from registry.envelope import by_value, form, reference
from registry.envelope.codec import EnvelopeCodec
from registry.envelope.form import Envelope
from registry.envelope.reference import Reference
from registry.envelope.trust import Trust, TrustPolicy, UnsafeTrustWarning
from registry.errors import (
    MalformedEnvelopeError,
    PythonVersionMismatchError,
    ReferenceNotAllowedError,
    SerializationError,
    SignatureInvalidError,
    SignatureMissingError,
    UnknownSigningKeyError,
    UntrustedError,
    ValidationError,
)

NAME: dict[str, Any] = {"namespace": "research.losses", "key": "mse"}
SAFE_LEVELS = ["json", "refs", "signed"]


def pickled(raw, **meta):
    return Envelope("pickle", form.encode_base64(raw), "base64", meta or None)


def reference_envelope(module, qualname):
    return pickled(reference.write(Reference(module, qualname)))


class Reduced:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def call(function, *arguments):
    return pickle.dumps(Reduced(function, arguments), 4)


GADGETS = {
    "builtins through an allowed module": reference.write(
        Reference("functools", "singledispatch.__builtins__.get")
    ),
    "globals of a function": reference.write(Reference("functools", "wraps.__globals__")),
    "os.system": reference.write(Reference("os", "system")),
    "posix.system": reference.write(Reference("posix", "system")),
    "subprocess.Popen": reference.write(Reference("subprocess", "Popen")),
    "eval": reference.write(Reference("builtins", "eval")),
    "import_module": reference.write(Reference("importlib", "import_module")),
    "re-export of a module's function": reference.write(Reference("trusted.tools", "os.system")),
    "re-export of a function": reference.write(Reference("trusted.tools", "system")),
    "re-export of a class's member": reference.write(Reference("trusted.tools", "Alias.method")),
    "module as a submodule": reference.write(Reference("trusted.tools.os", "system")),
    "main of a trusted package": reference.write(Reference("trusted.__main__", "f")),
    "main": reference.write(Reference("__main__", "f")),
    "memory bomb": bytes.fromhex("80044e72ffffff032e"),
    "call of os.system": call(os.system, "true"),
    "call of eval": call(eval, "1"),
    "call of getattr": call(getattr, functools.partial, "__new__"),
    "instance of a trusted class": pickle.dumps(functools.partial(print), 4),
    "protocol 0": b"cposix\nsystem\n(S'true'\ntR.",
}


@pytest.fixture
def trusted_package(module):
    module("trusted.defined", "class Alias:\n    def method(self): ...\n")
    module(
        "trusted.tools",
        "import os\nfrom os import system\nfrom trusted.defined import Alias\n"
        "def mine(): return 1\nclass Mine:\n    @staticmethod\n    def static(): return 2\n",
    )
    return ("trusted", "functools")


@pytest.fixture
def no_pickle_runs(monkeypatch):
    def fail(*_):
        raise AssertionError("a refused pickle was loaded")

    monkeypatch.setattr(pickle, "loads", fail)
    monkeypatch.setattr(by_value, "decode", fail)


@pytest.mark.parametrize("level", SAFE_LEVELS)
@pytest.mark.parametrize("raw", GADGETS.values(), ids=GADGETS)
@pytest.mark.parametrize(
    "meta", [{}, {"codec": "reference"}, {"codec": "cloudpickle", "python": by_value.PYTHON_TAG}]
)
def test_gadgets_are_refused_below_unsafe(level, raw, meta, keyring, trusted_package, no_pickle_runs):
    policy = TrustPolicy(level, trusted_modules=trusted_package, home_package="os", keyring=keyring)

    with pytest.raises(UntrustedError):
        EnvelopeCodec(policy).decode(pickled(raw, **meta), **NAME)


@pytest.mark.parametrize("level", SAFE_LEVELS)
def test_refusing_imports_nothing(level, keyring, module):
    module("untouched", "raise SystemExit\n")
    codec = EnvelopeCodec(TrustPolicy(level, trusted_modules=["trusted"], keyring=keyring))

    with pytest.raises(UntrustedError):
        codec.decode(reference_envelope("untouched", "f"), **NAME)
    assert "untouched" not in sys.modules


def test_what_cannot_be_allowed_is_not_looked_at(keyring, monkeypatch):
    monkeypatch.setattr(form, "decode_base64", lambda data: pytest.fail("its data was decoded"))
    codec = EnvelopeCodec(TrustPolicy(keyring=keyring))

    with pytest.raises(SignatureMissingError):
        codec.decode(pickled(call(eval, "1")), **NAME)


# --- the table ---------------------------------------------------------------------------------------------


def outcome(envelope, level, keyring, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsafeTrustWarning)
        codec = EnvelopeCodec(TrustPolicy(level, keyring=keyring, **options))
    try:
        codec.decode(envelope, **NAME)
    except SerializationError as error:
        return type(error)
    return "decoded"


def envelopes(keyring, foreign_keyring):
    ours = EnvelopeCodec(TrustPolicy(keyring=keyring))
    theirs = EnvelopeCodec(TrustPolicy(keyring=foreign_keyring))
    signed = ours.encode(json.dumps, **NAME)
    value = ours.encode((1, 2), **NAME)
    return {
        "json": ours.encode({"a": 1}, **NAME),
        "signed reference": signed,
        "foreign reference": theirs.encode(json.dumps, **NAME),
        "unsigned reference": signed._replace(signature=None),
        "moved reference": ours.encode(json.dumps, namespace="research.losses", key="other"),
        "signed value": value,
        "foreign value": theirs.encode((1, 2), **NAME),
        "unsigned value": value._replace(signature=None),
        "moved value": ours.encode((1, 2), namespace="research.losses", key="other"),
    }


MISSING, UNKNOWN, INVALID = SignatureMissingError, UnknownSigningKeyError, SignatureInvalidError
NOT_TRUSTED, TOO_LOW = ReferenceNotAllowedError, UntrustedError
TABLE = {
    # level, json trusted?: json | a reference | a value, each of them signed, foreign, unsigned, moved
    ("json", False): "ok | low low low inv | low low low inv",
    ("json", True): "ok | low low low inv | low low low inv",
    ("refs", False): "ok | low low low inv | low low low inv",
    ("refs", True): "ok | ok ok ok inv | low low low inv",
    ("signed", False): "ok | ok unk mis inv | ok unk mis inv",
    ("signed", True): "ok | ok ok ok inv | ok unk mis inv",
    ("unsafe", False): "ok | ok ok ok inv | ok ok ok inv",
}
OUTCOMES = {"ok": "decoded", "low": TOO_LOW, "inv": INVALID, "unk": UNKNOWN, "mis": MISSING}


@pytest.mark.parametrize(("level", "trusted"), TABLE)
def test_each_level_decodes_what_the_table_says(level, trusted, keyring, foreign_keyring):
    expected = [OUTCOMES[word] for word in TABLE[level, trusted].replace("|", "").split()]
    modules = ["json"] if trusted else []

    found = [
        outcome(envelope, level, keyring, trusted_modules=modules)
        for envelope in envelopes(keyring, foreign_keyring).values()
    ]

    assert found == expected


def test_an_untrusted_reference_is_named_where_modules_are_trusted(keyring):
    envelope = reference_envelope("json", "dumps")

    assert outcome(envelope, "refs", keyring, trusted_modules=["email"]) is NOT_TRUSTED
    assert outcome(envelope, "signed", keyring, trusted_modules=["email"]) is MISSING


def test_home_package_is_trusted_at_refs_only(keyring):
    envelope = reference_envelope("json", "dumps")

    assert outcome(envelope, "refs", keyring, home_package="json") == "decoded"
    assert outcome(envelope, "signed", keyring, home_package="json") is MISSING


@pytest.mark.parametrize(
    ("module", "qualname"), [("posix", "getcwd"), ("builtins", "len"), ("subprocess", "run")]
)
def test_not_even_a_home_package_opens_the_never_list(module, qualname, keyring):
    envelope = reference_envelope(module, qualname)

    assert outcome(envelope, "refs", keyring, home_package=module) is NOT_TRUSTED


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope("json", "1", "base64"),
        Envelope("pickle", "1", "json"),
        Envelope("yaml", "1", "json"),
        Envelope("json", "1", "json", signature="not one"),
        Envelope("json", "1", "json", meta={"": ""}),
    ],
)
def test_an_envelope_without_its_form_is_refused_at_the_gate(envelope, keyring):
    assert outcome(envelope, "unsafe", keyring) is MalformedEnvelopeError


def test_trusting_a_package_trusts_what_lies_in_it_and_no_namesake(keyring):
    def found(module, qualname):
        return outcome(reference_envelope(module, qualname), "refs", keyring, trusted_modules=["json"])

    assert found("json.decoder", "JSONDecoder") == "decoded"
    assert found("jsonschema", "validate") is NOT_TRUSTED


def test_a_trusted_package_gives_its_own_functions_classes_and_static_methods(keyring, trusted_package):
    codec = EnvelopeCodec(TrustPolicy("refs", trusted_modules=trusted_package, keyring=keyring))

    assert codec.decode(reference_envelope("trusted.tools", "mine"), **NAME)() == 1
    assert codec.decode(reference_envelope("trusted.tools", "Mine.static"), **NAME)() == 2


def test_a_signed_reference_follows_an_object_that_moved(keyring, trusted_package):
    old_name = reference_envelope("trusted.tools", "Alias")
    codec = EnvelopeCodec(TrustPolicy(keyring=keyring))

    assert codec.decode(keyring.sign(old_name, **NAME), **NAME).__module__ == "trusted.defined"


@pytest.mark.parametrize("level", [*SAFE_LEVELS, "unsafe"])
@pytest.mark.parametrize("envelope_type", ["json", "pickle"])
def test_a_wrong_signature_by_a_known_key_is_refused_at_every_level(level, envelope_type, keyring):
    data = {"json": "1", "pickle": "gA=="}[envelope_type]
    envelope = Envelope(envelope_type, data, form.ENCODING_OF[envelope_type])
    elsewhere = keyring.sign(envelope, namespace="elsewhere", key="mse")

    assert outcome(elsewhere, level, keyring) is INVALID


def test_an_unknown_signature_on_json_counts_as_none(keyring, foreign_keyring):
    envelope = foreign_keyring.sign(Envelope("json", "1", "json"), **NAME)

    assert outcome(envelope, "json", keyring) == "decoded"


def test_a_value_without_a_python_tag_is_refused_though_signed(keyring):
    envelope = keyring.sign(pickled(call(eval, "1")), **NAME)

    assert outcome(envelope, "signed", keyring) is PythonVersionMismatchError


@pytest.mark.parametrize("level", ["signed", "unsafe"])
def test_a_value_of_another_python_is_refused(level, keyring):
    envelope = keyring.sign(pickled(b"\x80\x04N.", codec="cloudpickle", python="cpython-3.10"), **NAME)

    assert outcome(envelope, level, keyring) is PythonVersionMismatchError


def test_a_signed_reference_that_is_none_is_malformed(keyring):
    envelope = keyring.sign(pickled(b"\x80\x04N.", codec="reference"), **NAME)

    assert outcome(envelope, "signed", keyring) is MalformedEnvelopeError


def test_surrogates_in_data_do_not_stop_the_gate(keyring):
    envelope = Envelope("json", '"\ud800"', "json")

    assert outcome(envelope, "json", keyring) is MalformedEnvelopeError
    assert outcome(keyring.sign(envelope, **NAME), "json", keyring) is MalformedEnvelopeError


# --- without a keyring -------------------------------------------------------------------------------------


def no_keyring():
    return None


def test_without_a_keyring_the_level_is_refs(keyring):
    policy = TrustPolicy("signed", home_package="json", keyring=no_keyring)
    codec = EnvelopeCodec(policy)

    assert policy.effective_level() is Trust.REFS
    assert codec.decode(reference_envelope("json", "dumps"), **NAME) is json.dumps
    assert codec.decode(codec.encode(json.dumps, **NAME), **NAME) is json.dumps


@pytest.mark.parametrize("kind", ["unsigned value", "signed value"])
def test_without_a_keyring_refusals_say_how_to_configure_one(kind, keyring, foreign_keyring):
    codec = EnvelopeCodec(TrustPolicy("signed", keyring=no_keyring))

    with pytest.raises(UntrustedError) as caught:
        codec.decode(envelopes(keyring, foreign_keyring)[kind], **NAME)
    assert "REGISTRY_SIGNING_KEY_FILE" in str(caught.value)


def test_without_a_keyring_nothing_goes_by_value():
    with pytest.raises(SerializationError, match="REGISTRY_SIGNING_KEY_FILE"):
        EnvelopeCodec(TrustPolicy("signed", keyring=no_keyring)).encode((1,), **NAME)


def test_levels_below_signed_write_only_what_they_could_read(keyring):
    with pytest.raises(SerializationError, match="trust='json' sends nothing else"):
        EnvelopeCodec(TrustPolicy("json", keyring=keyring)).encode(json.dumps, **NAME)
    with pytest.raises(SerializationError, match="trust='refs' does not"):
        EnvelopeCodec(TrustPolicy("refs", keyring=keyring)).encode((1,), **NAME)


# --- policies ----------------------------------------------------------------------------------------------


def test_levels_are_accepted_as_text():
    assert [TrustPolicy(level).level.value for level in SAFE_LEVELS] == SAFE_LEVELS
    assert TrustPolicy().level is Trust.SIGNED


@pytest.mark.parametrize("level", ["SIGNED", "", None, "none"])
def test_another_level_is_refused(level):
    with pytest.raises(ValidationError, match="trust is one of"):
        TrustPolicy(level)


@pytest.mark.parametrize("modules", [["os"], ["os.path"], ["importlib.metadata"], "json"])
def test_modules_that_nobody_should_trust_are_refused_at_once(modules):
    with pytest.raises(ValidationError):
        TrustPolicy(trusted_modules=modules)


def test_never_list_names_the_module_of_every_dangerous_builtin():
    for function in (os.system, builtins.eval, subprocess.Popen, pickle.loads):
        assert function.__module__ in reference.NEVER


def test_unsafe_warns_once_for_each_place_that_asks_for_it():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UnsafeTrustWarning)
        for _ in range(3):
            TrustPolicy("unsafe")
        TrustPolicy("unsafe")

    assert [warning.category for warning in caught] == [UnsafeTrustWarning] * 2
    assert {warning.filename for warning in caught} == {__file__}


def test_a_default_policy_can_be_pickled():
    codec = pickle.loads(pickle.dumps(EnvelopeCodec(TrustPolicy("refs", trusted_modules=["json"]))))

    assert (codec.policy.level, codec.policy.trusted_modules) == (Trust.REFS, ("json",))
