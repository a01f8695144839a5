"""Requests with two mistakes: the one that comes first in the contract's order is answered."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import httpx
import pytest

from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from tests.server.asgi import running
from tests.server.tokens import new_token
from tests.server.wire import check_answer, envelope, problem, raw, setting

SPACE = "research.losses"
Request = dict[str, Any]


def _field(name: str, value: str) -> Request:
    return {"headers": {name: value}}


MISTAKES: list[tuple[str, int, str, Request]] = [
    ("head too large", 431, "headers_too_large", _field("X-Long", "x" * 40_000)),
    ("foreign origin", 403, "forbidden", _field("Origin", "http://evil.example")),
    ("method", 405, "method_not_allowed", {"method": "PUT"}),
    ("no token", 401, "unauthorized", _field("Authorization", "Bearer hunter2")),
    ("namespace", 422, "invalid_namespace", {"space": "a..b"}),
    ("query", 422, "invalid_parameter", {"params": {"x": "1"}}),
    ("condition", 400, "invalid_request", _field("If-Match", "no tag")),
    ("media type", 415, "unsupported_media_type", _field("Content-Type", "text/plain")),
    ("size", 413, "limit_exceeded", _field("Content-Length", "99999999")),
    ("syntax", 400, "invalid_json", {"content": b"{"}),
    ("schema", 422, "invalid_body", {"json": {"key": envelope("k")}}),
    ("value", 422, "malformed_envelope", {"json": {"key": envelope("k"), "value": raw("{")}}),
    ("false condition", 412, "precondition_failed", _field("If-Match", '"another.1"')),
]
"""In the order of REG-ERR-06, as changes to a right request of ``set``."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    path = tmp_path_factory.mktemp("mistakes") / "tokens"
    _, token = new_token(path, "*:admin")
    backend = MemoryBackend()
    return create_app(ServerSettings(tokens=str(path)), backend), backend, token


@pytest.fixture
async def server(guarded):
    app, backend, token = guarded
    await backend.open()
    async with running(app) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client
    await backend.close()


async def _ask(client: httpx.AsyncClient, *changes: Request) -> httpx.Response:
    """A right request with these changes; the earliest counts if two change one thing."""
    request: Request = {"method": "POST", "space": SPACE}
    headers = {"Content-Type": "application/json"}
    for change in reversed(changes):
        headers |= change.get("headers", {})
        if "content" in change or "json" in change:
            request.pop("content", None), request.pop("json", None)
        request |= {name: value for name, value in change.items() if name != "headers"}
    if "content" not in request:
        request.setdefault("json", setting("k", 2))
    space, method = request.pop("space"), request.pop("method")
    return await client.request(method, f"/registry/{space}/set", headers=headers, **request)


@pytest.mark.parametrize("first", range(len(MISTAKES)), ids=[name for name, *_ in MISTAKES])
async def test_the_first_mistake_is_answered(first, server):
    """REG-ERR-05, REG-ERR-06."""
    name, status, code, change = MISTAKES[first]
    stored = (await server.post(f"/registry/{SPACE}/set", json=setting("k", 1))).json()

    for later in (None, *(change for *_, change in MISTAKES[first + 1 :])):
        answer = await _ask(server, *([change] if later is None else [change, later]))
        problem(answer, status, code)
        check_answer(answer)
    kept = (await server.get(f"/registry/{SPACE}/length")).json()
    assert kept["cursor"] == stored["cursor"], name


async def test_a_condition_that_fails_comes_before_a_missing_key(server):
    """REG-ERR-06, REG-DEL-01."""
    path = f"/registry/{SPACE}/delete?key=missing"

    problem(await server.delete(path, headers={"If-Match": "*"}), 412, "precondition_failed")
    problem(await server.delete(path, headers={"If-None-Match": "*"}), 404, "key_not_found")


@pytest.mark.parametrize(
    "path",
    [
        f"//registry/{SPACE}/length",
        f"/registry//{SPACE}/length",
        f"/registry/{SPACE}//length",
        f"/registry/{SPACE}/length/",
        f"/registry/{SPACE}/length//",
        "/health/",
        "//health",
        "//",
    ],
)
async def test_an_empty_segment_makes_another_path(path, server):
    """REG-ERR-07."""
    answer = await server.get(f"http://localhost:8001{path}")

    problem(answer, 404, "not_found")


async def test_a_page_token_is_of_its_listing_alone(server):
    """REG-LST-01, REG-NSP-01."""
    spaces = ("a", "b", "ab")
    for space in spaces:
        for key in ("a1", "a2", "b1"):
            await server.post(f"/registry/{space}/set", json=setting(key))
    listings = [
        *(
            (f"/registry/{space}/{what}", prefix)
            for space in spaces
            for what in ("keys", "items")
            for prefix in ("", "a")
        ),
        *(("/namespaces", prefix) for prefix in ("", "a")),
    ]
    tokens = {}
    for path, prefix in listings:
        answer = await server.get(path, params={"prefix": prefix, "limit": 1})
        tokens[path, prefix] = answer.json()["next"]

    for one, other in combinations(listings, 2):
        for (path, prefix), token in ((one, tokens[other]), (other, tokens[one])):
            answer = await server.get(path, params={"prefix": prefix, "page": token})
            problem(answer, 400, "invalid_page")
    for path, prefix in listings:
        answer = await server.get(path, params={"prefix": prefix, "page": tokens[path, prefix], "limit": 5})
        assert answer.status_code == 200, (path, prefix)
