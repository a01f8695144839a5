"""The application as a whole: whose storage it opens, and what it says of itself."""

import re
from base64 import b64encode
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from registry.spec import load_spec, spec_text
from registry_server.app import TagResolver, create_app
from registry_server.settings import ServerSettings
from registry_server.storage.base import StorageUnavailableError
from registry_server.storage.memory import MemoryBackend
from registry_server.storage.sqlite import SqliteBackend
from tests.server.asgi import running
from tests.server.wire import codes, operations, problem, put, setting


class TestLifespan:
    async def test_opens_and_closes_the_storage_that_it_made(self, tmp_path):
        path = tmp_path / "registry.db"
        app = create_app(ServerSettings(storage=f"sqlite:///{path}"))

        async with running(app) as client:
            await put(client, "k")

        again = SqliteBackend(path)  # refused while another one holds the file
        await again.open()
        assert (await again.count("a")) == (1, 1)
        await again.close()

    async def test_a_storage_that_was_given_stays_the_givers(self):
        backend = MemoryBackend()
        await backend.open()

        async with running(create_app(ServerSettings(), backend)) as client:
            await put(client, "k")

        assert (await backend.count("a")) == (1, 1)

    async def test_before_it_has_begun_the_storage_is_not_open(self):
        app = create_app(ServerSettings(storage="memory:"))

        async with running(app) as client:
            await put(client, "k")
        problem(await client_after(app), 503, "storage_unavailable")

    async def test_a_storage_that_cannot_be_opened_fails_the_start(self, tmp_path):
        app = create_app(ServerSettings(storage=f"sqlite:///{tmp_path}"))

        with pytest.raises(RuntimeError, match="is a directory"):
            async with running(app):
                pass

    async def test_may_begin_again(self, tmp_path):
        app = create_app(ServerSettings(storage=f"sqlite:///{tmp_path}/registry.db"))

        for revision in (1, 2):
            async with running(app) as client:
                assert (await put(client, "k", revision))["revision"] == revision


async def client_after(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.post("/registry/a/set", json=setting("k"))


class TestHandlers:
    def test_an_operation_without_a_handler_stops_the_server_from_starting(self):
        operation: Any = SimpleNamespace(operation_id="get_health", _operation={"tags": ["service"]})

        with pytest.raises(AttributeError, match="get_health"):
            TagResolver({"service": object()}).resolve(operation)

    async def test_requests_are_counted_for_every_operation(self):
        backend = MemoryBackend()
        app = create_app(ServerSettings(), backend)
        async with running(app) as client:
            await client.get("/health")
            with pytest.raises(StorageUnavailableError):
                await backend.ping()
            await backend.open()
            stats = (await client.get("/stats")).json()

        assert stats["total_requests"] == 1  # answered: the one that asks is not yet


class TestSpecification:
    async def test_is_served_as_it_is(self, client):
        served = (await client.get("/openapi.json")).json()

        assert served["info"] == load_spec()["info"]
        assert served["paths"].keys() == load_spec()["paths"].keys()

    async def test_swagger_ui_shows_it(self, client):
        page = await client.get("/docs/")

        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert (await client.get("/docs")).headers["location"] == "/docs/"
        assert (await client.get("/docs/swagger-ui.css")).status_code == 200

    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/nowhere",
            "/docs",
            "/docs/",
            "/docs/swagger-ui.css",
            "/docs/no",
            "/openapi.json",
            "/openapi.yaml",
        ],
    )
    async def test_is_as_guarded_as_a_page(self, path, client):
        fields = (await client.get(path)).headers

        assert {"content-security-policy", "referrer-policy", "cache-control"} <= fields.keys()
        assert fields["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in fields["content-security-policy"]

    async def test_the_policy_of_swagger_ui_allows_its_own_scripts(self, client):
        """Those of files and, by its hash, the one in the page; and no other."""
        page = await client.get("/docs/")
        (script,) = re.findall("<script>(.*?)</script>", page.text, re.DOTALL)
        (allowed,) = re.findall("script-src ([^;]*);", page.headers["content-security-policy"])

        digest = b64encode(sha256(script.encode()).digest()).decode()
        assert allowed == f"'self' 'sha256-{digest}'"

    def test_every_operation_documents_what_any_request_may_be_answered(self):
        """REG-ERR-01: a token, an origin, a Host, header fields, a defect; but a token for what is open."""
        for _, _, definition in operations():
            always = {"400", "403", "421", "422", "431", "500"}
            if definition.get("security") != []:
                always |= {"401"}
            assert always <= definition["responses"].keys(), definition["operationId"]

    def test_every_problem_is_documented_as_one(self):
        """REG-ERR-01."""
        for name, answer in load_spec()["components"]["responses"].items():
            [(content_type, content)] = answer["content"].items()
            assert content_type == "application/problem+json", name
            example = content["example"]
            assert codes()[example["code"]] == example["status"], name
            assert example["type"] == f"/problems/{example['code']}", name

    def test_names_no_python(self):
        text = spec_text()

        assert "x-openapi-router-controller" not in text
        assert "registry_server" not in text
