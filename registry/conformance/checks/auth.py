"""Bearer tokens; these need ``--token``."""

from __future__ import annotations

from typing import Any

from registry.conformance.check import check, require
from registry.conformance.context import Context, envelope, key_envelope

NOT_A_TOKEN = "conformance-kit-no-such-token"


def _requests(ctx: Context, namespace: str) -> list[tuple[str, dict[str, Any]]]:
    """A good request of every operation that asks for a token."""
    entry = {"key": key_envelope("key"), "value": envelope(1)}
    bodies: dict[str, object] = {
        "set_entry": entry,
        "batch_set": {"entries": [entry]},
        "batch_get": {"entries": [{"key": key_envelope("key")}]},
        "batch_delete": {"entries": [{"key": key_envelope("key")}]},
        "watch_namespaces": {"cursors": {namespace: "e.0"}, "wait": 0},
    }
    keyed = ("get_entry", "delete_entry", "contains_entry")
    return [
        (name, {"body": bodies.get(name), "query": {"key": "key"} if name in keyed else None})
        for name, operation in ctx.contract.operations.items()
        if operation.definition.get("security") != []
    ]


@check("REG-ERR-01", "REG-SRV-01", profile="auth", needs=("token",))
def every_operation_asks_for_a_token(ctx: Context) -> None:
    """Without a valid token every operation but `/health` is 401 and changes nothing."""
    namespace = ctx.namespace()
    ctx.set(namespace, "key", "kept")
    head = ctx.cursor(namespace)
    for token in (None, NOT_A_TOKEN):
        for operation, how in _requests(ctx, namespace):
            answer = ctx.ask(operation, namespace, token=token, **how)
            require(answer.status == 401, f"{answer.asked} is answered {answer.status} without a valid token")
            require(
                answer.json["code"] == "unauthorized", f"{answer.asked}: the code is {answer.json['code']!r}"
            )
            scheme = answer.field("www-authenticate")
            require(scheme.lower().startswith("bearer"), f"{answer.asked}: WWW-Authenticate is {scheme!r}")
        ctx.expect(200, "get_health", token=token)
    require(ctx.cursor(namespace) == head, "a request without a valid token has changed the namespace")
