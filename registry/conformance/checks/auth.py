"""Bearer tokens and their scopes.

They need tokens, which every server makes in its own way: ``--token`` has the scope ``*:admin``,
``--reader-token`` the scope ``PREFIX:read`` for the namespace of ``--namespace``, ``--revoked-token`` was
revoked or has expired.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from registry.conformance.check import check, require
from registry.conformance.context import Answer, Context, envelope, key_envelope

NOT_A_TOKEN = "conformance-kit-no-such-token"
_BATCHES = ("batch_set", "batch_get", "batch_delete")
_KEYED = ("get_entry", "delete_entry", "contains_entry")


def _good_request(operation: str, namespace: str) -> dict[str, Any]:
    """Query and body of a request that would be answered 2xx or 404."""
    entry: dict[str, Any] = {"key": key_envelope("key")}
    whole = {**entry, "value": envelope(1)}
    if operation in _KEYED:
        return {"query": {"key": "key"}}
    if operation in _BATCHES:
        return {"body": {"entries": [whole if operation == "batch_set" else entry]}}
    if operation == "watch_namespace":
        return {"query": {"wait": 0}}
    if operation == "watch_namespaces":
        return {"body": {"cursors": {namespace: "e.0"}, "wait": 0}}
    return {"body": whole} if operation == "set_entry" else {}


def _operations(ctx: Context) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every operation that asks for a token, with its definition, but for profiles not claimed."""
    for name, operation in ctx.contract.operations.items():
        profile = operation.definition["tags"][0]
        offered = profile not in ("batch", "watch") or profile in ctx.profiles
        if offered and operation.definition.get("security") != []:
            yield name, operation.definition


@contextmanager
def _elsewhere(ctx: Context) -> Iterator[str]:
    """A namespace that is not below the run's own, though its name begins as that does."""
    name = f"{ctx.options.prefix}2.{secrets.token_hex(8)}"
    try:
        ctx.set(name, "key", "kept")
        yield name
    finally:
        ctx.wire.send("DELETE", f"/registry/{name}/clear")


def _is_refused(answer: Answer, needed: str) -> None:
    require(answer.status == 403, f"{answer.asked} is answered {answer.status}, and the token lacks {needed}")
    require(answer.json["code"] == "forbidden", f"{answer.asked}: the code is {answer.json['code']!r}")
    require(needed in str(answer.json), f"{answer.asked}: the 403 does not name the scope {needed!r}")


@check("REG-AUTH-01", "REG-SRV-01", profile="auth", needs=("token",))
def every_operation_asks_for_a_token(ctx: Context) -> None:
    """Without a valid token every operation but `/health` and `/ready` is 401 and changes nothing."""
    namespace = ctx.namespace()
    ctx.set(namespace, "key", "kept")
    head = ctx.cursor(namespace)
    for token in (None, NOT_A_TOKEN):
        fields = [] if token is None else [("authorization", f"Bearer {token}")]
        for operation, _ in _operations(ctx):
            how = {"token": None, "fields": fields, **_good_request(operation, namespace)}
            answer = ctx.ask(operation, namespace, **how)
            require(answer.status == 401, f"{answer.asked} is {answer.status} without a valid token")
            require(answer.json["code"] == "unauthorized", f"{answer.asked} is {answer.json['code']!r}")
            scheme = answer.field("www-authenticate")
            require(scheme.lower().startswith("bearer"), f"{answer.asked}: WWW-Authenticate is {scheme!r}")
        for operation in ("get_health", "get_readiness"):
            ctx.expect(200, operation, token=None, fields=fields)
    require(ctx.cursor(namespace) == head, "a request without a valid token has changed the namespace")


@check("REG-AUTH-03", profile="auth", needs=("token", "reader_token"))
def an_operation_needs_its_scope(ctx: Context) -> None:
    """With `PREFIX:read` reads below the prefix are allowed; what needs more is 403 and changes nothing."""
    namespace, reader = ctx.namespace(), ctx.options.reader_token
    ctx.set(namespace, "key", "kept")
    head = ctx.cursor(namespace)
    for operation, definition in _operations(ctx):
        if definition.get("x-scope-each"):
            continue
        scope, about_one = definition["x-scope"], "{namespace}" in ctx.contract.operations[operation].path
        answer = ctx.ask(operation, namespace, token=reader, **_good_request(operation, namespace))
        if scope == "any" or (scope == "read" and about_one):
            require(answer.status == 200, f"{answer.asked} is {answer.status} with a token that may read it")
        else:
            _is_refused(answer, f"{namespace if about_one else '*'}:{scope}")
    require(ctx.cursor(namespace) == head, "a request without the scope has changed the namespace")


@check("REG-AUTH-02", profile="auth", needs=("token", "reader_token"))
def a_scope_ends_at_its_namespace(ctx: Context) -> None:
    """A scope holds below its namespace, dot by dot, and not for one whose name only begins like it."""
    deep, reader = f"{ctx.namespace()}.a.b", ctx.options.reader_token
    ctx.expect(200, "count_entries", deep, token=reader)
    ctx.expect(200, "count_entries", ctx.options.prefix, token=reader)
    with _elsewhere(ctx) as other:
        for operation in ("count_entries", "get_entry", "list_items"):
            answer = ctx.ask(operation, other, token=reader, **_good_request(operation, other))
            _is_refused(answer, f"{other}:read")


@check("REG-AUTH-04", profile="auth", needs=("token", "reader_token"))
def listings_leave_out_what_is_not_allowed(ctx: Context) -> None:
    """`/namespaces` leaves out what the token may not read, as if it held nothing."""
    namespace, reader = ctx.namespace(), ctx.options.reader_token
    ctx.set(namespace, "key", 1)
    prefix = ctx.options.prefix
    with _elsewhere(ctx) as other:
        listed = {}
        for token in (reader, ""):
            query: dict[str, object] = {"prefix": prefix, "limit": 1_000}
            page = ctx.expect(200, "list_namespaces", query=query, token=token).json
            listed[token] = {summary["namespace"] for summary in page["namespaces"]}
        require({namespace, other} <= listed[""], "a token with all permissions is not shown all namespaces")
        require(namespace in listed[reader], "a namespace that the token may read is not listed")
        hidden = [name for name in listed[reader] if name != prefix and not name.startswith(f"{prefix}.")]
        require(not hidden, f"namespaces are listed that the token may not read: {hidden[:3]}")


@check("REG-AUTH-04", profile="auth", also=("watch",), needs=("token", "reader_token"))
def a_poll_of_what_is_not_allowed_is_403(ctx: Context) -> None:
    """A `/watch` that names one namespace which the token may not read is 403."""
    namespace, reader = ctx.namespace(), ctx.options.reader_token
    cursor = ctx.cursor(namespace)
    with _elsewhere(ctx) as other:
        allowed = {"cursors": {namespace: cursor}, "wait": 0}
        ctx.expect(200, "watch_namespaces", body=allowed, token=reader)
        mixed = {"cursors": {namespace: cursor, other: cursor}, "wait": 0}
        ctx.expect(403, "watch_namespaces", body=mixed, token=reader)


@check("REG-AUTH-05", profile="auth", needs=("revoked_token",))
def a_revoked_token_is_none(ctx: Context) -> None:
    """A token that was revoked or has expired is answered 401 everywhere."""
    namespace = ctx.namespace()
    for operation, _ in _operations(ctx):
        how = {"token": ctx.options.revoked_token, **_good_request(operation, namespace)}
        answer = ctx.ask(operation, namespace, **how)
        require(answer.status == 401, f"{answer.asked} is {answer.status} with a token that was revoked")
