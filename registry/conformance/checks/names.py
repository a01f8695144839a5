"""Namespaces and keys: which are taken, which refused, and that no two are made one."""

from __future__ import annotations

from itertools import pairwise
from urllib.parse import quote

from registry.conformance.check import check, require
from registry.conformance.context import Context, envelope, key_envelope

HOSTILE_KEYS = (
    *(".", "..", "/", "//", "a/../b", "%2F", "%2f", "%25", "%", "%00", "+", " ", "a+b", "a b", "a%20b"),
    *(
        "\x00",
        "a\x00b",
        "\n",
        "\r\n",
        "\t",
        "a",
        " a",
        "a ",
        "a\n",
        "\ta",
        "?",
        "#",
        "&",
        "=",
        "a=b&c=d",
        ";",
        ",",
        '"',
        "\\",
        "'",
    ),
    *("\u00e9", "e\u0301", "\ufb01", "fi", "K", "\u212a", "k", "\u00df", "SS", "\u0130", "i"),
    *("🙂", "👩\u200d👩\u200d👧", "\ufeff", "\u202e", "\ufffe", "\U0010ffff", "null", "__proto__", "0", "00"),
    *("x" * 1_024, "é" * 512, "🙂" * 256),
)
"""Keys that a path, a query, a database or a normalisation would change, each other than all the rest."""


@check("REG-NAME-02", profile="core")
def every_text_is_a_key(ctx: Context) -> None:
    """Keys of any characters are taken, kept apart, listed and found: nothing is normalised or trimmed."""
    namespace = ctx.namespace()
    for index, key in enumerate(HOSTILE_KEYS):
        stored = ctx.set(namespace, key, index).json
        require(
            stored["outcome"] == "created",
            f"the key {key!r:.60} is {stored['outcome']}: made one with another",
        )
        require(stored["key"] == key, f"the key {key!r:.60} is answered as {stored['key']!r:.60}")
    for index, key in enumerate(HOSTILE_KEYS):
        read = ctx.get(namespace, key).json["value"]["data"]
        require(
            read == str(index),
            f"under {key!r:.60} lies what was stored under {HOSTILE_KEYS[int(read)]!r:.60}",
        )
    require(ctx.keys(namespace) == list(HOSTILE_KEYS), "the keys are not listed as they were stored")
    for key in HOSTILE_KEYS:
        ctx.delete(namespace, key)
        require(not ctx.contains(namespace, key), f"{key!r:.60} is there after it was deleted")


@check("REG-NAME-02", profile="core")
def no_empty_and_no_longer_key(ctx: Context) -> None:
    """The empty text, one of more than 1,024 bytes, and a lone surrogate are no keys: 422 `invalid_key`."""
    namespace = ctx.namespace()
    for key in ("", "x" * 1_025, "é" * 513, "🙂" * 257, "x" * 4_096):
        answers = [ctx.set(namespace, key, 1, status=422), ctx.get(namespace, key, status=422)]
        for answer in answers:
            require(
                answer.json["code"] == "invalid_key", f"{answer.asked}: refused as {answer.json['code']!r}"
            )
    body = {"key": {**key_envelope("k"), "data": '"\\ud800"'}, "value": envelope(1)}
    ctx.expect(422, "set_entry", namespace, body=body)
    require(ctx.length(namespace) == 0, "a key that was refused is stored")


@check("REG-NAME-03", profile="core")
def a_key_is_spelled_as_a_json_string(ctx: Context) -> None:
    """In a body a key is an envelope whose data spells a JSON string, in whichever of its spellings."""
    namespace = ctx.namespace()
    spelled = {"type": "json", "data": '"\\u0061\\u00e9"', "encoding": "json"}
    stored = ctx.expect(200, "set_entry", namespace, body={"key": spelled, "value": envelope(1)}).json
    require(stored["key"] == "aé", f"the data {spelled['data']} is read as {stored['key']!r}")
    for data in ("12345", "null_", "[1,2]", '{"a":1}', "true", "plain", '"open', "NaN"):
        body = {"key": {**spelled, "data": data}, "value": envelope(1)}
        refused = ctx.expect(422, "set_entry", namespace, body=body).json
        require(refused["code"] == "invalid_key", f"key data {data} is refused as {refused['code']!r}")
    pickled = {"type": "pickle", "data": "gASVBgAAAAAAAACMAmhplC4=", "encoding": "base64"}
    ctx.expect(422, "set_entry", namespace, body={"key": pickled, "value": envelope(1)})
    require(ctx.keys(namespace) == ["aé"], f"what is stored is {ctx.keys(namespace)}")


@check("REG-NAME-03", profile="core")
def a_plus_in_a_query_is_a_space(ctx: Context) -> None:
    """In a query `+` and `%20` are a space and `%2B` a plus."""
    namespace = ctx.namespace()
    ctx.set(namespace, "a b", "space")
    ctx.set(namespace, "a+b", "plus")
    for text, value in (("a+b", "space"), ("a%20b", "space"), ("a%2Bb", "plus"), ("%61%2bb", "plus")):
        found = ctx.expect(200, "get_entry", namespace, query=f"key={text}").json["value"]["data"]
        require(found == f'"{value}"', f"?key={text} reads {found}, not {value}")


@check("REG-NAME-01", profile="core")
def namespaces_have_their_form(ctx: Context) -> None:
    """Segments of ASCII letters and digits with single dots between, of 255 characters at most; else 422."""
    good = f"{ctx.namespace()}.A.0.z9"
    longest = f"{good}.{'x' * (254 - len(good))}"
    for name in (good, longest):
        require(ctx.length(name) == 0, f"{name:.60} does not read as empty")
    for bad in ("a..b", ".a", "a.", "a-b", "a_b", "a b", "é", "a\n", f"{longest}x", "%2e%2e", "*"):
        exchange = ctx.send("GET", f"/registry/{quote(bad, safe='')}/length")
        answer = ctx.judged("count_entries", exchange)
        require(answer.status == 422, f"the namespace {bad!r:.60} is answered {answer.status}")
        require(answer.json["code"] == "invalid_namespace", f"{bad!r:.60} is {answer.json['code']!r}")


@check("REG-NAME-01", profile="core")
def a_fresh_namespace_reads_as_empty(ctx: Context) -> None:
    """What nobody has written to has no keys, the length 0, and a cursor at revision 0."""
    namespace = ctx.namespace()
    require(ctx.keys(namespace) == [] and ctx.length(namespace) == 0, "a fresh namespace is not empty")
    require(ctx.cursor(namespace).endswith(".0"), f"its cursor is {ctx.cursor(namespace)!r}")
    ctx.get(namespace, "key", status=404)
    require(ctx.clear(namespace).json["count"] == 0, "clearing a fresh namespace removes something")


@check("REG-NAME-01", profile="core")
def namespaces_are_compared_by_code_point(ctx: Context) -> None:
    """Namespaces that differ in case, or by one segment, are different ones."""
    root = ctx.namespace()
    names = [f"{root}.{name}" for name in ("abc", "ABC", "Abc", "abc.d", "a.bc")]
    try:
        for index, name in enumerate(names):
            ctx.set(name, "key", index)
        found = [ctx.get(name, "key").json["value"]["data"] for name in names]
        require(found == [str(index) for index in range(len(names))], f"namespaces run together: {found}")
        require(all(a != b for a, b in pairwise(found)), "two namespaces hold one entry")
    finally:
        for name in names:
            ctx.wire.send("DELETE", f"/registry/{name}/clear")
