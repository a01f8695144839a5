"""The pages in a browser: hostile texts run nothing, the stylesheet applies, people can read them."""

from __future__ import annotations

import html
import re
from urllib.parse import quote, urlencode

import pytest

from tests.dashboard.document import Document
from tests.server.wire import envelope

SPACE = "research.losses"
OWN = "document.title='owned'"
HOSTILE = [
    f"<script>{OWN}</script>",
    f'"><img src=x onerror={OWN}>',
    f"'><svg onload={OWN}>",
    f"</title><script>{OWN}</script>",
    f'</pre></code><iframe srcdoc="<script>parent.{OWN}</script>">',
    f"javascript:{OWN}",
    f"<style>@import 'javascript:{OWN}'</style><base href='//example.invalid/'>",
]


def put(server, key, value, **meta):
    body = {"key": envelope(key), "value": envelope(value, **meta)}
    server.post(f"/registry/{SPACE}/set", json=body).raise_for_status()


@pytest.fixture(scope="module")
def pages(server):
    """The addresses of pages that show hostile names, values and meta, and one harmless entry."""
    put(server, "config", {"lr": 0.1, "layers": [64, 64]})
    for text in HOSTILE:
        put(server, text, {text: [text]}, module=text, kind=text, origin=text, **{text[:64]: text})
    text = HOSTILE[0]
    paths = {
        "overview": "/",
        "namespace": f"/browse/{SPACE}",
        "filtered": f"/browse/{SPACE}?{urlencode({'prefix': HOSTILE[1]})}",
        "search": f"/search?{urlencode({'q': text})}",
        "missing": f"/browse/{SPACE}/entry?{urlencode({'key': text + '?'})}",
        "nowhere": f"/{quote(HOSTILE[1])}",
    }
    entries = {
        f"entry{number}": f"/browse/{SPACE}/entry?{urlencode({'key': name})}"
        for number, name in enumerate(HOSTILE)
    }
    return {name: str(server.base_url.join(path)) for name, path in (paths | entries).items()}


PAGES = ["overview", "namespace", "filtered", "search", "missing", "nowhere"]
ENTRIES = [f"entry{number}" for number in range(len(HOSTILE))]


def title_of(document: str) -> str:
    found = re.search(r"<title>(.*?)</title>", document, re.DOTALL)
    assert found is not None, document
    return html.unescape(found[1])


@pytest.mark.parametrize("text", HOSTILE[:4], ids=range(4))
def test_these_texts_would_run_where_they_are_not_escaped(browser, tmp_path, text):
    """What the tests below look for is there to be found: the same text as markup changes the title."""
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><title>safe</title><p title=\"{text}\"></p><p title='{text}'></p>{text}")

    assert title_of(browser.dom(page.as_uri())) == "owned"


@pytest.mark.parametrize("name", [*PAGES, *ENTRIES])
def test_hostile_texts_run_nothing(browser, server, pages, name):
    served = title_of(server.get(pages[name], headers={"Accept": "text/html"}).text)

    document = browser.dom(pages[name])

    assert title_of(document) == served != "owned"
    tags = {tag for tag, _ in Document(document).shape}
    assert tags.isdisjoint({"script", "img", "svg", "iframe", "style", "base"})


def test_names_are_read_as_they_were_given(browser, pages):
    listing = Document(browser.dom(pages["namespace"]))

    assert set(HOSTILE) <= listing.links.keys()


class TestLooks:
    LINK = (0x1F, 0x5F, 0xBF)
    """The colour of links in registry.css; a browser's own is another."""

    def test_stylesheet_applies(self, browser, pages):
        colours = browser.screenshot(pages["namespace"]).colours()

        assert colours[self.LINK] > 20
        assert colours[(0, 0, 0xEE)] == 0

    def test_dark_where_the_reader_wants_it(self, browser, pages):
        light = browser.screenshot(pages["namespace"]).colours()
        dark = browser.screenshot(pages["namespace"], "--blink-settings=preferredColorScheme=0").colours()

        assert light.most_common(1)[0][0] == (0xFF, 0xFF, 0xFF)
        assert dark.most_common(1)[0][0] == (0x14, 0x18, 0x1F)

    @pytest.mark.parametrize("name", ["overview", "namespace", "entry0", "search", "missing"])
    def test_page_is_not_blank_and_stays_within_its_margins(self, browser, pages, name):
        """Text is on it, with contrast, and even names without a space do not run out of the window."""
        picture = browser.screenshot(pages[name])

        colours = picture.colours()
        page, _ = colours.most_common(1)[0]
        dark = sum(count for colour, count in colours.items() if max(colour) < 0x70)
        assert page == (0xFF, 0xFF, 0xFF)
        assert dark > 300
        assert len(colours) > 30
        margin = 20
        assert all(pixel == page for row in picture.rows for pixel in (*row[:margin], *row[-margin:]))

    @pytest.mark.parametrize(
        "path", ["/browse/long.words", "/browse/long.words/entry?key=w", "/search?q=nnn"]
    )
    def test_words_without_end_stay_within_the_margins(self, browser, server, path):
        word = "w" * 1_024
        for key in ("w", "n" * 1_024):
            meta = {"kind": word, "module": word, "w" * 64: word}
            value = {"type": "pickle", "data": "gARLAS4=", "encoding": "base64", "meta": meta}
            body = {"key": envelope(key), "value": value}
            server.post("/registry/long.words/set", json=body).raise_for_status()

        picture = browser.screenshot(str(server.base_url.join(path)))

        assert all(pixel == (0xFF, 0xFF, 0xFF) for row in picture.rows for pixel in row[-20:])
