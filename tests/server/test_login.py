"""Logging in to the pages: what the cookie is, what it opens, how it ends, and what other sites can do."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie

import pytest

from registry_server.access import sessions
from registry_server.access.guard import Guard
from registry_server.access.token_file import revoke_token
from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from tests.server.asgi import running
from tests.server.tokens import new_token
from tests.server.wire import operations, problem

HTML = {"Accept": "text/html"}
ORIGIN = {"Origin": "http://localhost:8001"}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "tokens")


@pytest.fixture
def token(path):
    """Id and text of the token that people log in with."""
    return new_token(path, "research:read", name="alice")


@pytest.fixture
def guard(path, token):
    return Guard(path)


@pytest.fixture
async def pages(path, guard):
    """A browser without a cookie, at a server that asks for tokens."""
    backend = MemoryBackend()
    await backend.open()
    async with running(create_app(ServerSettings(tokens=path), backend, guard=guard)) as client:
        client.headers.update(HTML)
        yield client


async def log_in(pages, text, wanted="/"):
    return await pages.post("/login", data={"token": text, "next": wanted}, headers=ORIGIN)


def form_of(page) -> dict[str, str]:
    """The hidden fields of the login form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))


class TestCookie:
    async def test_it_opens_the_page_that_was_wanted(self, pages, token):
        asked = await pages.get("/browse/research?prefix=a%20b&after=1")
        wanted = form_of(asked)["next"].replace("&amp;", "&")

        entered = await log_in(pages, token[1], wanted)

        assert (asked.status_code, entered.status_code) == (401, 303)
        assert wanted.startswith("/browse/research?prefix=a%20b&")
        assert entered.headers["location"] == wanted
        page = await pages.get(entered.headers["location"])
        assert page.status_code == 200
        assert "Log out" in page.text

    async def test_it_is_for_this_site_alone_and_no_script(self, pages, token):
        entered = await log_in(pages, token[1])

        cookie = SimpleCookie(entered.headers["set-cookie"])["registry_session"]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
        assert int(cookie["max-age"]) == 12 * 3600
        assert cookie["domain"] == ""

    async def test_over_https_it_never_travels_over_http(self, pages, token):
        pages.base_url = "https://localhost:8001"

        entered = await pages.post(
            "/login", data={"token": token[1]}, headers={"Origin": "https://localhost:8001"}
        )

        assert SimpleCookie(entered.headers["set-cookie"])["registry_session"]["secure"] is True

    async def test_it_holds_no_token_and_no_part_of_one(self, pages, token):
        entered = await log_in(pages, token[1])

        secret = token[1].split("_", 2)[2]
        assert secret[:8] not in entered.headers["set-cookie"]
        assert secret[:8] not in entered.text + entered.headers["location"]

    async def test_it_opens_no_operation(self, pages, token):
        await log_in(pages, token[1])

        for method, path, definition in operations():
            if definition.get("security") != []:
                answer = await pages.request(method, path.replace("{namespace}", "research"), headers=ORIGIN)
                problem(answer, 401, "unauthorized")

    async def test_it_is_good_at_every_server_that_reads_the_file(self, pages, token, path):
        await log_in(pages, token[1])

        async with running(create_app(ServerSettings(tokens=path), MemoryBackend())) as other:
            other.cookies = pages.cookies
            assert (await other.get("/problems/not_found", headers=HTML)).status_code == 200

    @pytest.mark.parametrize(
        "change",
        [
            lambda id_, until, mac: f"{id_}.{int(until) + 1}.{mac}",
            lambda id_, until, mac: f"{id_[::-1]}x.{until}.{mac}",
            lambda id_, until, mac: f"{id_}.{until}.{mac.swapcase()}",
            lambda id_, until, mac: f"{id_}.{until}.",
            lambda id_, until, mac: f"{id_}.{until}",
            lambda id_, until, mac: f"{id_}..{mac}",
            lambda id_, until, mac: f".{id_}.{until}.{mac}",
            lambda id_, until, mac: f'"{id_}.{until}.{mac}"',
            lambda id_, until, mac: "\xff" * 100,
            lambda id_, until, mac: "",
        ],
    )
    async def test_one_that_was_changed_is_none(self, change, pages, token):
        entered = await log_in(pages, token[1])
        parts = SimpleCookie(entered.headers["set-cookie"])["registry_session"].value.split(".")
        pages.cookies.clear()

        field = f"registry_session={change(*parts)}".encode("latin-1")
        page = await pages.get("/", headers=[(b"cookie", field), (b"accept", b"text/html")])

        assert page.status_code == 401

    async def test_it_ends_with_its_token(self, pages, token, path, guard):
        await log_in(pages, token[1])

        revoke_token(path, token[0])
        guard.look()

        assert (await pages.get("/")).status_code == 401

    async def test_it_ends_after_12_hours(self, pages, token, monkeypatch):
        await log_in(pages, token[1])
        now = sessions.time()
        monkeypatch.setattr(sessions, "time", lambda: now + 12 * 3600 + 1)

        assert (await pages.get("/")).status_code == 401

    async def test_it_ends_no_later_than_its_token(self, path, pages, guard):
        _, text = new_token(path, "*:read", seconds=60)
        guard.look()

        entered = await log_in(pages, text)

        until = int(SimpleCookie(entered.headers["set-cookie"])["registry_session"].value.split(".")[1])
        assert until <= sessions.time() + 60


class TestForm:
    @pytest.mark.parametrize(
        "text", ["", "hunter2", "rgt_" + "0" * 12 + "_" + "A" * 43, "ä", "x" * 4_000, "\r\nX: y"]
    )
    async def test_a_wrong_token_is_401_and_is_not_repeated(self, text, pages):
        entered = await log_in(pages, text)

        assert entered.status_code == 401
        assert "set-cookie" not in entered.headers
        assert not text.strip() or text not in entered.text
        assert 'role="alert"' in entered.text

    async def test_a_form_that_is_too_long_is_not_read(self, pages):
        entered = await log_in(pages, "x" * 100_000)

        assert entered.status_code == 413
        assert len(entered.content) < 10_000

    @pytest.mark.parametrize(
        "wanted",
        ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", "/\n/evil"],
    )
    async def test_it_leads_to_no_other_site(self, wanted, pages, token):
        entered = await log_in(pages, token[1], wanted)

        assert entered.headers["location"] == "/"

    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_a_token_in_an_address_opens_nothing(self, method, pages, token):
        answer = await pages.request(method, f"/login?token={token[1]}", headers=ORIGIN)

        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers

    async def test_it_needs_nothing_else_of_the_server(self, pages):
        """Who has no token is given this page alone: its style is in it, and it runs no script."""
        page = await pages.get("/")

        assert "<script" not in page.text
        assert not re.search(r"(?:src|href)=", page.text)
        assert "'sha256-" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]

    async def test_a_hostile_address_stays_text(self, pages):
        page = await pages.get("/browse/x?prefix=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")

        assert "<script" not in page.text

    async def test_where_no_tokens_are_asked_for_it_leads_home(self):
        async with running(create_app(ServerSettings(), MemoryBackend())) as client:
            assert (await client.get("/login")).headers["location"] == "/"
            entered = await client.post("/login", data={"token": "x"})
            assert (entered.status_code, "set-cookie" in entered.headers) == (303, False)


class TestAnotherSite:
    """CSRF: what a form of another site can do. `SameSite=Strict` keeps the cookie back; the rest is here."""

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:8002"])
    @pytest.mark.parametrize("path", ["/login", "/logout"])
    async def test_cannot_log_anybody_in_or_out(self, path, origin, pages, token):
        await log_in(pages, token[1])

        answer = await pages.post(path, data={"token": token[1]}, headers={"Origin": origin})

        problem(answer, 403, "forbidden")
        assert "set-cookie" not in answer.headers
        assert (await pages.get("/")).status_code == 200

    async def test_a_link_does_not_log_out(self, pages, token):
        await log_in(pages, token[1])

        await pages.get("/logout")

        assert (await pages.get("/")).status_code == 200

    async def test_a_form_of_ours_is_sent_as_ours(self, pages, token):
        """With `no-referrer` a browser would send its Origin as `null`."""
        for page in (await pages.get("/"), await log_in(pages, token[1]), await pages.get("/")):
            assert page.headers["referrer-policy"] == "same-origin"


async def test_logging_out_takes_the_cookie_away(pages, token):
    await log_in(pages, token[1])
    assert 'action="/logout"' in (await pages.get("/")).text

    left = await pages.post("/logout", headers=ORIGIN)

    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert not pages.cookies
    assert (await pages.get("/")).status_code == 401


async def test_logging_out_ends_a_copied_cookie(pages, token, path):
    await log_in(pages, token[1])
    copied = dict(pages.cookies)
    other_server = Guard(path)

    await pages.post("/logout", headers=ORIGIN)
    other_server.look()

    pages.cookies.update(copied)
    assert (await pages.get("/")).status_code == 401
    head = {b"cookie": f"{sessions.COOKIE}={copied[sessions.COOKIE]}".encode()}
    assert sessions.session_access(other_server, head) is None


async def test_a_log_out_that_cannot_be_recorded_says_so(pages, token, guard, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    await log_in(pages, token[1])
    copied = dict(pages.cookies)
    monkeypatch.setattr("registry_server.access.ended.os.fsync", full)

    left = await pages.post("/logout", headers=ORIGIN)

    assert left.status_code == 503
    assert "could not record it" in left.text
    assert not pages.cookies
    pages.cookies.update(copied)
    assert (await pages.get("/")).status_code == 401
