"""The form of envelopes: what is stored, what is refused, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from registry.conformance.check import check, require
from registry.conformance.context import Context, envelope, key_envelope

DEEPEST = 64
LONGEST_INTEGER = 4_300
PICKLE = {"type": "pickle", "data": "gASVBgAAAAAAAACMAmhplC4=", "encoding": "base64"}

ILL_FORMED: tuple[dict[str, Any], ...] = (
    {"type": "json", "data": "1", "encoding": "base64"},
    {"type": "pickle", "data": "MQ==", "encoding": "json"},
    {"type": "yaml", "data": "1", "encoding": "json"},
    {"type": "json", "data": "1"},
    {"data": "1", "encoding": "json"},
    {"type": "json", "encoding": "json"},
    {"type": "json", "data": 1, "encoding": "json"},
    {"type": "json", "data": None, "encoding": "json"},
    {"type": "json", "data": "1", "encoding": "json", "extra": 1},
    {"type": "json", "data": "1", "encoding": "json", "meta": {"a": 1}},
    {"type": "json", "data": "1", "encoding": "json", "meta": ["a"]},
    {"type": "json", "data": "1", "encoding": "json", "signature": ""},
    {"type": "json", "data": "1", "encoding": "json", "signature": "not one!"},
)

NOT_STRICT = (
    *("", " ", "NaN", "Infinity", "-Infinity", "[NaN]", "1e999", "-1e999", '{"a": 1, "a": 2}'),
    *(
        '{"a": {"b": 1, "b": 1}}',
        '{"a": 1, "\\u0061": 2}',
        '"\\ud800"',
        '["\\udc00"]',
        "[1,]",
        "{'a': 1}",
        "01",
    ),
    *(
        "+1",
        ".5",
        "1.",
        "True",
        "nul",
        '"',
        '"\t"',
        "1 2",
        "[1",
        "]",
        "\ufeff1",
        "/* 1 */ 1",
        "1" * (LONGEST_INTEGER + 1),
    ),
    *(
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
        '{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1),
        "[" * 100_000,
    ),
)

NOT_CANONICAL = (
    "QQ",
    "QQ=",
    "QR==",
    "QQ==\n",
    " QQ==",
    "Q Q==",
    "QQ==QQ==",
    "QQ==x",
    "-_-_",
    "é",
    "====",
    "Q===",
)


def _refused(ctx: Context, values: Iterable[Mapping[str, Any]]) -> None:
    """Each of the values is 422 ``malformed_envelope``, and nothing of it is stored."""
    namespace = ctx.namespace()
    ctx.set(namespace, "key", "kept")
    head = ctx.cursor(namespace)
    for value in values:
        body = {"key": key_envelope("key"), "value": value}
        answer = ctx.ask("set_entry", namespace, body=body)
        require(answer.status == 422, f"the envelope {value!r:.120} is answered {answer.status}, not 422")
        code = answer.json["code"]
        require(code == "malformed_envelope", f"the envelope {value!r:.120} is refused as {code!r}")
    require(ctx.cursor(namespace) == head, "an envelope that was refused has changed the namespace")
    require(ctx.get(namespace, "key").json["value"] == envelope("kept"), "a refused envelope is stored")


@check("REG-ENV-01", profile="core")
def envelopes_have_their_fields(ctx: Context) -> None:
    """An envelope with a field too few, too many or of another type, or types that do not pair, is 422."""
    _refused(ctx, ILL_FORMED)


@check("REG-ENV-02", profile="core")
def data_of_json_is_strict(ctx: Context) -> None:
    """Data that is not strict JSON is 422: NaN, two names alike, lone surrogates, overflows, depth bombs."""
    _refused(ctx, [{"type": "json", "data": data, "encoding": "json"} for data in NOT_STRICT])


@check("REG-ENV-02", "REG-ENV-04", profile="core")
def all_strict_json_is_taken(ctx: Context) -> None:
    """Strict JSON of whatever spelling is stored as its text: nothing is parsed and written anew."""
    namespace = ctx.namespace()
    texts = [
        *(
            "null",
            "true",
            '""',
            "[]",
            "{}",
            "-0",
            "1.0",
            "1E400".replace("400", "2"),
            "1e-999",
            "12345678901234567890123",
        ),
        *(' { "b" : 1 , "a" : [ ] } ', '"\\u0000\\ud83d\\ude42/\\/"', "9" * LONGEST_INTEGER, '{"": {"": 1}}'),
        "[" * DEEPEST + "]" * DEEPEST,
    ]
    for index, text in enumerate(texts):
        ctx.set(namespace, f"k{index}", {"type": "json", "data": text, "encoding": "json"})
        found = ctx.get(namespace, f"k{index}").json["value"]["data"]
        require(found == text, f"stored the text {text!r:.80}, read {found!r:.80}")


@check("REG-ENV-03", profile="core")
def data_of_pickles_is_canonical_base64(ctx: Context) -> None:
    """Data of a pickle that is not canonical base64 is 422, and what it spells is not looked into."""
    _refused(ctx, [{**PICKLE, "data": data} for data in NOT_CANONICAL])
    namespace = ctx.namespace()
    for data in ("", "QQ==", "QUI=", "QUJD", "Y29zCnN5c3RlbQooUydleGl0IDEnCnRSLg=="):
        ctx.set(namespace, "key", {**PICKLE, "data": data})
        require(ctx.get(namespace, "key").json["value"]["data"] == data, f"{data!r} does not come back")
