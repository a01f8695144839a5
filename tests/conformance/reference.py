"""A small server of the protocol, in memory: what the kit is tested on, sound, and broken in `mutants`.

Written to be read and overridden, not for speed: one lock, one method for each thing that can go wrong.
Schemas come from ``openapi.yaml``; of the library it uses the kernel (names, the form of envelopes) alone.
"""

from __future__ import annotations

import json
import re
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import jsonschema_rs

from registry.envelope.form import Envelope, parse_json
from registry.errors import EnvelopeTooLargeError, ValidationError
from registry.names import check_key, check_namespace
from registry.spec import load_spec

SPEC = load_spec()
PAGE_BYTES = 8 * 1024 * 1024
TAG_CONDITIONS = ("if-match", "if-none-match")
CONDITIONS = (*TAG_CONDITIONS, "if-modified-since", "if-unmodified-since", "if-range")
HONOURED = {"entry": TAG_CONDITIONS, "namespace": ("if-match",), "body": (), "none": ()}
RIDES_ALONG = 64 * 1024

Named = Callable[[str], bool]


class Problem(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, **members: Any) -> None:
        super().__init__(code)
        self.status, self.code = status, code
        self.headers = members.pop("headers", {})
        self.members = members

    def document(self) -> dict[str, Any]:
        head = {"type": f"/problems/{self.code}", "title": self.code, "status": self.status}
        return {**head, "detail": self.code, "code": self.code, **self.members}


@dataclass
class Request:
    """A request whose body is not yet read; field names in lower case."""

    method: str
    path: str
    query: str
    fields: Mapping[str, str]
    read_body: Callable[[], bytes]


@dataclass
class Response:
    status: int
    body: Any = None
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Entry:
    key: str
    wire: dict[str, Any]
    digest: str
    revision: int
    created: int
    updated_at: str


@dataclass
class Change:
    revision: int
    op: str
    key: str | None
    digest: str | None
    batch: int
    updated_at: str


@dataclass
class Space:
    """A namespace: entries in creation order, its latest revision, its changes."""

    entries: dict[str, Entry] = field(default_factory=dict)
    head: int = 0
    log: list[Change] = field(default_factory=list)
    batches: int = 0


class Operation:
    """One operation as the specification has it."""

    def __init__(self, path: str, method: str, definition: Mapping[str, Any], shared: list[Any]) -> None:
        self.id: str = definition["operationId"]
        self.method = method.upper()
        self.segments = path.split("/")[1:]
        self.open = definition.get("security") == []
        self.scope: str = definition.get("x-scope", "any")
        self.conditions: str = definition["x-conditions"]
        self.scope_each: bool = definition.get("x-scope-each", False)
        parameters = [_resolved(one) for one in [*shared, *definition.get("parameters", [])]]
        self.parameters = {one["name"]: one for one in parameters if one["in"] == "query"}
        body = definition.get("requestBody")
        self.body = body and validator(body["content"]["application/json"]["schema"])

    def fits(self, segments: list[str]) -> bool:
        return len(segments) == len(self.segments) and all(
            mine in (theirs, "{namespace}") for mine, theirs in zip(self.segments, segments, strict=True)
        )


def _resolved(node: Any) -> Any:
    while "$ref" in node:
        kind, name = node["$ref"].split("/")[-2:]
        node = SPEC["components"][kind][name]
    return node


def validator(schema: Mapping[str, Any]) -> Any:
    return jsonschema_rs.Draft4Validator({**schema, "components": SPEC["components"]})


OPERATIONS = [
    Operation(path, method, definition, operations.get("parameters", []))
    for path, operations in SPEC["paths"].items()
    for method, definition in operations.items()
    if method != "parameters"
]


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


class Reference:
    """The server, without HTTP's own grammar: `answer` from a request to a response."""

    profiles = ("core", "conditional", "batch", "watch", "durable")
    limits: Mapping[str, int] = {
        "body_bytes": 16 * 1024 * 1024,
        "value_bytes": 8 * 1024 * 1024,
        "key_bytes": 1_024,
        "batch_entries": 1_000,
        "page_entries": 1_000,
        "json_depth": 64,
        "header_bytes": 32 * 1024,
    }
    kept_changes = 10_000
    tokens: Mapping[str, tuple[str, str]] = {}
    """The namespace and the permission of each token's scope."""
    problem_type = "application/problem+json"

    def __init__(self) -> None:
        self.epoch = "e1"
        self.spaces: dict[str, Space] = {}
        self.moved = threading.Condition(threading.RLock())
        self.counts: dict[str, int] = {}
        self.restarts = 0

    # ---- from a request to an answer

    def answer(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except Problem as problem:
            fields = {"content-type": self.problem_type, **problem.headers}
            return Response(problem.status, problem.document(), fields)

    def _answer(self, request: Request) -> Response:
        if request.path == "/-restart":
            return Response(200, self.restart() or {})
        if (
            sum(len(name) + len(value) for name, value in request.fields.items())
            > self.limits["header_bytes"]
        ):
            raise Problem(431, "headers_too_large")
        segments = request.path.split("/")[1:]
        there = [operation for operation in OPERATIONS if operation.fits(segments)]
        if not there:
            raise Problem(404, "not_found")
        operation = next((one for one in there if one.method == request.method), None)
        if operation is None:
            allowed = ", ".join(one.method for one in there)
            raise Problem(405, "method_not_allowed", headers={"allow": allowed})
        return self.operate(operation, segments, request)

    def operate(self, operation: Operation, segments: list[str], request: Request) -> Response:
        self.counts[operation.id] = self.counts.get(operation.id, 0) + 1
        scope = self.authorize(operation, request)
        arguments: dict[str, Any] = {"fields": request.fields}
        if "{namespace}" in operation.segments:
            arguments["namespace"] = self.namespace_of(unquote(segments[1]))
        arguments |= self.query_of(operation, request.query)
        self.check_fields(operation, request.fields)
        if operation.scope_each:
            arguments["may_read"] = lambda name: scope is None or self.reaches(scope, name, "read")
        elif scope is not None and operation.scope != "any":
            self.check_scope(scope, arguments.get("namespace", "*"), operation.scope)
        if operation.body:
            arguments["body"] = self.body_of(operation, request)
        handle: Callable[..., Response] = getattr(self, operation.id)
        return handle(**arguments)

    def authorize(self, operation: Operation, request: Request) -> tuple[str, str] | None:
        """The scope of the request's token; None where none is needed."""
        if not self.tokens or operation.open:
            return None
        scheme, _, token = request.fields.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token not in self.tokens:
            raise Problem(401, "unauthorized", headers={"www-authenticate": "Bearer"})
        return self.tokens[token]

    def check_scope(self, scope: tuple[str, str], namespace: str, needed: str) -> None:
        if not self.reaches(scope, namespace, needed):
            raise Problem(403, "forbidden", context={"needed": f"{namespace}:{needed}"})

    def reaches(self, scope: tuple[str, str], namespace: str, needed: str) -> bool:
        ranks = ("read", "write", "admin")
        return self.covers(scope[0], namespace) and ranks.index(needed) <= ranks.index(scope[1])

    def covers(self, held: str, namespace: str) -> bool:
        return held in ("*", namespace) or namespace.startswith(f"{held}.")

    def namespace_of(self, text: str) -> str:
        try:
            return check_namespace(text)
        except ValidationError:
            raise Problem(422, "invalid_namespace") from None

    # ---- queries and bodies

    def query_of(self, operation: Operation, query: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in filter(None, query.split("&")):
            name, _, text = part.partition("=")
            name, value = self.unescaped(name), self.unescaped(text)
            if name not in operation.parameters:
                self.unknown_parameter(name)
                continue
            if name in found:
                raise Problem(422, "invalid_parameter")
            found[name] = self.parameter(operation.parameters[name], value)
        missing = [
            one for name, one in operation.parameters.items() if one.get("required") and name not in found
        ]
        if missing:
            raise Problem(422, missing[0].get("x-problem-code", "invalid_parameter"))
        return found

    def unknown_parameter(self, name: str) -> None:
        raise Problem(422, "invalid_parameter")

    def unescaped(self, text: str) -> str:
        try:
            return unquote_to_bytes(text.replace("+", " ")).decode()
        except UnicodeDecodeError:
            raise Problem(400, "invalid_request") from None

    def parameter(self, definition: Mapping[str, Any], text: str) -> Any:
        value: Any = text
        if definition["schema"]["type"] == "integer":
            if not re.fullmatch(r"-?[0-9]{1,18}", text):
                raise Problem(422, "invalid_parameter")
            value = int(text)
        if definition["name"] == "key":
            return self.key_text(value)
        if not jsonschema_rs.Draft4Validator(definition["schema"]).is_valid(value):
            raise Problem(422, "invalid_parameter")
        return value

    def key_text(self, key: object) -> str:
        try:
            return check_key(key)
        except ValidationError:
            raise Problem(422, "invalid_key") from None

    def body_of(self, operation: Operation, request: Request) -> Any:
        self.media_type(request)
        if int(request.fields.get("content-length", "0")) > self.limits["body_bytes"]:
            raise Problem(413, "limit_exceeded")
        body = self.parsed(request.read_body())
        if isinstance(body, dict):
            for part in self.parts_of(body):
                self.check_part(part)
        if not operation.body.is_valid(body):
            raise Problem(422, "invalid_body")
        return body

    def parts_of(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        entries = body.get("entries")
        parts = entries if isinstance(entries, list) else [body]
        return [part for part in parts if isinstance(part, dict)]

    def check_part(self, part: dict[str, Any]) -> None:
        if isinstance(part.get("key"), dict):
            self.key_of(part["key"])
        if isinstance(part.get("value"), dict):
            self.envelope_of(part["value"])

    def media_type(self, request: Request) -> None:
        kind = re.sub(r"[\" ]", "", request.fields.get("content-type", "")).lower()
        if kind not in ("application/json", "application/json;charset=utf-8") or (
            "content-encoding" in request.fields
        ):
            raise Problem(415, "unsupported_media_type")

    def parsed(self, raw: bytes) -> Any:
        try:
            return parse_json(raw.decode())
        except (UnicodeDecodeError, ValidationError):
            raise Problem(400, "invalid_json") from None

    def key_of(self, wire: dict[str, Any]) -> str:
        try:
            if wire.get("type") != "json" or wire.get("encoding") != "json" or len(wire) != 3:
                raise Problem(422, "invalid_key")
            return self.key_text(parse_json(wire["data"]))
        except (ValidationError, KeyError, TypeError):
            raise Problem(422, "invalid_key") from None

    def envelope_of(self, wire: dict[str, Any]) -> Envelope:
        try:
            return Envelope.from_dict(wire)
        except EnvelopeTooLargeError:
            raise Problem(413, "value_too_large") from None
        except (ValidationError, TypeError):
            raise Problem(422, "malformed_envelope") from None

    def stored_form(self, wire: dict[str, Any]) -> dict[str, Any]:
        return wire

    def digest_of(self, wire: dict[str, Any]) -> str:
        return Envelope(**wire).digest

    # ---- spaces and versions

    def space(self, namespace: str) -> Space:
        return self.spaces.setdefault(namespace, Space())

    def read_space(self, namespace: str) -> Space:
        return self.space(namespace)

    def cursor(self, head: int) -> str:
        return f"{self.epoch}.{head}"

    def version(self, entry: Entry) -> dict[str, Any]:
        return {"revision": entry.revision, "etag": self.cursor(entry.revision), "digest": entry.digest}

    def current(self, entry: Entry) -> dict[str, Any]:
        told = {name: entry.wire[name] for name in ("meta", "signature") if name in entry.wire}
        return {**self.version(entry), **told}

    def names_version(self, etag: str, entry: Entry | None) -> bool:
        return entry is not None and etag == self.cursor(entry.revision)

    def changed(self, space: Space, op: str, key: str | None = None, digest: str | None = None) -> int:
        space.head += 1
        space.log.append(Change(space.head, op, key, digest, space.batches, now()))
        del space.log[: max(0, len(space.log) - self.kept_changes)]
        self.moved.notify_all()
        return space.head

    def missing(self, space: Space, key: str, namespace: str, suggest: int = 0) -> Problem:
        near = get_close_matches(key, list(space.entries), n=suggest) if suggest else []
        context = {"key": key, "namespace": namespace}
        return Problem(
            404, "key_not_found", cursor=self.cursor(space.head), suggestions=near, context=context
        )

    def refused(self, space: Space, entry: Entry | None) -> Problem:
        current = {} if entry is None else {"current": self.current(entry)}
        return Problem(412, "precondition_failed", cursor=self.cursor(space.head), **current)

    # ---- conditions

    def check_fields(self, operation: Operation, fields: Mapping[str, str]) -> None:
        """Refuse the conditions that the operation does not honour, and those that cannot be read."""
        writes = operation.scope in ("write", "admin")
        for name in [name for name in CONDITIONS if name in fields]:
            if not self.honours(operation, name):
                if writes or name in TAG_CONDITIONS:
                    raise Problem(400, "invalid_request")
            elif self.tags(fields[name]) == []:
                raise Problem(400, "invalid_request")

    def honours(self, operation: Operation, name: str) -> bool:
        if "conditional" not in self.profiles:
            return False
        return name in HONOURED[operation.conditions]

    def tags(self, text: str) -> list[tuple[bool, str]] | None:
        """Whether it is weak, and the text of each ETag; None for `*`, an empty list if it cannot be read."""
        if text.strip() == "*":
            return None
        found = re.fullmatch(r'(\s*((W/)?"[^"\s]*"\s*)?(,|$))*', text)
        if not found or len(text) > 1_024:
            return []
        return [(bool(weak), tag) for weak, tag in re.findall(r'(W/)?"([^"]*)"', text)]

    def matches(self, fields: Mapping[str, str], named: Named | None) -> bool:
        """Whether `If-Match` holds, strongly compared; ``named`` says which ETags are the version's."""
        if "if-match" not in fields:
            return True
        tags = self.tags(fields["if-match"])
        return named is not None and (tags is None or any(named(tag) for weak, tag in tags if not weak))

    def names(self, fields: Mapping[str, str], named: Named | None) -> bool:
        """Whether `If-None-Match` names this version, by the weak comparison."""
        if "if-none-match" not in fields or named is None:
            return False
        tags = self.tags(fields["if-none-match"])
        return tags is None or any(named(tag) for _, tag in tags)

    def named(self, entry: Entry | None) -> Named | None:
        return None if entry is None else lambda etag: self.names_version(etag, entry)

    def expectation(self, fields: Mapping[str, str]) -> Callable[[Entry | None], bool]:
        """What a write expects of the entry, as a predicate."""
        return lambda entry: (
            self.matches(fields, self.named(entry)) and not self.names(fields, self.named(entry))
        )

    def expected(self, expect: str | None, entry: Entry | None) -> bool:
        """What `expect` of a batch's entry says."""
        if expect is None:
            return True
        return entry is None if expect == "absent" else self.names_version(expect, entry)

    def is_current(self, fields: Mapping[str, str], entry: Entry) -> bool:
        return self.names(fields, self.named(entry))

    # ---- the service

    def get_health(self, fields: Any) -> Response:
        return Response(200, {"status": "healthy", "service": "registry-server"})

    def get_readiness(self, fields: Any) -> Response:
        return Response(200, {"status": "ready"})

    def get_capabilities(self, fields: Any) -> Response:
        body = {"protocol": "1.0.0", "profiles": list(self.profiles), "envelope_types": ["json", "pickle"]}
        return Response(200, {**body, "limits": dict(self.limits)})

    def get_metrics(self, fields: Any) -> Response:
        lines = [f'requests_total{{operation="{name}"}} {count}' for name, count in self.counts.items()]
        return Response(200, "\n".join(lines) + "\n", {"content-type": "text/plain; version=0.0.4"})

    def count_of(self, *operations: str) -> int:
        return sum(self.counts.get(name, 0) for name in operations)

    def size(self, space: Space) -> int:
        return len(space.entries)

    def get_stats(self, fields: Any) -> Response:
        sizes = {name: self.size(space) for name, space in self.spaces.items() if space.entries}
        return Response(
            200,
            {
                "namespaces": len(sizes),
                "total_entries": sum(sizes.values()),
                "total_requests": sum(self.counts.values()),
                "get_requests": self.count_of("get_entry", "batch_get"),
                "set_requests": self.count_of("set_entry", "batch_set"),
                "delete_requests": self.count_of("delete_entry", "batch_delete"),
                "namespace_sizes": sizes,
                "created_at": now(),
                "uptime_seconds": 1.0,
                "storage": "memory",
                "version": "1",
            },
        )

    def listed_namespaces(self) -> list[str]:
        return sorted(name for name, space in self.spaces.items() if space.entries)

    def list_namespaces(
        self,
        fields: Any,
        may_read: Callable[[str], bool],
        prefix: str = "",
        limit: int = 100,
        page: str | None = None,
    ) -> Response:
        with self.moved:
            page = page and self.opened(page, "namespaces", prefix)
            if page == "":
                raise Problem(400, "invalid_page")
            names = [name for name in self.listed_namespaces() if name.startswith(prefix) and may_read(name)]
            rest = [name for name in names if page is None or name > page]
            summaries = [self.summary(name) for name in rest[:limit]]
        more = {"next": self.sealed(rest[limit - 1], "namespaces", prefix)} if len(rest) > limit else {}
        return Response(200, {"namespaces": summaries, **more})

    def summary(self, name: str) -> dict[str, Any]:
        space = self.space(name)
        return {"namespace": name, "entries": len(space.entries), "cursor": self.cursor(space.head)}

    # ---- entries

    def store(self, space: Space, key: str, wire: dict[str, Any]) -> str:
        """The outcome."""
        entry, wire = space.entries.get(key), self.stored_form(wire)
        if entry is not None and self.equal(entry.wire, wire):
            return "unchanged"
        digest = self.digest_of(wire)
        revision = self.changed(space, "set", key, digest)
        created = revision if entry is None else entry.created
        self.place(space, Entry(key, wire, digest, revision, created, now()))
        return "created" if entry is None else "replaced"

    def equal(self, one: dict[str, Any], other: dict[str, Any]) -> bool:
        return one == other

    def place(self, space: Space, entry: Entry) -> None:
        space.entries[entry.key] = entry

    def set_entry(self, namespace: str, body: Any, fields: Mapping[str, str]) -> Response:
        key, holds = self.key_of(body["key"]), self.expectation(fields)
        with self.moved:
            space = self.space(namespace)
            space.batches += 1
            self.check_condition(space, space.entries.get(key), holds)
            outcome = self.store(space, key, body["value"])
            entry = space.entries[key]
            answer = {"status": "success", "outcome": outcome, "key": key, **self.version(entry)}
            answer["cursor"] = self.cursor(space.head)
            return Response(200, answer, self.etag(entry))

    def check_condition(
        self, space: Space, entry: Entry | None, holds: Callable[[Entry | None], bool]
    ) -> None:
        if not holds(entry):
            raise self.refused(space, entry)

    def etag(self, entry: Entry) -> dict[str, str]:
        return {"etag": f'"{self.cursor(entry.revision)}"'}

    def found(self, entry: Entry) -> dict[str, Any]:
        return {"value": entry.wire, **self.version(entry), "updated_at": entry.updated_at}

    def get_entry(self, namespace: str, key: str, fields: Mapping[str, str], suggest: int = 0) -> Response:
        with self.moved:
            space = self.read_space(namespace)
            entry, cursor = space.entries.get(key), self.cursor(space.head)
            if entry is None:
                raise self.missing(space, key, namespace, suggest)
            if not self.matches(fields, self.named(entry)):
                raise self.refused(space, entry)
            if self.is_current(fields, entry):
                return Response(304, None, {**self.etag(entry), "registry-cursor": cursor})
            return Response(200, {**self.found(entry), "cursor": cursor}, self.etag(entry))

    def remove(self, space: Space, key: str) -> int:
        del space.entries[key]
        return self.changed(space, "delete", key)

    def delete_entry(self, namespace: str, key: str, fields: Mapping[str, str]) -> Response:
        with self.moved:
            space = self.space(namespace)
            space.batches += 1
            self.check_condition(space, space.entries.get(key), self.expectation(fields))
            if key not in space.entries:
                raise self.missing(space, key, namespace)
            revision = self.remove(space, key)
            body = {"status": "deleted", "revision": revision, "cursor": self.cursor(space.head)}
            return Response(200, body)

    def contains_entry(self, namespace: str, key: str, fields: Any) -> Response:
        with self.moved:
            space = self.read_space(namespace)
            return Response(200, {"contains": key in space.entries, "cursor": self.cursor(space.head)})

    def count_entries(self, namespace: str, fields: Any) -> Response:
        with self.moved:
            space = self.space(namespace)
            return Response(200, {"length": self.size(space), "cursor": self.cursor(space.head)})

    def clear_namespace(self, namespace: str, fields: Any) -> Response:
        with self.moved:
            space = self.space(namespace)
            space.batches += 1
            if not self.matches(fields, self.cursor(space.head).__eq__):
                raise self.refused(space, None)
            count = len(space.entries)
            if count:
                self.clear(namespace, space)
            body = {"status": "cleared", "count": count, "revision": space.head}
            return Response(200, {**body, "cursor": self.cursor(space.head)})

    def clear(self, namespace: str, space: Space) -> None:
        space.entries.clear()
        self.changed(space, "clear")

    # ---- listings

    def sealed(self, token: str, *listing: str) -> str:
        """A page token that is of this listing alone."""
        return f"{token}~{zlib.crc32(repr(listing).encode()):x}"

    def opened(self, page: str, *listing: str) -> str:
        """What `sealed` was given; empty if it was given another listing."""
        token = page.rpartition("~")[0]
        return token if page == self.sealed(token, *listing) else ""

    def position(self, page: str | None, head: int) -> int:
        if page is None:
            return 0
        epoch, _, position = page.rpartition(".")
        if not re.fullmatch("[0-9]{1,18}", position):
            raise Problem(400, "invalid_page")
        if epoch != self.epoch:
            raise Problem(410, "epoch_changed", cursor=self.cursor(head))
        return int(position)

    def has_prefix(self, key: str, prefix: str) -> bool:
        return key.startswith(prefix)

    def in_order(self, space: Space) -> list[Entry]:
        return sorted(space.entries.values(), key=lambda entry: entry.created)

    def after(self, space: Space, prefix: str, page: str | None) -> list[Entry]:
        position = self.position(page, space.head)
        listed = [entry for entry in self.in_order(space) if self.has_prefix(entry.key, prefix)]
        return [entry for entry in listed if entry.created > position]

    def page(self, entries: list[Entry], limit: int, *, values: bool) -> list[Entry]:
        taken, size = list[Entry](), 0
        for entry in entries[:limit]:
            size += len(entry.wire["data"]) if values else 0
            if taken and size > PAGE_BYTES:
                break
            taken.append(entry)
        return taken

    def more(self, taken: list[Entry], rest: list[Entry], page: str | None) -> dict[str, str]:
        return {"next": f"{self.epoch}.{taken[-1].created}"} if len(taken) < len(rest) else {}

    def listing(
        self, namespace: str, prefix: str, limit: int, page: str | None, *, values: bool
    ) -> tuple[list[Entry], dict[str, str]]:
        with self.moved:
            space = self.read_space(namespace)
            listing = ("items" if values else "keys", namespace, prefix)
            page = page if page is None else self.opened(page, *listing)
            rest = self.after(space, prefix, page)
            taken = self.page(rest, limit, values=values)
            more = {
                name: self.sealed(token, *listing) for name, token in self.more(taken, rest, page).items()
            }
            return taken, {"cursor": self.cursor(space.head), **more}

    def list_keys(
        self, namespace: str, fields: Any, prefix: str = "", limit: int = 100, page: str | None = None
    ) -> Response:
        taken, more = self.listing(namespace, prefix, limit, page, values=False)
        return Response(200, {"keys": [entry.key for entry in taken], **more})

    def list_items(
        self, namespace: str, fields: Any, prefix: str = "", limit: int = 100, page: str | None = None
    ) -> Response:
        taken, more = self.listing(namespace, prefix, limit, page, values=True)
        return Response(200, {"items": [{"key": entry.key, **self.found(entry)} for entry in taken], **more})

    # ---- batches

    def keys_of(self, body: Any) -> list[str]:
        keys = [self.key_of(entry["key"]) for entry in body["entries"]]
        if len(set(keys)) < len(keys):
            raise Problem(422, "invalid_body")
        return keys

    def batch_set(self, namespace: str, body: Any, fields: Any) -> Response:
        keys, entries = self.keys_of(body), body["entries"]
        with self.moved:
            space = self.space(namespace)
            space.batches += 1
            self.all_or_nothing(space, keys, body)
            outcomes = [self.put(space, key, entry) for key, entry in zip(keys, entries, strict=True)]
            return Response(200, self.done(space, self.by_index(keys, outcomes)))

    def by_index(self, keys: list[str], outcomes: list[Any]) -> list[Any]:
        return outcomes

    def all_or_nothing(self, space: Space, keys: list[str], body: Any) -> None:
        if not body.get("atomic"):
            return
        failures = [
            {"index": index, "key": key}
            for index, (key, entry) in enumerate(zip(keys, body["entries"], strict=True))
            if not self.expected(entry.get("expect"), space.entries.get(key))
        ]
        if failures:
            cursor = self.cursor(space.head)
            raise Problem(412, "precondition_failed", cursor=cursor, context={"failures": failures})

    def put(self, space: Space, key: str, entry: Any) -> dict[str, Any]:
        if not self.expected(entry.get("expect"), space.entries.get(key)):
            return self.outcome_refused(space, key)
        outcome = self.store(space, key, entry["value"])
        return {"outcome": outcome, **self.version(space.entries[key])}

    def outcome_refused(self, space: Space, key: str) -> dict[str, Any]:
        entry = space.entries.get(key)
        return {"outcome": "refused", **({} if entry is None else {"current": self.current(entry)})}

    def done(self, space: Space, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
        refused = any(outcome["outcome"] == "refused" for outcome in outcomes)
        status = "partial" if refused else "success"
        return {"status": status, "outcomes": outcomes, "cursor": self.cursor(space.head)}

    def batch_delete(self, namespace: str, body: Any, fields: Any) -> Response:
        keys, entries = self.keys_of(body), body["entries"]
        with self.moved:
            space = self.space(namespace)
            space.batches += 1
            self.all_or_nothing(space, keys, body)
            outcomes = [self.drop(space, key, entry) for key, entry in zip(keys, entries, strict=True)]
            return Response(200, self.done(space, outcomes))

    def drop(self, space: Space, key: str, entry: Any) -> dict[str, Any]:
        if not self.expected(entry.get("expect"), space.entries.get(key)):
            return self.outcome_refused(space, key)
        if key not in space.entries:
            return {"outcome": "missing"}
        return {"outcome": "deleted", "revision": self.remove(space, key)}

    def batch_get(self, namespace: str, body: Any, fields: Any) -> Response:
        keys = self.keys_of(body)
        with self.moved:
            space, room = self.read_space(namespace), PAGE_BYTES
            outcomes = []
            for key, asked in zip(keys, body["entries"], strict=True):
                outcome = self.looked_up(space.entries.get(key), asked.get("unless"))
                if outcome["outcome"] == "found":
                    size = len(outcome["value"]["data"])
                    outcome = {"outcome": "omitted"} if self.no_room(size, room) else outcome
                    room -= size
                outcomes.append(outcome)
            return Response(200, {"outcomes": outcomes, "cursor": self.cursor(space.head)})

    def no_room(self, size: int, room: int) -> bool:
        return size > room and room < PAGE_BYTES

    def looked_up(self, entry: Entry | None, unless: str | None) -> dict[str, Any]:
        if entry is None:
            return {"outcome": "missing"}
        if unless is not None and self.names_version(unless, entry):
            return {"outcome": "unchanged"}
        return {"outcome": "found", **self.found(entry)}

    # ---- watch

    def since_of(self, since: str, space: Space) -> int:
        """The revision of a cursor; a `Problem` where it cannot be gone on from."""
        found = re.fullmatch(r"([0-9A-Za-z_-]{1,100})\.([0-9]{1,18})", since)
        if not found:
            raise Problem(400, "invalid_cursor")
        cursor, revision = self.cursor(space.head), int(found[2])
        if found[1] != self.epoch:
            raise Problem(410, "epoch_changed", cursor=cursor)
        if revision > space.head:
            raise Problem(410, "future_cursor", cursor=cursor)
        if space.log and revision < space.log[0].revision - 1:
            raise Problem(410, "compacted", cursor=cursor)
        return revision

    def changes_after(self, space: Space, since: int, limit: int) -> list[Change]:
        rest = [change for change in space.log if change.revision > since]
        taken = rest[:limit]
        while len(taken) < len(rest) and self.belongs_to(taken[-1], rest[len(taken)]):
            taken.append(rest[len(taken)])
        return taken

    def belongs_to(self, last: Change, following: Change) -> bool:
        return last.batch == following.batch

    def told(self, space: Space, change: Change) -> dict[str, Any]:
        body: dict[str, Any] = {"revision": change.revision, "op": change.op, "updated_at": change.updated_at}
        if change.key is not None:
            body["key"] = change.key
        if change.op == "set":
            body["digest"] = change.digest
            entry = space.entries.get(change.key or "")
            if entry is not None and self.rides_along(entry, change):
                body["value"] = entry.wire
        return body

    def rides_along(self, entry: Entry, change: Change) -> bool:
        return entry.revision == change.revision and len(json.dumps(entry.wire)) <= RIDES_ALONG

    def seen(self, space: Space, since: int, limit: int) -> dict[str, Any]:
        taken = self.changes_after(space, since, limit)
        told = [self.told(space, change) for change in taken]
        return {"changes": told, **self.reached(space, since, taken)}

    def reached(self, space: Space, since: int, taken: list[Change]) -> dict[str, str]:
        last = taken[-1].revision if taken else since
        return {"cursor": self.cursor(last), "head": self.cursor(space.head)}

    def watch_namespace(
        self, namespace: str, fields: Any, since: str | None = None, wait: int = 25, limit: int = 1_000
    ) -> Response:
        with self.moved:
            space = self.space(namespace)
            start = space.head if since is None else self.since_of(since, space)
            if since is not None:
                self.wait_for(lambda: space.head > start, wait)
            return Response(200, self.seen(space, start, limit))

    def wait_for(self, has_moved: Callable[[], bool], wait: float) -> None:
        life = self.restarts
        self.moved.wait_for(lambda: has_moved() or self.restarts != life, wait)

    def watch_namespaces(self, body: Any, fields: Any, may_read: Callable[[str], bool]) -> Response:
        cursors = {self.namespace_of(name): cursor for name, cursor in body["cursors"].items()}
        if not all(map(may_read, cursors)):
            raise Problem(403, "forbidden")
        with self.moved:
            self.wait_for(
                lambda: any(self.moved_since(*one) for one in cursors.items()), body.get("wait", 25)
            )
            moved = [self.watched(*one) for one in cursors.items() if self.moved_since(*one)]
            return Response(200, {"namespaces": moved})

    def moved_since(self, namespace: str, cursor: str) -> bool:
        space = self.space(namespace)
        try:
            return space.head > self.since_of(cursor, space)
        except Problem as problem:
            if problem.status == 400:
                raise
            return True

    def watched(self, namespace: str, cursor: str) -> dict[str, Any]:
        space = self.space(namespace)
        try:
            return {"namespace": namespace, **self.seen(space, self.since_of(cursor, space), 1_000)}
        except Problem as problem:
            head = self.cursor(space.head)
            return {"namespace": namespace, "changes": [], "cursor": head, "head": head, "gone": problem.code}

    # ---- a restart

    def restart(self) -> None:
        """What stopping and starting does; a durable server forgets nothing."""
        with self.moved:
            self.end_polls()

    def end_polls(self) -> None:
        self.restarts += 1
        self.moved.notify_all()
