"""Bad requests: what each is answered, and that it changes nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable

from registry.conformance.check import Level, check, require
from registry.conformance.context import JSON, Context, envelope, key_envelope
from registry.conformance.contract import field_of

_NOT_STRICT = (
    *(b"", b" ", b"{", b"nonsense", b"[1,]", b"NaN", b'{"key": NaN}', b"\xff", b'{"key": "\xff\xfe"}'),
    *(b'{"key": 1, "key": 2}', b'{"a": "\\ud800"}', b"[" * 100_000, b'{"a":' * 65 + b"1" + b"}" * 65),
    *(b"\xef\xbb\xbf{}", b"{}{}", b"\x00", b'{"a": 1e999}', '{"a": 1}'.encode("utf-16")),
)


def _body(key: str = "key", value: object = 1) -> bytes:
    return json.dumps({"key": key_envelope(key), "value": envelope(value)}).encode()


def _watched(ctx: Context) -> tuple[str, str]:
    """A namespace with an entry, and its cursor."""
    namespace = ctx.namespace()
    return namespace, str(ctx.set(namespace, "kept", "as it was").json["cursor"])


def _unchanged(ctx: Context, namespace: str, cursor: str, after: str) -> None:
    require(ctx.cursor(namespace) == cursor, f"{after} has changed the namespace")
    require(ctx.keys(namespace) == ["kept"], f"{after} has changed the keys")


@check("REG-ERR-03", profile="core")
def a_body_that_is_not_strict_json_is_400(ctx: Context) -> None:
    """Broken JSON, NaN, two names alike, bad UTF-8, a BOM, a depth bomb: 400 `invalid_json`."""
    namespace, cursor = _watched(ctx)
    for body in _NOT_STRICT:
        answer = ctx.ask("set_entry", namespace, body=body)
        require(answer.status == 400, f"the body {body[:40]!r} is answered {answer.status}, not 400")
        require(answer.json["code"] == "invalid_json", f"{body[:40]!r} is {answer.json['code']!r}")
    _unchanged(ctx, namespace, cursor, "a body that is not JSON")


@check("REG-ERR-03", profile="core")
def a_body_that_is_not_declared_json_is_415(ctx: Context) -> None:
    """A body without a Content-Type, with another one, or compressed is 415; nothing of it is stored."""
    namespace, cursor = _watched(ctx)
    plain, packed = _body(), gzip.compress(_body())
    cases: Iterable[tuple[list[tuple[str, str]], bytes]] = (
        ([], plain),
        ([("content-type", "text/plain")], plain),
        ([("content-type", "application/x-www-form-urlencoded")], plain),
        ([("content-type", "application/jsonx")], plain),
        ([("content-type", "application/json; charset=latin-1")], plain),
        ([JSON, ("content-encoding", "gzip")], packed),
        ([JSON, ("content-encoding", "gzip")], plain),
    )
    for fields, body in cases:
        exchange = ctx.send("POST", f"/registry/{namespace}/set", fields=fields, body=body)
        answer = ctx.judged("set_entry", exchange)
        require(answer.status == 415, f"a body with the fields {fields} is answered {answer.status}, not 415")
    _unchanged(ctx, namespace, cursor, "a body that is not plain JSON")


@check("REG-ERR-03", profile="core")
def json_in_utf8_is_declared_json(ctx: Context) -> None:
    """`application/json` in any case, and with `charset=utf-8`, is plain JSON."""
    namespace = ctx.namespace()
    for index, text in enumerate(
        ("application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"')
    ):
        exchange = ctx.send(
            "POST", f"/registry/{namespace}/set", fields=[("content-type", text)], body=_body(f"k{index}")
        )
        require(exchange.status == 200, f"a body of the type {text!r} is answered {exchange.status}")


@check("REG-ERR-03", profile="core")
def a_body_over_the_limit_is_413_unread(ctx: Context) -> None:
    """A body that declares more bytes than published is 413 before it is sent, and 413 where it is sent."""
    namespace, cursor = _watched(ctx)
    limit = ctx.limits["body_bytes"]
    path = f"/registry/{namespace}/set"
    declared = ctx.send_head("POST", path, [JSON, ("content-length", str(limit + 1))])
    answer = ctx.judged("set_entry", declared)
    require(answer.status == 413, f"a head that declares {limit + 1:,} bytes is answered {answer.status}")
    require(answer.json["code"] == "limit_exceeded", f"the code is {answer.json['code']!r}")
    _unchanged(ctx, namespace, cursor, "a body that is too large")


@check("REG-ERR-03", profile="core")
def a_body_that_does_not_fit_is_422(ctx: Context) -> None:
    """JSON that does not fit the schema of the body is 422."""
    namespace, cursor = _watched(ctx)
    bodies: Iterable[object] = (
        *([], 1, "text", {}, {"key": key_envelope("a")}, {"value": envelope(1)}),
        {"key": "a", "value": envelope(1)},
        {"key": key_envelope("a"), "value": 1},
        {"key": key_envelope("a"), "value": envelope(1), "more": 1},
        {"key": {**key_envelope("a"), "meta": {}}, "value": envelope(1)},
    )
    for body in bodies:
        answer = ctx.ask("set_entry", namespace, body=body)
        require(answer.status == 422, f"the body {body!r} is answered {answer.status}, not 422")
    _unchanged(ctx, namespace, cursor, "a body that does not fit")


@check("REG-ERR-04", profile="core")
def a_parameter_that_does_not_fit_is_422(ctx: Context) -> None:
    """A query parameter that is unknown, repeated, missing or does not fit its schema is 422."""
    namespace, cursor = _watched(ctx)
    cases = (
        ("get_entry", "key=kept&other=1"),
        ("get_entry", "key=kept&key=kept"),
        ("get_entry", ""),
        ("get_entry", "key=kept&suggest=11"),
        ("get_entry", "key=kept&suggest=many"),
        ("delete_entry", "key=kept&key=other"),
        ("delete_entry", "key=kept&force=true"),
        ("count_entries", "key=kept"),
        ("list_keys", "limit=0"),
        ("list_keys", "limit=-1"),
        ("list_keys", "limit=1.5"),
        ("list_keys", "limit=1e2"),
        ("list_keys", "limit=+5"),
        ("list_items", "limit=" + "9" * 30),
        ("list_items", "limit=5&limit=5"),
        ("clear_namespace", "prefix=a"),
    )
    for operation, query in cases:
        answer = ctx.ask(operation, namespace, query=query)
        require(answer.status == 422, f"{answer.asked} is answered {answer.status}, not 422")
    _unchanged(ctx, namespace, cursor, "a parameter that does not fit")


@check("REG-ERR-01", profile="core")
def errors_are_problem_documents(ctx: Context) -> None:
    """Every error is `application/problem+json` with its status and a code that the contract has for it."""
    namespace = ctx.namespace()
    answers = (
        (404, "key_not_found", ctx.ask("get_entry", namespace, query={"key": "missing"})),
        (404, "key_not_found", ctx.ask("delete_entry", namespace, query={"key": "missing"})),
        (400, "invalid_json", ctx.ask("set_entry", namespace, body=b"{")),
        (422, "invalid_parameter", ctx.ask("list_keys", namespace, query={"limit": 0})),
        (422, "invalid_namespace", ctx.ask("count_entries", "a..b")),
        (400, "invalid_page", ctx.ask("list_keys", namespace, query={"page": "no page"})),
    )
    for status, code, answer in answers:
        found = (answer.status, answer.json["code"])
        require(found == (status, code), f"{answer.asked} is {found[0]} {found[1]}, not {status} {code}")


@check("REG-ERR-01", profile="core")
def other_methods_and_paths_are_problems(ctx: Context) -> None:
    """A method that a path does not have is 405 with `Allow`; a path that is none is 404."""
    namespace = ctx.namespace()
    for method, path in (("PUT", "set"), ("POST", "get"), ("GET", "delete"), ("PATCH", "clear")):
        exchange = ctx.send(method, f"/registry/{namespace}/{path}", body=b"{}" if method != "GET" else b"")
        require(exchange.status == 405, f"{exchange.asked} is answered {exchange.status}, not 405")
        require(field_of(exchange, "allow"), f"{exchange.asked}: a 405 without Allow")
    for path in (f"/registry/{namespace}", f"/registry/{namespace}/nothing", "/registry//length", "/nothing"):
        exchange = ctx.send("POST", path, fields=[JSON], body=b"{}")
        require(exchange.status in (404, 405), f"{exchange.asked} is answered {exchange.status}, not 404")


@check("REG-ERR-02", profile="core")
def a_refused_write_changes_nothing(ctx: Context) -> None:
    """After a write was refused for any reason, entries, length and cursor are as before."""
    namespace, cursor = _watched(ctx)
    good, bad = envelope(2), {**envelope(2), "data": "{"}
    refused = (
        ctx.ask("set_entry", namespace, body={"key": key_envelope("kept"), "value": bad}),
        ctx.ask("set_entry", namespace, body={"key": key_envelope("kept"), "value": good, "x": 1}),
        ctx.ask("set_entry", namespace, body=_body("kept", 2) + b"}"),
        ctx.ask("set_entry", namespace, body=_body("kept", 2), query="x=1"),
        ctx.ask("delete_entry", namespace, query="key=kept&x=1"),
        ctx.ask("clear_namespace", namespace, query="x=1"),
        ctx.ask("delete_entry", namespace, query={"key": "Kept"}),
    )
    for answer in refused:
        require(400 <= answer.status < 500, f"{answer.asked} is answered {answer.status}")
        require(ctx.cursor(namespace) == cursor, f"{answer.asked} was refused, and changed the namespace")
    require(ctx.get(namespace, "kept").json["value"] == envelope("as it was"), "a refused value is stored")
    _unchanged(ctx, namespace, cursor, "a refused write")


@check("REG-ERR-05", profile="core")
def a_mistake_has_one_status(ctx: Context) -> None:
    """A token that is malformed is 400, and a namespace, key or parameter that does not fit is 422."""
    namespace, cursor = _watched(ctx)
    cases = (
        (400, "list_keys", namespace, {"page": "no page"}),
        (400, "list_items", namespace, {"page": "no page"}),
        (400, "get_entry", namespace, "key=%FF"),
        (422, "get_entry", "a..b", {"key": "kept"}),
        (422, "get_entry", namespace, {"key": "k" * 1_025}),
        (422, "list_keys", namespace, {"limit": "many"}),
        (422, "delete_entry", "a..b", {"key": "kept"}),
    )
    for status, operation, where, query in cases:
        ctx.expect(status, operation, where, query=query)
    _unchanged(ctx, namespace, cursor, "a mistake")


@check("REG-ERR-06", profile="core")
def the_first_mistake_is_answered(ctx: Context) -> None:
    """Of two mistakes the first is answered, in the order: namespace, query, body's type, syntax, schema."""
    namespace, cursor = _watched(ctx)
    text = ("content-type", "text/plain")
    cases = (
        (422, "invalid_namespace", "a..b", "?x=1", [JSON], b"{"),
        (422, "invalid_parameter", namespace, "?x=1", [text], b"{"),
        (422, "invalid_parameter", namespace, "?x=1", [JSON], b"{"),
        (415, "unsupported_media_type", namespace, "", [text], b"{"),
        (400, "invalid_json", namespace, "", [JSON], b'{"key": 1'),
    )
    for status, code, where, query, fields, body in cases:
        exchange = ctx.send("POST", f"/registry/{where}/set{query}", fields=fields, body=body)
        answer = ctx.judged("set_entry", exchange)
        found = (answer.status, answer.json["code"])
        require(found == (status, code), f"{answer.asked} is {found[0]} {found[1]}, not {status} {code}")
    _unchanged(ctx, namespace, cursor, "a request with two mistakes")


@check("REG-ERR-07", profile="core")
def an_empty_segment_makes_another_path(ctx: Context) -> None:
    """A path with an empty segment, in it or at its end, is 404 and not a redirect."""
    namespace, _ = _watched(ctx)
    length = f"/{namespace}/length"
    for path in (f"/registry/{length}", f"/registry/{namespace}//length", f"/registry{length}/", "/health/"):
        exchange = ctx.send("GET", path)
        require(exchange.status == 404, f"{exchange.asked} is answered {exchange.status}, not 404")


@check("REG-ERR-01", profile="core", level=Level.SHOULD)
def a_missing_key_says_what_was_asked(ctx: Context) -> None:
    """The document of a 404 names key and namespace in `context`, so a client can tell what is missing."""
    namespace = ctx.namespace()
    found = ctx.get(namespace, "mes", status=404).json.get("context", {})
    wanted = {"key": "mes", "namespace": namespace}
    require({name: found.get(name) for name in wanted} == wanted, f"the context of the 404 is {found}")


@check("REG-SRV-04", profile="core", level=Level.SHOULD)
def a_head_over_the_limit_is_refused(ctx: Context) -> None:
    """Header fields larger than published are refused, with 431, and the server goes on serving."""
    size = ctx.limits["header_bytes"]
    fields = [(f"x-conformance-{number}", "x" * 4_000) for number in range(size // 4_000 + 2)]
    exchange = ctx.wire.send("GET", "/capabilities", fields=fields)
    ctx.exchanges.append(exchange)
    require(exchange.status in (400, 413, 431, None), f"{size + 4_000:,} bytes of fields: {exchange.status}")
    ctx.expect(200, "get_health")
    require(exchange.status == 431, f"refused with {exchange.status or exchange.trouble}, not 431")
