"""Overview, namespaces, entries and search: what they show, and that their links lead to what they name."""

from __future__ import annotations

import base64
import pickle

import pytest

from registry_server.dashboard import finding
from tests.dashboard.document import Document
from tests.server.wire import envelope, put, raw

SPACE = "research.losses"


async def page(pages, path: str, **params) -> Document:
    answer = await pages.get(path, params=params or None)
    assert answer.status_code == 200, answer.text
    return Document.of(answer)


async def put_pickle(pages, key: str, data: bytes, **fields) -> None:
    value = raw(base64.b64encode(data).decode(), type="pickle", encoding="base64", **fields)
    answer = await pages.post(f"/registry/{SPACE}/set", json={"key": envelope(key), "value": value})
    assert answer.status_code == 200, answer.text


class TestOverview:
    async def test_shows_how_to_begin_where_there_is_nothing(self, pages):
        assert "class Losses(FunctionalRegistry" in (await page(pages, "/")).texts["pre"][0]

    async def test_what_it_shows_to_begin_with_is_python(self, pages):
        source = (await page(pages, "/")).texts["pre"][0]

        compile(source, "overview", "exec")
        for name in ("FunctionalRegistry", "logic_namespace", "register_artifact"):
            assert name in source

    async def test_links_each_namespace_largest_first(self, pages):
        for space, count in (("one", 1), ("three", 3), ("two", 2)):
            for number in range(count):
                await put(pages, f"k{number}", space=space)

        overview = await page(pages, "/")

        assert [name for name in overview.links if name in ("one", "two", "three")] == ["three", "two", "one"]
        assert (await page(pages, overview.links["two"])).texts["h1"] == ["two"]
        assert "6 entries in 3 namespaces" in overview.texts["p"][0]


class TestNamespace:
    async def test_shows_names_in_the_order_of_their_creation_and_links_them(self, pages):
        for key in ("zeta", "alpha"):
            await put(pages, key, {"lr": 0.1}, space=SPACE)

        shown = await page(pages, f"/browse/{SPACE}")

        assert [name for name in shown.links if name in ("zeta", "alpha")] == ["zeta", "alpha"]
        assert '{"lr": 0.1}' in shown.texts["code"]

    async def test_pages_follow_each_other_until_all_were_shown(self, pages):
        keys = [f"key{number:03}" for number in range(120)]
        for key in keys:
            await put(pages, key, space=SPACE)

        seen, visits, path = [], 0, f"/browse/{SPACE}"
        while path:
            shown = await page(pages, path)
            seen += [name for name in shown.links if name.startswith("key")]
            path, visits = shown.links.get("More", ""), visits + 1

        assert seen == keys
        assert visits == 3

    async def test_prefix_chooses_and_goes_along_to_the_next_page(self, pages):
        for number in range(60):
            await put(pages, f"a&b={number:02}", space=SPACE)
            await put(pages, f"other{number:02}", space=SPACE)

        first = await page(pages, f"/browse/{SPACE}", prefix="a&b=")
        second = await page(pages, first.links["More"])

        names = [
            name for shown in (first, second) for name in shown.links if name.startswith(("a&", "other"))
        ]
        assert names == [f"a&b={number:02}" for number in range(60)]

    async def test_large_values_make_a_page_shorter_not_heavier(self, pages):
        for number in range(3):
            await put(pages, f"k{number}", "x" * 3_000_000, space=SPACE)

        answer = await pages.get(f"/browse/{SPACE}")

        assert "More" in Document.of(answer).links
        assert len(answer.content) < 10_000

    async def test_nothing_says_so(self, pages):
        assert "Nothing here." in (await page(pages, "/browse/nothing")).texts["p"]
        shown = await page(pages, "/browse/nothing", prefix="x")
        assert shown.texts["code"] == ["x"]

    async def test_describes_a_function_by_its_name(self, pages):
        await put_pickle(
            pages, "mse", b"\x80\x04N.", meta={"kind": "function", "module": "lib", "qualname": "mse"}
        )

        shown = await page(pages, f"/browse/{SPACE}")

        assert "lib.mse" in shown.texts["code"]
        assert "function" in shown.texts["span"]

    async def test_of_long_names_in_code_the_beginning_is_shown(self, pages):
        await put_pickle(pages, "k", b"N.", meta={"module": "m" * 16_000, "qualname": "q" * 16_000})

        shown = await page(pages, f"/browse/{SPACE}")

        assert max(map(len, shown.texts["code"])) == 80


class TestEntry:
    async def test_json_is_shown_whole_and_pretty(self, pages):
        await put(pages, "config", {"lr": 0.1, "name": "é"}, space=SPACE)

        shown = await page(pages, f"/browse/{SPACE}/entry", key="config")

        assert shown.texts["pre"] == ['{\n  "lr": 0.1,\n  "name": "é"\n}']
        assert shown.texts["h1"] == ["config"]

    async def test_of_a_very_long_value_the_beginning_is_shown(self, pages):
        await put(pages, "long", "x" * 300_000, space=SPACE)

        answer = await pages.get(f"/browse/{SPACE}/entry", params={"key": "long"})

        assert len(answer.content) < 110_000
        assert "Only the beginning is shown." in answer.text

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 1_000])
    async def test_size_of_a_pickle_is_that_of_its_bytes(self, pages, size):
        await put_pickle(pages, "p", b"\x80" * size)

        assert f"{size:,}" in (await page(pages, f"/browse/{SPACE}/entry", key="p")).texts["dd"]

    async def test_code_is_described_with_its_signer(self, pages):
        meta = {"kind": "function", "module": "lib", "qualname": "mse", "python": "3.11", "note": "mine"}
        await put_pickle(pages, "mse", b"\x80\x04N.", meta=meta, signature="abcd1234:mac")

        shown = await page(pages, f"/browse/{SPACE}/entry", key="mse")

        codes = shown.texts["code"]
        assert {"lib", "mse", "3.11", "mine", "abcd1234"} <= set(codes)
        assert "pre" not in shown.texts

    async def test_no_page_unpickles(self, pages, tmp_path):
        """The bytes touch a file wherever they are loaded, as the last line shows."""
        touched = tmp_path / "touched"
        trap = pickle.dumps(Trap(str(touched)))
        await put_pickle(pages, "trap", trap, meta={"kind": "instance", "module": "os", "qualname": "trap"})

        for path in ("/", f"/browse/{SPACE}", f"/browse/{SPACE}/entry?key=trap", "/search?q=trap"):
            await page(pages, path)

        assert not touched.exists()
        pickle.loads(trap).close()
        assert touched.exists()

    async def test_missing_entry_is_a_page_that_says_so(self, pages):
        answer = await pages.get(f"/browse/{SPACE}/entry", params={"key": "missing"})

        assert answer.status_code == 404
        assert f"There is no 'missing' in {SPACE}" in Document.of(answer).texts["p"]


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


NAMES = [
    *("a/b", "/", "..", "../../etc/passwd", "%", "%2F", "%00", "a%20b", "?", "a?key=b", "#", "a#b", "&key=b"),
    *("+", "a b", " ", "=", ";", "\x00", "a\x00b", "\n", "\r\n", "\\", '"', "'", "<b>", "é", "e\u0301", "😀"),
    *("\u202egnp", "\u2028", "\x7f", "\x9b31m", "javascript:alert(1)", "//host/path", "{{7*7}}", "x" * 1_024),
]


@pytest.mark.parametrize("key", NAMES, ids=lambda key: ascii(key)[:30])
async def test_link_of_a_name_leads_to_its_entry(pages, key):
    """Whatever a name holds: the address is taken from the page, and what it leads to is the value."""
    await put(pages, key, {"value of": key}, space=SPACE)
    await put(pages, "other", "other", space=SPACE)
    shown = await page(pages, f"/browse/{SPACE}")

    (link,) = [href for href in shown.links.values() if "/entry?key=" in href and not href.endswith("=other")]
    entry = await pages.get(link)

    assert entry.status_code == 200
    assert link.startswith(f"/browse/{SPACE}/entry?key=")
    stored = await pages.get(f"/registry/{SPACE}/get", params={"key": key})
    assert stored.json()["digest"] in Document.of(entry).texts["code"]


class TestSearch:
    async def test_finds_parts_of_names_and_namespaces_whatever_their_case(self, pages):
        await put(pages, "CrossEntropy", space=SPACE)
        await put(pages, "mse", space="Entropy.other")
        await put(pages, "adam", space="research.optim")

        found = await page(pages, "/search", q="entropy")

        assert {"CrossEntropy", "Entropy.other"} <= found.links.keys()
        assert "adam" not in found.links
        assert (await page(pages, found.links["CrossEntropy"])).texts["h1"] == ["CrossEntropy"]
        assert (await page(pages, found.links["Entropy.other"])).texts["h1"] == ["Entropy.other"]

    async def test_nothing_found_says_so(self, pages):
        assert "Nothing has it in its name." in (await page(pages, "/search", q="x")).texts["p"]

    @pytest.mark.parametrize("text", ["", "   "])
    async def test_nothing_asked_asks(self, pages, text):
        await put(pages, "k")

        assert "Type a part of" in (await page(pages, "/search", q=text)).texts["p"][0]

    async def test_as_many_names_as_fit_a_page_and_no_more(self, pages, monkeypatch):
        monkeypatch.setattr(finding, "MOST_FOUND", 20)
        for number in range(30):
            await put(pages, f"k{number}", space=SPACE)

        found = await page(pages, "/search", q="k")

        assert len([name for name in found.links if name.startswith("k")]) == 20
        assert any("There may be more" in text for text in found.texts["p"])

    async def test_as_many_namespaces_as_fit_a_page_and_no_more(self, pages, monkeypatch):
        monkeypatch.setattr(finding, "MOST_FOUND", 20)
        for number in range(30):
            await put(pages, "one", space=f"space{number}")

        found = await page(pages, "/search", q="space")

        assert len([name for name in found.links if name.startswith("space")]) == 20
        assert any("There may be more" in text for text in found.texts["p"])

    async def test_looks_at_a_bounded_number_of_names(self, pages, backend, monkeypatch):
        monkeypatch.setattr(finding, "MOST_LOOKED_AT", 25)
        monkeypatch.setattr(finding, "_PAGE", 10)
        for number in range(60):
            await put(pages, f"k{number}", space=f"s{number % 3}")
        looked_at = []
        listing = backend.page

        async def counted(*arguments, **options):
            looked_at.append(await listing(*arguments, **options))
            return looked_at[-1]

        monkeypatch.setattr(backend, "page", counted)
        found = await page(pages, "/search", q="not there")

        assert sum(len(listed.entries) for listed in looked_at) == 25
        assert any("There may be more" in text for text in found.texts["p"])

    async def test_all_looked_at_is_complete(self, pages):
        await put(pages, "k")

        assert not any(
            "There may be more" in text for text in (await page(pages, "/search", q="k")).texts["p"]
        )
