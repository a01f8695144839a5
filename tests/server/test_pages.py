"""The pages for people, as a program sees them: what a hostile name, value or address can do to them."""

import httpx
import pytest

from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.base import StorageUnavailableError
from registry_server.storage.memory import MemoryBackend
from tests.server.asgi import running
from tests.server.wire import PROBLEM, problem, put

HOSTILE = "<script>alert('hunter2')</script>\"'><img src=x onerror=alert(1)>{{7*7}}"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def pages(tmp_path):
    """A client of a running application on the storage that users have; pages need its event loop."""
    async with running(create_app(ServerSettings(storage=f"sqlite:///{tmp_path}/registry.db"))) as client:
        yield client


async def test_the_overview_counts_what_there_is(pages):
    empty = await pages.get("/")
    await put(pages, "k", space="research.losses")

    page = await pages.get("/")

    assert "Nothing is registered yet" in empty.text
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "research.losses" in page.text


async def test_a_hostile_name_and_value_stay_text(pages):
    await put(pages, HOSTILE, {"value": HOSTILE}, space="a", kind=HOSTILE, qualname=HOSTILE)

    for path in ("/", "/browse/a", "/search"):
        page = await pages.get(path, params={"q": HOSTILE} if path == "/search" else None)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
    entry = await pages.get("/browse/a/entry", params={"key": HOSTILE})
    assert "&lt;script&gt;alert" in entry.text
    assert "<script>alert" not in entry.text


@pytest.mark.parametrize("space", ["<script>", "%3Cscript%3E", "a_b", "a%2Fb"])
async def test_a_hostile_namespace_is_no_page(space, pages):
    for path in (f"/browse/{space}", f"/browse/{space}/entry?key=k"):
        answer = await pages.get(path, headers=HTML)
        assert answer.status_code == 404
        assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/browse/a?after=99999999999999999999999999",
        "/browse/a?after=-1",
        "/browse/a?after=x",
        "/browse/a?prefix=%00%FF%ED%A0%80",
        "/browse/a/entry?key=%00",
        "/browse/a/entry?key=%FF",
        "/browse/a/entry?key=",
        "/browse/a/entry",
        "/browse/a/entry?key=" + "x" * 5_000,
        "/search?q=%FF%00" + "x" * 5_000,
        "/problems/%3Cscript%3E",
        "/static/../app.py",
        "/static/%2e%2e/pages.py",
        "/static//etc/passwd",
    ],
    ids=lambda path: path[:40],
)
async def test_no_address_makes_a_page_fail(path, pages, caplog):
    await put(pages, "k")

    answer = await pages.get(path, headers=HTML)

    assert answer.status_code in (200, 308, 400, 404)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("path", ["/", "/browse/a", "/search?q=k", "/nowhere", "/problems/key_not_found"])
async def test_a_page_runs_no_script_and_is_framed_by_nobody(path, pages):
    page = await pages.get(path, headers=HTML)

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<script" not in page.text


async def test_what_is_missing_is_a_page_for_people_and_a_problem_for_programs(pages):
    page = await pages.get("/nowhere", headers=HTML)

    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    for accept in ("application/json", "*/*", PROBLEM):
        problem(await pages.get("/nowhere", headers={"Accept": accept}), 404, "not_found")


async def test_a_method_that_a_page_has_not_is_405(pages):
    answer = await pages.post("/")

    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_while_the_storage_is_away_a_page_says_so(monkeypatch):
    backend = MemoryBackend()
    await backend.open()
    async with running(create_app(ServerSettings(), backend)) as client:

        async def away(**_options):
            raise StorageUnavailableError("registry.db cannot be used now")

        monkeypatch.setattr(backend, "totals", away)
        problem(await client.get("/"), 503, "storage_unavailable")
        page = await client.get("/", headers=HTML)
        assert "cannot be used now" in page.text
        assert page.status_code == 503


async def test_a_defect_of_a_page_shows_nothing(monkeypatch, caplog):
    backend = MemoryBackend()
    await backend.open()
    async with running(create_app(ServerSettings(), backend)) as client:

        async def broken(**_options):
            raise RuntimeError("hunter2")

        monkeypatch.setattr(backend, "totals", broken)
        answer = await client.get("/")
        problem(answer, 500, "server_fault")
        assert "hunter2" not in answer.text
        assert "RuntimeError: hunter2" in caplog.text


async def test_the_problem_that_an_answer_names_has_a_page(pages):
    missing: httpx.Response = await pages.get("/registry/a/get?key=k")

    page = await pages.get(missing.json()["type"])

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "key_not_found" in page.text
