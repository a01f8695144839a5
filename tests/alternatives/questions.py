"""Questions that servers answer alike: status, code, and a success but for its epoch and time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

import httpx


@dataclass(frozen=True)
class Question:
    """A request, asked in the order of the list: each finds what those before it have left."""

    name: str
    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


def envelope(value: Any) -> dict[str, str]:
    return {"type": "json", "data": json.dumps(value), "encoding": "json"}


def pair(key: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"key": envelope(key), "value": envelope(value), **more}


ONE: Final = "/registry/alternatives.one"
TWO: Final = "/registry/alternatives.two/batch"
JSON: Final = {"Content-Type": "application/json"}


def get(name: str, path: str, **headers: str) -> Question:
    return Question(name, "GET", path, None, {key.replace("_", "-"): text for key, text in headers.items()})


def post(name: str, path: str, body: Any, **headers: str) -> Question:
    """``body`` is sent as it is where it is bytes or text."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return Question(
        name, "POST", path, raw, JSON | {key.replace("_", "-"): text for key, text in headers.items()}
    )


def put(name: str, key: str, value: Any, **headers: str) -> Question:
    return post(name, f"{ONE}/set", pair(key, value), **headers)


WRITES: Final = [
    put("a new key", "a", 1),
    put("the same again", "a", 1),
    put("the same, create only", "a", 1, If_None_Match="*"),
    put("If-None-Match with an ETag on a write", "a", 1, If_None_Match='"x.1"'),
    put("both conditions", "a", 2, If_None_Match="*", If_Match='"x.1"'),
    put("If-Match without quotes", "a", 2, If_Match="x.1"),
    put("If-Match with two ETags", "a", 2, If_Match='"x.1", "y.2"'),
    put("If-Match with another version", "a", 2, If_Match='"x.1"'),
    put("If-Match with a weak ETag", "a", 2, If_Match='W/"x.1"'),
    put("any version of a missing entry", "zz", 2, If_Match="*"),
    put("a version of a missing entry", "zz", 2, If_Match='"x.1"'),
    put("any version", "a", 3, If_Match="*"),
    put("a key of 1,025 bytes", "k" * 1025, 1),
    put("a value beyond the limit", "a", "x" * (8 << 20)),
]

READS: Final = [
    get("an entry", f"{ONE}/get?key=a"),
    get("any version that I have", f"{ONE}/get?key=a", If_None_Match="*"),
    get("a version without quotes", f"{ONE}/get?key=a", If_None_Match="x.1"),
    get("another version", f"{ONE}/get?key=a", If_None_Match='W/"x.1", "y"'),
    get("a missing entry, whatever I have", f"{ONE}/get?key=b", If_None_Match="*"),
    get("no key", f"{ONE}/get"),
    get("an empty key", f"{ONE}/get?key="),
    get("two keys", f"{ONE}/get?key=a&key=b"),
    get("an unknown parameter", f"{ONE}/get?key=a&x=1"),
    get("a key that is not UTF-8", f"{ONE}/get?key=%ff"),
    get("a key with a surrogate", f"{ONE}/get?key=%ed%a0%80"),
    get("a key of 1,200 bytes and 600 characters", f"{ONE}/get?key={'%c3%a9' * 600}"),
    get("a plus", f"{ONE}/get?key=a+b"),
    get("near names", f"{ONE}/get?key=aa&suggest=3"),
    get("too many near names", f"{ONE}/get?key=aa&suggest=11"),
    get("a signed number", f"{ONE}/get?key=aa&suggest=%2B3"),
    get("a number that is none", f"{ONE}/get?key=aa&suggest="),
    get("whether it is there", f"{ONE}/contains?key=a"),
    get("whether it is not", f"{ONE}/contains?key=zz"),
    get("a namespace with an empty segment", "/registry/a..b/length"),
    get("a namespace that is encoded", "/registry/alternatives%2Eone/length"),
    get("a namespace with a slash", "/registry/a%2Fb/length"),
    get("a namespace of 256 characters", f"/registry/{'a' * 256}/length"),
    get("a namespace nobody has written to", "/registry/nobody/items"),
    get("no such path", "/x"),
    get("no such operation", "/registry/a/b"),
    get("another method", f"{ONE}/set"),
    Question("a method of no path", "TRACE", "/health"),
    Question("the head of a read", "HEAD", "/health"),
    get("health", "/health"),
    get("health with a parameter", "/health?x=1"),
    get("readiness", "/ready"),
]

BODIES: Final = [
    post(name, f"{ONE}/set", body)
    for name, body in {
        "no body": "",
        "a name twice": '{"key": 1, "key": 2}',
        "NaN": '{"key": NaN}',
        "a list": "[]",
        "65 levels": "[" * 65 + "]" * 65,
        "64 levels": "[" * 64 + "]" * 64,
        "a lone surrogate": '{"key": "\\ud800"}',
        "a byte order mark": b"\xef\xbb\xbf{}",
        "no UTF-8": b'{"key": "\xff"}',
        "a large integer": f'{{"key": {"1" * 4301}}}',
        "a number beyond a double": '{"key": 1e999}',
        "a key that is a number": {**pair("a", 1), "key": envelope(1)},
        "a key with meta": {**pair("a", 1), "key": {**envelope("a"), "meta": {}}},
        "an empty key": pair("", 1),
        "white space around the key": {**pair("a", 3), "key": {**envelope("a"), "data": ' "a" '}},
        "a key in too much white space": {
            **pair("a", 3),
            "key": {**envelope("a"), "data": '"a"' + " " * 13_000},
        },
        "no key at all": {"value": envelope(1)},
        "no value at all": {"key": envelope("a")},
        "an unknown field": pair("a", 1, x=1),
        "a value that is no envelope": {**pair("a", 1), "value": 3},
        "data that is no JSON": {**pair("a", 1), "value": {**envelope(1), "data": "{"}},
        "a pair that is none": {**pair("a", 1), "value": {**envelope(1), "encoding": "base64"}},
    }.items()
]

MEDIA_TYPES: Final = [
    put("text", "a", 3, Content_Type="text/plain"),
    put("JSON in UTF-8", "a", 3, Content_Type="application/json; charset=utf-8"),
    put("JSON in Latin 1", "a", 3, Content_Type="application/json; charset=latin-1"),
    put("JSON with another parameter", "a", 3, Content_Type="application/json; foo=1"),
    put("a compressed body", "a", 3, Content_Encoding="gzip"),
    put("an uncompressed body that says so", "a", 3, Content_Encoding="identity"),
]

BATCHES: Final = [
    post(name, f"{TWO}/{operation}", body)
    for name, operation, body in [
        ("a batch", "set", {"entries": [pair("a", 1), pair("b", 2), pair("c", 3, expect="absent")]}),
        ("refused in part", "set", {"entries": [pair("a", 1), pair("b", 2, expect="absent"), pair("d", 4)]}),
        (
            "refused as a whole",
            "set",
            {"entries": [pair("a", 7), pair("b", 2, expect="x.1")], "atomic": True},
        ),
        ("an ETag in quotes", "set", {"entries": [pair("a", 7, expect='"x.1"')]}),
        ("a star", "set", {"entries": [pair("a", 7, expect="*")]}),
        ("a key twice", "set", {"entries": [pair("a", 7), pair("a", 8)]}),
        ("nothing", "set", {"entries": []}),
        ("1,001 entries", "set", {"entries": [pair(str(n), n) for n in range(1001)]}),
        (
            "a malformed one",
            "set",
            {"entries": [pair("a", 7), {**pair("e", 1), "value": envelope(1) | {"data": "{"}}]},
        ),
        ("a batch of reads", "get", {"entries": [{"key": envelope("a")}, {"key": envelope("nobody")}]}),
        ("a read twice", "get", {"entries": [{"key": envelope("a")}, {"key": envelope("a")}]}),
        ("atomic reads", "get", {"entries": [{"key": envelope("a")}], "atomic": True}),
        ("removals", "delete", {"entries": [{"key": envelope("b")}, {"key": envelope("nobody")}]}),
        (
            "removals refused in part",
            "delete",
            {
                "entries": [
                    {"key": envelope("a"), "expect": "x.1"},
                    {"key": envelope("nobody"), "expect": "x.1"},
                ]
            },
        ),
        (
            "removals refused as a whole",
            "delete",
            {"entries": [{"key": envelope("c")}, {"key": envelope("a"), "expect": "x.1"}], "atomic": True},
        ),
        ("a missing one in a whole", "delete", {"entries": [{"key": envelope("nobody")}], "atomic": True}),
        ("a removal twice", "delete", {"entries": [{"key": envelope("a")}, {"key": envelope("a")}]}),
    ]
]

LISTINGS: Final = [
    post("a replaced entry keeps its place", f"{TWO}/set", {"entries": [pair("a", 9)]}),
    get("a page of the keys", "/registry/alternatives.two/keys?limit=2"),
    get("a page of the entries", "/registry/alternatives.two/items?limit=1"),
    get("a page of the namespaces", "/namespaces?prefix=alternatives.&limit=1"),
    get("the keys", "/registry/alternatives.two/keys"),
    get("the entries", "/registry/alternatives.two/items"),
    get("an empty prefix", "/registry/alternatives.two/keys?prefix="),
    get("a prefix", "/registry/alternatives.two/keys?prefix=c"),
    get("no page token", "/registry/alternatives.two/keys?page=%20"),
    get("an empty page token", "/registry/alternatives.two/keys?page="),
    get("no entries at most", "/registry/alternatives.two/keys?limit=0"),
    get("the namespaces", "/namespaces?prefix=alternatives."),
    get("no page token of namespaces", "/namespaces?page=zzz"),
    Question("a removal", "DELETE", "/registry/alternatives.two/delete?key=a"),
    Question("a removal of what is gone", "DELETE", "/registry/alternatives.two/delete?key=a"),
    Question(
        "a conditional one", "DELETE", "/registry/alternatives.two/delete?key=a", None, {"If-Match": "*"}
    ),
    *(
        Question(
            f"{method} {name} with {field}: {text}",
            method,
            f"/registry/alternatives.two/{name}",
            None,
            {field: text},
        )
        for method, name in (
            ("DELETE", "delete?key=b"),
            ("DELETE", "clear"),
            ("GET", "get?key=b"),
            ("GET", "keys"),
            ("GET", "length"),
        )
        for field in ("If-Match", "If-None-Match", "If-Unmodified-Since")
        for text in ('"x.1"', ', "x.1",,', "x.1", ",", '*, "x.1"', 'W/"x.1"')
        if method == "GET" or field != "If-None-Match" or text in ("x.1", ",", '*, "x.1"')
    ),
    Question("emptied", "DELETE", "/registry/alternatives.two/clear"),
    Question("emptied again", "DELETE", "/registry/alternatives.two/clear"),
    get("how many there are", "/registry/alternatives.two/length"),
]

QUESTIONS: Final = [*WRITES, *READS, *BODIES, *MEDIA_TYPES, *BATCHES, *LISTINGS]


def answer(client: httpx.Client, question: Question) -> dict[str, Any]:
    """What has to be the same on every server."""
    response = client.request(question.method, question.path, content=question.body, headers=question.headers)
    kind = response.headers.get("Content-Type", "").partition(";")[0] if response.content else None
    body = response.json() if response.content else None
    if response.is_error and body is not None:
        named: tuple[str, ...] = ("type", "status", "code", "cursor", "current")
        # Further suggestions are words for people, and may differ; near names are promised.
        named += ("suggestions",) if body["code"] == "key_not_found" else ()
        body = {name: body.get(name) for name in named}
    if response.is_success and "next" in (body or {}):
        body["next"] = "opaque"
    names = ("ETag", "Registry-Cursor", "Allow")
    headers = {name: response.headers[name] for name in names if name in response.headers}
    comparable = {"status": response.status_code, "kind": kind, "headers": headers, "body": body}
    return json.loads(without_epoch_and_time(json.dumps(comparable)))  # type: ignore[no-any-return]


def without_epoch_and_time(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8,}\.(\d+)", r"epoch.\1", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "time", text)
