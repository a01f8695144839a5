"""Keys, items and namespaces, page by page."""

import pytest

from registry_server.handlers.entries import PAGE_BYTES
from tests.server.wire import envelope, keys, problem, put


async def all_pages(client, path: str, member: str, **params):
    """Every member of a listing, page by page."""
    found: list = []
    page: dict[str, str] = {}
    while True:
        answer = (await client.get(path, params={**params, **page})).json()
        found += answer[member]
        if "next" not in answer:
            return found
        assert answer[member], "an empty page says that more follows"
        page = {"page": answer["next"]}


class TestKeys:
    async def test_come_in_creation_order(self, client):
        """REG-LST-01."""
        for name in ("b", "a", "c"):
            await put(client, name)

        assert (await keys(client))["keys"] == ["b", "a", "c"]

    async def test_a_replaced_entry_keeps_its_place(self, client):
        """REG-SET-04."""
        for name in ("b", "a", "c"):
            await put(client, name, 1)
        await put(client, "b", 2)

        assert (await keys(client))["keys"] == ["b", "a", "c"]

    async def test_a_deleted_one_that_comes_back_is_last(self, client):
        """REG-LST-01."""
        for name in ("b", "a"):
            await put(client, name)
        await client.delete("/registry/a/delete?key=b")
        await put(client, "b")

        assert (await keys(client))["keys"] == ["a", "b"]

    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
    async def test_next_is_there_exactly_if_more_follow(self, limit, client):
        """REG-LST-01."""
        names = list("fedcba")
        for name in names:
            await put(client, name)

        first = await keys(client, limit=limit)

        assert ("next" in first) == (limit < 6)
        assert await all_pages(client, "/registry/a/keys", "keys", limit=limit) == names

    async def test_a_prefix_is_compared_by_code_point(self, client):
        names = ["ab", "a%", "a_", "A", "b", "aé", "a*"]
        for name in names:
            await put(client, name)

        assert (await keys(client, prefix="a"))["keys"] == ["ab", "a%", "a_", "aé", "a*"]
        assert (await keys(client, prefix="a%"))["keys"] == ["a%"]
        assert await all_pages(client, "/registry/a/keys", "keys", limit=1, prefix="a") == [
            "ab", "a%", "a_", "aé", "a*",
        ]  # fmt: skip

    async def test_pages_are_stable_under_writes(self, client):
        """REG-LST-02."""
        for name in ("a", "b", "c", "d", "e"):
            await put(client, name, 1)
        first = await keys(client, limit=2)
        await put(client, "a", 2)
        await put(client, "d", 2)
        await client.delete("/registry/a/delete?key=b")
        await client.delete("/registry/a/delete?key=c")
        await put(client, "0 new")

        rest = await all_pages(client, "/registry/a/keys", "keys", limit=2, page=first["next"])

        assert first["keys"] == ["a", "b"]
        assert rest == ["d", "e", "0 new"]

    async def test_each_page_has_the_cursor_of_its_moment(self, client):
        """REG-REV-03."""
        await put(client, "a")
        stored = await put(client, "b")
        first = await keys(client, limit=1)
        later = await put(client, "c")

        second = await keys(client, limit=1, page=first["next"])

        assert (first["cursor"], second["cursor"]) == (stored["cursor"], later["cursor"])

    @pytest.mark.parametrize("path", ["keys", "items"])
    async def test_a_page_of_an_earlier_epoch_is_gone(self, path, client, backend):
        """REG-LST-03."""
        await put(client, "a")
        await put(client, "b")
        token = (await client.get(f"/registry/a/{path}?limit=1")).json()["next"]
        await backend.open()

        answer = await client.get(f"/registry/a/{path}", params={"page": token})

        gone = problem(answer, 410, "epoch_changed")
        assert gone["suggestions"] == ["list again from the first page"]
        assert gone["cursor"] == f"{backend.epoch}.0"

    @pytest.mark.parametrize("path", ["/registry/a/keys", "/registry/a/items"])
    @pytest.mark.parametrize(
        "token", ["x", "1", ".", ".1", "x.", "x.-1", "x.1x", "x.²", "x." + "9" * 19, "é", "\0"]
    )
    async def test_what_is_no_page_token_is_400(self, token, path, client):
        answer = await client.get(path, params={"page": token})

        problem(answer, 400, "invalid_page")

    @pytest.mark.parametrize("limit", ["0", "-1", "1001", "1.0", "x", "", "0x1", "٣", "9" * 30, "1 ", "+1"])
    @pytest.mark.parametrize("path", ["/registry/a/keys", "/registry/a/items", "/namespaces"])
    async def test_a_limit_is_an_integer_of_1_to_1000(self, path, limit, client):
        """REG-ERR-04."""
        answer = await client.get(path, params={"limit": limit})

        problem(answer, 422, "invalid_parameter")


class TestItems:
    async def test_are_the_entries_whole(self, client):
        """REG-LST-04."""
        stored = await put(client, "k", [1], kind="list")

        page = (await client.get("/registry/a/items")).json()

        [item] = page["items"]
        assert item.pop("updated_at").endswith("Z")
        assert item == {
            "key": "k",
            "value": envelope([1], kind="list"),
            "revision": 1,
            "etag": stored["etag"],
            "digest": stored["digest"],
        }
        assert page["cursor"] == stored["cursor"]

    async def test_a_page_ends_before_8_mib_of_values(self, client):
        """REG-LST-04."""
        third = "x" * (PAGE_BYTES // 3)
        for name in ("a", "b", "c", "d"):
            await put(client, name, third)

        first = (await client.get("/registry/a/items")).json()

        assert [item["key"] for item in first["items"]] == ["a", "b"]
        rest = await all_pages(client, "/registry/a/items", "items", page=first["next"])
        assert [item["key"] for item in rest] == ["c", "d"]

    async def test_a_page_holds_one_entry_at_least(self, client):
        """REG-LST-04."""
        largest = "x" * (8 * 1024 * 1024 - 2)
        for name in ("a", "b"):
            await put(client, name, largest)

        items = await all_pages(client, "/registry/a/items", "items")

        assert [item["key"] for item in items] == ["a", "b"]
        assert {len(item["value"]["data"]) for item in items} == {8 * 1024 * 1024}

    async def test_a_default_page_is_of_100(self, client):
        entries = [{"key": envelope(str(number)), "value": envelope(number)} for number in range(101)]
        await client.post("/registry/a/batch/set", json={"entries": entries})

        assert len((await client.get("/registry/a/items")).json()["items"]) == 100
        assert len(await all_pages(client, "/registry/a/items", "items", limit=1_000)) == 101


class TestNamespaces:
    async def test_those_that_hold_entries_by_name(self, client):
        """REG-NSP-01."""
        last = {}
        for space in ("b", "a.z", "B", "a", "gone"):
            last[space] = await put(client, "k", space=space)
        last["a"] = await put(client, "l", space="a")
        await client.delete("/registry/gone/clear")

        listed = (await client.get("/namespaces")).json()

        assert listed == {
            "namespaces": [
                {"namespace": space, "entries": 2 if space == "a" else 1, "cursor": last[space]["cursor"]}
                for space in ("B", "a", "a.z", "b")
            ]
        }

    async def test_are_paged(self, client):
        """REG-NSP-01."""
        for number in range(5):
            await put(client, "k", space=f"space{number}")

        found = await all_pages(client, "/namespaces", "namespaces", limit=2)

        assert [info["namespace"] for info in found] == [f"space{number}" for number in range(5)]

    async def test_a_prefix_is_any_beginning(self, client):
        """REG-NSP-01."""
        for space in ("research.losses", "research2", "other"):
            await put(client, "k", space=space)

        found = await all_pages(client, "/namespaces", "namespaces", prefix="research", limit=1)

        assert [info["namespace"] for info in found] == ["research.losses", "research2"]

    @pytest.mark.parametrize("token", ["x", "zz", "6", "ff", "2e", "é", " 61", "61 "])
    async def test_what_is_no_page_token_is_400(self, token, client):
        problem(await client.get("/namespaces", params={"page": token}), 400, "invalid_page")
