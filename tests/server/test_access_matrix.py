"""Every operation, page and document against every kind of token: 401, 403 or an answer.

Made from ``openapi.yaml`` and from the pages' own routes, so that what is added is judged too.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from registry_server.access.guard import Guard
from registry_server.access.needs import needs_of
from registry_server.app import create_app
from registry_server.dashboard.pages import create_pages
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from tests.server.asgi import running
from tests.server.tokens import KINDS, LEVELS, Tokens, tokens_of_every_kind
from tests.server.wire import check_answer, followed, operations, problem, setting

SPACE = "research.losses"
OPERATIONS = {
    definition["operationId"]: (method, path, definition) for method, path, definition in operations()
}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory) -> Tokens:
    return tokens_of_every_kind(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def guarded(tokens):
    backend = MemoryBackend()
    return create_app(ServerSettings(tokens=tokens.path), backend), backend


@pytest.fixture
async def server(guarded, tokens):
    """A client without a token, of a server that holds one entry and asks for tokens."""
    app, backend = guarded
    await backend.open()
    async with running(app) as client:
        await client.post(f"/registry/{SPACE}/set", json=setting("my_key"), headers=tokens.fields["admin"])
        yield client
    await backend.close()


def example_request(path: str, definition: dict[str, Any], space: str) -> dict[str, Any]:
    """A request of the operation as the specification's examples have it, that waits for nothing."""
    query = {
        parameter["name"]: parameter.get("example")
        for parameter in map(followed, definition.get("parameters", ()))
        if parameter["in"] == "query" and parameter.get("required")
    }
    if any(followed(parameter)["name"] == "wait" for parameter in definition.get("parameters", ())):
        query["wait"] = 0
    request: dict[str, Any] = {"url": path.replace("{namespace}", space), "params": query}
    if "requestBody" in definition:
        content = definition["requestBody"]["content"]["application/json"]
        body = content.get("example") or next(iter(content["examples"].values()))["value"]
        request["json"] = {**body, "wait": 0} if "wait" in body else body
    return request


def expected(path: str, definition: dict[str, Any], kind: str, space: str, body: dict[str, Any]) -> int:
    """401, 403, or 200 for whatever else the operation answers."""
    caller = KINDS[kind]
    if definition.get("security") == []:
        return 200
    if not caller.valid:
        return 401
    scope = definition["x-scope"]
    if scope == "any":
        return 200
    if definition.get("x-scope-each"):
        named = body.get("cursors", {})  # a listing names none, and leaves out
        return 200 if all(caller.may(scope, each) for each in named) else 403
    return 200 if caller.may(scope, space if "{namespace}" in path else "*") else 403


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_operation_is_for_those_whose_token_allows_it(operation, kind, server, guarded, tokens):
    """REG-AUTH-01, REG-AUTH-02, REG-AUTH-03, REG-AUTH-04."""
    method, path, definition = OPERATIONS[operation]
    for space in (SPACE, "research2", "research"):
        request = example_request(path, definition, space)
        wanted = expected(path, definition, kind, space, request.get("json", {}))
        before = [await guarded[1].count(each) for each in (SPACE, "research2", "research")]

        answer = await server.request(method, headers=tokens.fields[kind], **request)

        if answer.status_code >= 400:  # what is answered on success, other tests hold against the contract
            check_answer(answer)
        if wanted == 200:
            assert answer.status_code not in (401, 403), answer.text
            assert answer.status_code < 500
            continue
        problem(answer, wanted, "unauthorized" if wanted == 401 else "forbidden")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert [await guarded[1].count(each) for each in (SPACE, "research2", "research")] == before


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_declares_what_it_needs(operation):
    """REG-AUTH-03: an operation that says nothing must not be an open one."""
    _, path, definition = OPERATIONS[operation]

    if operation in ("get_health", "get_readiness"):
        assert definition["security"] == []
        return
    assert "security" not in definition, "only health and readiness are open"
    assert definition["x-scope"] in ("any", *LEVELS)
    if {"post", "delete"} & {OPERATIONS[operation][0].lower()} and not re.search("watch|get", operation):
        assert definition["x-scope"] in ("write", "admin")
    if definition.get("x-scope-each"):
        assert "{namespace}" not in path


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ({}, "x-scope is None"),
        ({"x-scope": "reed"}, "x-scope is 'reed'"),
        ({"x-scope": "read", "security": [{"basic": []}]}, "not by bearer"),
        ({"x-scope": "read", "security": None}, "not by bearer"),
    ],
)
def test_an_operation_that_declares_nothing_stops_the_server(definition, complaint):
    operation: Any = SimpleNamespace(
        operation_id="new_operation",
        path="/registry/{namespace}/new",
        security=definition.get("security", [{}, {"bearer": []}]),
        security_schemes={"bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http"}},
        _operation=definition,
    )

    with pytest.raises(ValueError, match=complaint):
        needs_of(operation)


def pages() -> list[tuple[str, str]]:
    """Method and address of each route of the pages, and of the documents that Connexion serves."""
    rules = create_pages(MemoryBackend(), lambda step: step, Guard(None)).url_map.iter_rules()
    filled = {"namespace": SPACE, "code": "not_found", "filename": "registry.css"}
    found = [
        (method, re.sub(r"<(?:\w+:)?(\w+)>", lambda name: filled[name[1]], rule.rule))
        for rule in rules
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]
    documents = [
        "/docs/",
        "/docs",
        "/docs/swagger-ui.css",
        "/openapi.json",
        "/nowhere",
        "/favicon.ico",
        "/x/y/z",
    ]
    return (
        found + [("GET", path) for path in documents] + [("POST", "/"), ("PUT", "/nowhere"), ("OPTIONS", "/")]
    )


PAGES = pages()


@pytest.mark.parametrize("kind", [kind for kind, caller in KINDS.items() if not caller.valid])
@pytest.mark.parametrize(("method", "path"), PAGES)
async def test_page_or_document_is_for_holders_of_a_token(method, path, kind, server, tokens):
    """REG-AUTH-01: for a person the 401 is a form to log in with."""
    program = await server.request(method, path, headers=tokens.fields[kind])
    person = await server.request(method, path, headers={**tokens.fields[kind], "Accept": "text/html"})

    assert (program.status_code, person.status_code) == (401, 401)
    for answer in (program, person):
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "my_key" not in answer.text
    if method != "HEAD" and path != "/login":
        problem(program, 401, "unauthorized")
        assert '<input type="password" name="token"' in person.text


@pytest.mark.parametrize("path", [path for method, path in PAGES if method == "GET"])
async def test_page_or_document_is_there_for_a_reader_of_all(path, server, tokens):
    answer = await server.get(path, headers=tokens.fields["reader of all"])

    special = {"/docs": 307, "/login": 303, f"/browse/{SPACE}/entry": 404}
    missing = dict.fromkeys(("/nowhere", "/favicon.ico", "/x/y/z"), 404)
    assert answer.status_code == (special | missing).get(path, 200)


class TestPagesOfOneNamespace:
    """What a token may not read is on no page."""

    @pytest.fixture
    async def pages(self, server, tokens):
        admin = tokens.fields["admin of all"]
        for space in ("production.secret", "research2"):
            await server.post(f"/registry/{space}/set", json=setting("hunter2"), headers=admin)
        server.headers["Accept"] = "text/html"
        return server

    async def test_overview_and_search_leave_out_the_others(self, pages, tokens):
        """REG-AUTH-04."""
        reader = tokens.fields["reader"]

        overview = await pages.get("/", headers=reader)
        found = await pages.get("/search?q=e", headers=reader)
        secret = await pages.get("/search?q=hunter2", headers=reader)

        assert "1 entries in 1 namespaces" in overview.text
        for page in (overview, found, secret):
            assert "production" not in page.text
            assert "research2" not in page.text
        assert "my_key" in found.text

    @pytest.mark.parametrize("space", ["production.secret", "research2", "nothing"])
    async def test_another_namespace_is_403(self, space, pages, tokens):
        for path in (f"/browse/{space}", f"/browse/{space}/entry?key=hunter2"):
            page = await pages.get(path, headers=tokens.fields["reader"])
            assert page.status_code == 403
            assert f"it needs {space}:read" in page.text
            document = await pages.get(path, headers={**tokens.fields["reader"], "Accept": "*/*"})
            problem(document, 403, "forbidden")

    async def test_all_is_there_for_who_may_read_all(self, pages, tokens):
        overview = await pages.get("/", headers=tokens.fields["reader of all"])

        assert "3 entries in 3 namespaces" in overview.text


class TestListingNamespaces:
    SPACES = (
        "production",
        "production.a",
        "research",
        "research.losses",
        "research.losses.private",
        "research2",
        "x",
    )

    @pytest.fixture
    async def filled(self, guarded, tokens):
        app, backend = guarded
        await backend.open()
        async with running(app) as client:
            for space in self.SPACES:
                await client.post(
                    f"/registry/{space}/set", json=setting("k"), headers=tokens.fields["admin of all"]
                )
            yield client
        await backend.close()

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    @pytest.mark.parametrize("prefix", ["", "r", "research", "research.", "research2", "production", "y"])
    @pytest.mark.parametrize("kind", [kind for kind, caller in KINDS.items() if caller.valid])
    async def test_pages_hold_what_may_be_read_and_nothing_else(self, kind, prefix, limit, filled, tokens):
        """REG-AUTH-04: as of a server that holds nothing else; REG-NSP-01 of the pages."""
        found, params = [], {"prefix": prefix, "limit": limit}
        while True:
            page = (await filled.get("/namespaces", params=params, headers=tokens.fields[kind])).json()
            assert len(page["namespaces"]) <= limit
            found += [each["namespace"] for each in page["namespaces"]]
            if "next" not in page:
                break
            assert page["namespaces"]
            params["page"] = page["next"]

        readable = [each for each in self.SPACES if KINDS[kind].may("read", each)]
        assert found == [each for each in readable if each.startswith(prefix)]
