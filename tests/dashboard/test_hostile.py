"""Names, values and meta change no page's structure, run nothing, and cannot pass for other names."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from registry_server.dashboard import mount
from registry_server.dashboard.facts import problem_codes
from registry_server.storage.base import StorageUnavailableError
from tests.dashboard.document import Document
from tests.server.wire import PROBLEM, codes, problem, put

TEXTS = [
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</title></pre></code></td><h1>",
    "<!--",
    "{{7*7}}",
    "{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#60;",
    "\u202egnp.exe",
    "\u2066a\u2069",
    "\u200b",
    "a\x00b",
    "\x1b[31m",
    "\x7f\x9b",
    "a\u2028b",
    "a\n\nb",
]


async def put_hostile(pages, text):
    await put(pages, text, {text: [text]}, space="a", kind=text, module=text, origin=text, note=text)


PATHS = ["/", "/browse/a", "/browse/a?prefix={}", "/browse/a/entry?key={}", "/search?q={}"]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
@pytest.mark.parametrize("path", PATHS)
async def test_structure_of_a_page_is_the_same_whatever_it_shows(pages, backend, text, path):
    address, _, name = path.partition("?")
    name = name.partition("=")[0]
    shapes = []
    for shown in (text, "harmless"):
        await backend.clear("a")
        await put_hostile(pages, shown)
        answer = await pages.get(address, params={name: shown} if name else None)
        shapes.append((answer.status_code, Document.of(answer).shape))

    assert shapes[0] == shapes[1]
    assert shapes[0][0] == 200


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
@pytest.mark.parametrize("path", PATHS)
async def test_nothing_invisible_is_on_a_page(pages, text, path):
    """A name that hides or reorders characters could be taken for another one: they are shown as escapes."""
    await put_hostile(pages, text)
    address, _, name = path.partition("?")

    answer = await pages.get(address, params={name.partition("=")[0]: text} if name else None)

    text = re.sub(r' value="[^"]*"', "", answer.content.decode())  # a field holds what was typed
    assert {c for c in text if not c.isprintable()} <= {"\n"}


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
async def test_hostile_texts_are_shown_as_they_are(pages, text):
    await put_hostile(pages, text)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

    listing = Document.of(await pages.get("/browse/a"))
    entry = Document.of(await pages.get("/browse/a/entry", params={"key": text}))

    assert shown in listing.links
    assert entry.texts["h1"] == [shown]
    assert entry.texts["title"] == [f"{shown} in a"]


async def test_value_with_an_escape_is_still_the_json_it_is(pages):
    value = {"\u202e": ["\x7f", "\x9b", "\U000e0041", "é😀"]}
    await put(pages, "k", value, space="a")

    entry = Document.of(await pages.get("/browse/a/entry", params={"key": "k"}))

    assert json.loads(entry.texts["pre"][0]) == value


EVERYWHERE = ["/", "/browse/a", "/browse/a/entry?key=k", "/search", "/search?q=k", "/problems/not_found"]
ELSEWHERE = ["/nowhere", "/browse/a_b", "/browse/a/entry?key=missing", "/problems/none", "/static/none.css"]


@pytest.mark.parametrize("path", [*EVERYWHERE, *ELSEWHERE, "/static/registry.css"])
async def test_each_header_that_protects_a_reader_is_there_once(pages, path):
    await put(pages, "k", space="a")

    answer = await pages.get(path)

    names = [name for name, _ in answer.headers.multi_items()]
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"):
        assert names.count(name) == 1, f"{name}: {answer.headers.get_list(name)}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.status_code == (404 if path in ELSEWHERE else 200)


async def test_stylesheet_is_served_as_one(pages):
    page = Document.of(await pages.get("/"))

    answer = await pages.get("/static/registry.css")

    assert ("link", ("rel", "href")) in page.shape
    assert answer.headers["content-type"].startswith("text/css")
    assert "body {" in answer.text


class TestProblemPages:
    @pytest.mark.parametrize(("code", "status"), codes().items())
    async def test_each_code_has_one_that_says_what_the_table_says(self, pages, code, status):
        page = Document.of(await pages.get(f"/problems/{code}"))

        said = " ".join(" ".join(page.texts["p"] + page.texts["code"]).split())
        assert page.texts["h1"] == [""]
        assert code in page.texts["code"]
        assert f"status {status}" in said
        assert "`" not in said

    async def test_there_are_as_many_as_in_the_table(self):
        assert {code: status for code, (status, _) in problem_codes().items()} == codes()
        assert len(codes()) > 20

    async def test_words_keep_their_letters(self, pages):
        assert "REG-NAME-01" in (await pages.get("/problems/invalid_namespace")).text
        assert "The Host is not" in (await pages.get("/problems/misdirected_request")).text

    async def test_names_in_code_are_code(self, pages):
        page = Document.of(await pages.get("/problems/unsupported_media_type"))

        assert "application/json" in page.texts["code"]


@pytest.mark.parametrize("path", ELSEWHERE)
async def test_what_is_missing_is_a_page_or_a_problem_by_accept(pages, path):
    page = await pages.get(path)
    document = await pages.get(path, headers={"Accept": "application/json"})

    assert Document.of(page).texts["h1"] == ["404"]
    assert problem(document, 404, "not_found")["title"] == "Not Found"


class TestStorageAway:
    METHODS = ("totals", "page", "count", "get", "namespaces")

    @pytest.mark.parametrize("path", ["/", "/browse/a", "/browse/a/entry?key=k", "/search?q=k"])
    async def test_is_503_in_either_form(self, pages, backend, monkeypatch, path):
        async def away(*_arguments, **_options):
            raise StorageUnavailableError("the disk is <gone>")

        for method in self.METHODS:
            monkeypatch.setattr(backend, method, away)

        page = await pages.get(path)
        document = await pages.get(path, headers={"Accept": PROBLEM})

        assert page.status_code == 503
        assert "the disk is <gone>" in Document.of(page).texts["p"]
        assert problem(document, 503, "storage_unavailable")["detail"] == "the disk is <gone>"

    async def test_that_does_not_answer_is_given_up_after_a_while(self, pages, backend, monkeypatch):
        cancelled = asyncio.Event()

        async def silent(*_arguments, **_options):
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        monkeypatch.setattr(mount, "PAGE_SECONDS", 0.05)
        monkeypatch.setattr(backend, "totals", silent)

        answer = await pages.get("/")

        assert answer.status_code == 503
        assert "did not answer within 0.05 s" in answer.text
        await asyncio.wait_for(cancelled.wait(), 10)

    async def test_pages_that_ask_nothing_of_it_are_there(self, pages, backend, monkeypatch):
        await backend.close()

        assert (await pages.get("/problems/storage_unavailable")).status_code == 200
