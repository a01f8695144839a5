"""Real answers with any part replaced: whatever a server says, callers see an error of this library."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry import FunctionalRegistry
from registry.describe import as_html, as_table
from registry.doctor import explain_namespace, surroundings
from registry.duplicates import taken
from registry.errors import RegistryError, RemoteError, ValidationError
from registry.storage.call import Call
from registry.storage.remote import RemoteStorageProxy
from registry.storage.server import RegistryServer
from tests.unit.storage.bad_server import ETAG, entry, json_envelope, stored

DIGEST = "sha256:" + "0" * 64
ABOUT = {"revision": 7, "etag": ETAG, "digest": DIGEST, "updated_at": "2026-01-01T00:00:00.000Z"}
PAGED = {"key": "mse", "value": json_envelope(1), **ABOUT}
CHANGE = {"op": "set", "key": "mse", "cursor": "e.8", "value": json_envelope(1), **ABOUT, "revision": 8}


def batch(**outcome: Any) -> dict[str, Any]:
    return {"status": "success", "outcomes": [outcome], "cursor": ETAG}


def awaited(method: str, *arguments: Any) -> Any:
    return lambda storage: asyncio.run(storage.awaiting(method, *arguments))


def problem(status: int, code: str, **members: Any) -> dict[str, Any]:
    about = {"type": f"/problems/{code}", "title": "X", "status": status, "detail": "No.", "code": code}
    return {**about, "suggestions": ["mae"], "context": {"key": "mse"}, "cursor": ETAG, **members}


CURRENT = {**{name: ABOUT[name] for name in ("revision", "etag", "digest")}, "meta": {"origin": "m.f"}}
REFUSALS = {
    "missing": problem(404, "key_not_found"),
    "taken": problem(412, "precondition_failed", current=CURRENT),
    "limited": problem(413, "limit_exceeded"),
    "forbidden": problem(403, "forbidden"),
    "failed": problem(500, "server_fault"),
}
COUNTED = ["namespaces", "total_entries", "total_requests", "get_requests", "set_requests", "delete_requests"]
STATS = {
    **dict.fromkeys(COUNTED, 1),
    "namespace_sizes": {"a": 1},
    "created_at": ABOUT["updated_at"],
    "uptime_seconds": 1.0,
    "storage": "memory",
    "version": "1",
}
CAPABILITIES = {
    "protocol": "1",
    "profiles": ["core"],
    "envelope_types": ["json"],
    "limits": {
        "body_bytes": 1,
        "value_bytes": 1,
        "key_bytes": 1,
        "batch_entries": 1,
        "page_entries": 1,
        "json_depth": 1,
        "header_bytes": 1,
    },
}


def registry_at(storage: Any) -> Any:
    """A registry of functions and JSON, kept where ``storage`` is."""

    class Losses(FunctionalRegistry, logic_namespace="research.losses", server=storage.url):
        pass

    return Losses


OPERATIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "get": (lambda storage: storage["mse"], entry(json_envelope(1))),
    "get, awaited": (awaited("__getitem__", "mse"), entry(json_envelope(1))),
    "in": (lambda storage: "mse" in storage, {"contains": True, "cursor": ETAG}),
    "in, awaited": (awaited("__contains__", "mse"), {"contains": True, "cursor": ETAG}),
    "len": (len, {"length": 1, "cursor": ETAG}),
    "list": (list, {"keys": ["mse"], "cursor": ETAG}),
    "list, awaited": (awaited("__iter__"), {"keys": ["mse"], "cursor": ETAG}),
    "entries": (lambda storage: list(storage.entries()), {"items": [PAGED], "cursor": ETAG}),
    "items": (lambda storage: list(storage.snapshot()), {"items": [PAGED], "cursor": ETAG}),
    "get_many": (
        lambda storage: storage.get_many(["mse"]),
        batch(outcome="found", value=json_envelope(1), **ABOUT),
    ),
    "unchanged": (lambda storage: storage.get_many(["mse"]), batch(outcome="unchanged")),
    "set": (lambda storage: storage.__setitem__("mse", 1), stored()),
    "claim": (lambda storage: storage.claim("mse", 1), stored()),
    "claim, awaited": (awaited("claim", "mse", 1), stored()),
    "set_many": (
        lambda storage: storage.set_many({"mse": 1}),
        batch(outcome="created", revision=7, etag=ETAG, digest=DIGEST),
    ),
    "claim_many": (
        lambda storage: storage.claim_many({"mse": storage.prepare("mse", 1)}),
        batch(outcome="refused", current=CURRENT),
    ),
    "delete": (
        lambda storage: storage.__delitem__("mse"),
        {"status": "deleted", "key": "mse", "revision": 7, "cursor": ETAG},
    ),
    "delete_many": (lambda storage: storage.delete_many(["mse"]), batch(outcome="deleted", revision=7)),
    "clear": (
        lambda storage: storage.clear(),
        {"status": "cleared", "count": 0, "revision": 7, "cursor": ETAG},
    ),
    "near names": (lambda storage: storage.near_names("mse"), entry(json_envelope(1))),
    "changes": (
        lambda storage: list(storage.changes(ETAG, timeout=0)),
        {"changes": [CHANGE], "cursor": "e.8", "head": "e.8"},
    ),
    "namespaces": (
        lambda storage: list(RegistryServer(storage.url).namespaces()),
        {"namespaces": [{"namespace": "a", "entries": 1}]},
    ),
    "nothing in": (
        lambda storage: RegistryServer(storage.url).nothing_in("b"),
        {"namespaces": [{"namespace": "a", "entries": 1}]},
    ),
    "cursor": (lambda storage: RegistryServer(storage.url).cursor("a"), {"length": 1, "cursor": ETAG}),
    "stats": (lambda storage: RegistryServer(storage.url).stats(), STATS),
    "capabilities": (lambda storage: RegistryServer(storage.url).capabilities(), CAPABILITIES),
    "doctor's version": (lambda storage: surroundings._version(RegistryServer(storage.url)), STATS),
    "doctor's capabilities": (
        lambda storage: surroundings._capabilities(RegistryServer(storage.url)),
        CAPABILITIES,
    ),
    "explain": (
        lambda storage: str(explain_namespace("research.losses", "mse", url=storage.url)),
        entry(json_envelope(1)),
    ),
    "register": (lambda storage: registry_at(storage).register_artifact("mse", 1), stored()),
    "look up": (lambda storage: registry_at(storage)["mse"], entry(json_envelope(1))),
    "table": (lambda storage: registry_at(storage).describe(), {"items": [PAGED], "cursor": ETAG}),
    "versions": (lambda storage: registry_at(storage).versions("mse"), {"keys": ["mse@1"], "cursor": ETAG}),
    "unregister": (
        lambda storage: registry_at(storage).unregister_identifier("mse"),
        entry(json_envelope(1)),
    ),
    "prefetch": (lambda storage: registry_at(storage).prefetch(["mse"]), batch(outcome="missing")),
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, -1, 7, 2**70, 1.5, 1e300])
    | st.sampled_from(["", "x", "\x1b[31m", "e.7", "refused", "unchanged", "omitted", "\ud800", "9" * 5000]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "key", "data"]), inner),
    max_leaves=4,
)
DROPPED = "(dropped)"


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON document, the whole of it included."""
    members = document.items() if isinstance(document, dict) else []
    members = enumerate(document) if isinstance(document, list) else members
    inner = [place for name, value in members for place in places(value, (*path, name))]
    return [path, *inner]


def with_lie(document: Any, place: tuple[Any, ...], lie: Any) -> Any:
    """``document`` with something else at ``place``, or nothing."""
    if not place:
        return None if lie == DROPPED else lie
    changed = copy.deepcopy(document)
    parent = changed
    for name in place[:-1]:
        parent = parent[name]
    if lie == DROPPED:
        del parent[place[-1]]
    else:
        parent[place[-1]] = lie
    return changed


def said_of(document: Any) -> list[tuple[tuple[Any, ...], Any]]:
    lies = [DROPPED, None, 7, "x", [], {}, [7], {"a": 7}, True]
    return [(place, lie) for place in places(document) for lie in lies]


@pytest.fixture
def answering(monkeypatch):
    """``answering(status, body)``: what every server says from now on, without a socket."""
    said: dict[str, Any] = {}

    def response(request: httpx.Request) -> httpx.Response:
        return httpx.Response(said["status"], headers=said["headers"], content=said["body"], request=request)

    class Pool(httpx.BaseTransport):
        def handle_request(self, request):
            return response(request)

    async def awaited_run(call):
        return call.recognised(response(call.next_request()))

    real = Call.run
    monkeypatch.setattr(
        Call, "run", lambda call, transport, sleep=None: real(call, lambda url: Pool(), lambda seconds: None)
    )
    monkeypatch.setattr("registry.storage.aremote.run", awaited_run)

    def answer(status: int, document: Any, headers: Any = ()) -> None:
        kind = "application/json" if status < 400 else "application/problem+json"
        body = json.dumps(document).encode()
        said.update(status=status, body=body, headers={"Content-Type": kind, **dict(headers)})

    return answer


def outcome_of(call: Any) -> BaseException | None:
    """The error of the library that ``call`` ends with, if any; any other one fails the test."""
    storage = RemoteStorageProxy[Any]("research.losses", url="http://127.0.0.1:1", timeout=0.2)
    try:
        call(storage)
    except ValidationError as error:
        assert str(error).replace("\n", "").isprintable()
        assert all(type(step) is str for step in error.suggestions)
        return error
    return None


SLOW = ("changes",)
"""A watcher tries again after a fault, until its time is over."""


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in SLOW])
def test_each_field_of_an_answer_may_be_a_lie(answering, name):
    call, document = OPERATIONS[name]
    for place, lie in said_of(document):
        answering(200, with_lie(document, place, lie))
        outcome_of(call)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("name", ["get", "get, awaited", "claim", "get_many", "claim_many", "near names"])
def test_each_field_of_a_problem_may_be_a_lie(answering, name, refusal):
    document = REFUSALS[refusal]
    for place, lie in said_of(document):
        answering(document["status"], with_lie(document, place, lie))
        outcome_of(OPERATIONS[name][0])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_answer_to_any_operation(answering, data):
    call, document = OPERATIONS[data.draw(st.sampled_from([name for name in OPERATIONS if name not in SLOW]))]
    document = data.draw(st.sampled_from([document, *REFUSALS.values()]))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.sampled_from(places(document)))
        document = with_lie(document, place, data.draw(st.just(DROPPED) | JSON))
    status = data.draw(st.sampled_from([200, 201, 204, 301, 304, 400, 401, 404, 409, 412, 413, 422, 500]))
    kind = data.draw(st.sampled_from(["application/json", "text/html", "application/problem+json", ";"]))
    answering(status, document, {"Content-Type": kind})
    outcome_of(call)


def test_a_number_for_suggestions_is_a_remote_error(answering):
    answering(404, problem(404, "key_not_found", suggestions=7))

    assert isinstance(outcome_of(OPERATIONS["get"][0]), RemoteError)


def test_an_outcome_without_its_name_is_a_remote_error(answering):
    answering(200, batch(value=json_envelope(1), **ABOUT))

    assert isinstance(outcome_of(OPERATIONS["get_many"][0]), RemoteError)


def test_what_it_says_is_shown_without_commanding_a_terminal(answering):
    hostile = "\x1b]0;owned\x07\u202e\n  suggestion: rm -rf"
    answering(
        404, problem(404, "key_not_found", detail=hostile, suggestions=[hostile], context={"k": hostile})
    )

    error = outcome_of(OPERATIONS["get"][0])

    assert isinstance(error, RegistryError)
    assert len(str(error).splitlines()) == str(error).count("\n") + 1 == 6
    assert error.suggestions == [hostile]  # a name is what it is


HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\nname: forged"


@pytest.mark.parametrize("printed", ["explain", "table", "html", "taken"])
def test_what_others_stored_is_shown_without_commanding_a_terminal(answering, printed):
    envelope = {"type": "pickle", "data": "AAAA", "encoding": "base64"}
    meta = dict.fromkeys(("kind", "module", "qualname", "origin", "codec", "python"), HOSTILE)
    envelope["meta"] = meta
    storage = RemoteStorageProxy[Any]("research.losses", url="http://127.0.0.1:1", timeout=0.2)
    losses = registry_at(storage)

    if printed == "taken":
        error = taken("Losses", "Losses", HOSTILE, "module.offered", HOSTILE)
        shown = f"{error} {error.message}"
    elif printed == "explain":
        answering(200, entry(envelope))
        shown = str(explain_namespace("research.losses", "mse", url=storage.url))
    else:
        answering(200, {"items": [{**PAGED, "key": HOSTILE, "value": envelope}], "cursor": ETAG})
        shown = as_html(losses) if printed == "html" else "".join("".join(row) for row in rows_of(losses))

    assert shown.replace("\n", "").isprintable()
    assert "\nname: forged" not in shown


def rows_of(registry: Any) -> list[list[str]]:
    return [[str(cell) for cell in column.cells] for column in as_table(registry).columns]
