"""Promises about pages, namespaces and totals."""

from __future__ import annotations

from registry_server.storage.base import NamespaceInfo, Put, StorageBackend
from registry_server.testing.entries import HOSTILE_KEYS
from registry_server.testing.values import PLENTY, all_entries, all_keys, put_all, stored


class ListingPromises:
    """Creation order, stable pages, literal prefixes."""

    async def test_pages_follow_creation_order_and_say_exactly_if_more_follow(
        self, backend: StorageBackend
    ) -> None:
        entries = await put_all(backend, "space", *"ebdac")

        first = await backend.page("space", limit=2, max_bytes=PLENTY)
        second = await backend.page("space", after=first.entries[-1].created, limit=2, max_bytes=PLENTY)
        third = await backend.page("space", after=second.entries[-1].created, limit=2, max_bytes=PLENTY)

        assert first == (entries[:2], 5, True)
        assert second == (entries[2:4], 5, True)
        assert third == (entries[4:], 5, False)
        assert await backend.page("space", limit=5, max_bytes=PLENTY) == (entries, 5, False)
        assert await backend.page("space", after=5, limit=5, max_bytes=PLENTY) == ([], 5, False)

    async def test_a_replaced_entry_keeps_its_place(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", *"abc")

        await backend.put("space", "a", stored("new"))

        assert await all_keys(backend, "space", limit=1) == ["a", "b", "c"]

    async def test_without_values_the_rest_of_the_entry_is_the_same(self, backend: StorageBackend) -> None:
        entries = await put_all(backend, "space", *"abc")

        page = await backend.page("space", limit=10, max_bytes=1, values=False)

        assert page.entries == [entry._replace(envelope=b"") for entry in entries]
        assert not page.more

    async def test_a_page_stops_before_its_bytes_pass_the_limit(self, backend: StorageBackend) -> None:
        entries = await put_all(backend, "space", *"abcd")
        size = len(entries[0].envelope)

        for room, expected in ((2 * size, 2), (3 * size - 1, 2), (3 * size, 3)):
            page = await backend.page("space", limit=10, max_bytes=room)
            assert (page.entries, page.more) == (entries[:expected], True)
        assert (await backend.page("space", limit=10, max_bytes=4 * size)).more is False

    async def test_one_entry_always_comes_however_large(self, backend: StorageBackend) -> None:
        large = (await backend.put("space", "large", stored("x" * 1_000_000))).entry
        small = (await backend.put("space", "small", stored("x"))).entry

        assert await backend.page("space", limit=10, max_bytes=1) == ([large], 2, True)
        assert await all_entries(backend, "space", max_bytes=1) == [large, small]

    async def test_prefixes_are_literal(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", *HOSTILE_KEYS)

        for prefix in (*HOSTILE_KEYS, "a", "x", "\U0001f468", "e"):
            expected = [key for key in HOSTILE_KEYS if key.startswith(prefix)]
            assert await all_keys(backend, "space", prefix=prefix, limit=2) == expected, ascii(prefix)

    async def test_prefixes_of_many_keys_and_of_few_are_paged_alike(self, backend: StorageBackend) -> None:
        keys = [f"{'rare' if index % 100 == 7 else 'many'}.{index}" for index in range(2_200)]
        for start in range(0, len(keys), 1_000):
            await backend.put_many("space", [Put(key, stored(key)) for key in keys[start : start + 1_000]])
        await backend.delete("space", "many.500")
        await backend.put("space", "many.500", stored("again"))

        for prefix in ("rare.", "many.", "many.1", "none."):
            expected = [key for key in keys if key.startswith(prefix) and key != "many.500"]
            expected += ["many.500"] * "many.500".startswith(prefix)
            assert await all_keys(backend, "space", prefix=prefix, limit=300) == expected

    async def test_pages_are_stable_under_writes(self, backend: StorageBackend) -> None:
        """Whatever happens between two pages, what was there all the time comes exactly once."""
        await put_all(backend, "space", *"abcdefgh")
        first = await backend.page("space", limit=4, max_bytes=PLENTY)

        await backend.delete("space", "a")
        await backend.delete("space", "d")  # where the next page begins
        await backend.delete("space", "f")
        await backend.put("space", "b", stored("new"))
        await backend.put("space", "g", stored("new"))
        await put_all(backend, "space", "a", "i")
        second = await backend.page("space", after=first.entries[-1].created, limit=10, max_bytes=PLENTY)

        assert [entry.key for entry in first.entries] == ["a", "b", "c", "d"]
        assert [entry.key for entry in second.entries] == ["e", "g", "h", "a", "i"]
        assert second.head == 15

    async def test_order_holds_through_many_deletes_and_returns(self, backend: StorageBackend) -> None:
        keys = [f"{index}" for index in range(300)]
        await backend.put_many("space", [Put(key, stored(key)) for key in keys])
        for key in keys[:200]:
            await backend.delete("space", key)
        await put_all(backend, "space", *keys[50:60])

        assert await all_keys(backend, "space", limit=7) == keys[200:] + keys[50:60]

    async def test_namespaces_come_by_name_and_only_while_they_hold_an_entry(
        self, backend: StorageBackend
    ) -> None:
        for namespace in ("b", "a", "a.b", "B", "a.c", "ab", "emptied", "cleared"):
            await put_all(backend, namespace, "x", "y")
        await backend.delete("emptied", "x")
        await backend.delete("emptied", "y")
        await backend.clear("cleared")
        await backend.delete("b", "x")

        infos, more = await backend.namespaces(limit=100)

        assert infos == [NamespaceInfo(name, 2, 2) for name in ("B", "a", "a.b", "a.c", "ab")] + [
            NamespaceInfo("b", 1, 3)
        ]
        assert not more

    async def test_namespaces_are_paged_and_filtered_by_prefix(self, backend: StorageBackend) -> None:
        for namespace in ("a", "a.b", "a.c", "ab", "b"):
            await put_all(backend, namespace, "x")

        assert await _names(backend, limit=2) == (["a", "a.b"], True)
        assert await _names(backend, after="a.b", limit=3) == (["a.c", "ab", "b"], False)
        assert await _names(backend, prefix="a.", limit=1) == (["a.b"], True)
        assert await _names(backend, prefix="a.", after="a.b", limit=1) == (["a.c"], False)
        assert await _names(backend, prefix="a.", after="zzz", limit=1) == ([], False)
        assert await _names(backend, after="aa", limit=1) == (["ab"], True)
        assert await _names(backend, prefix="none", limit=5) == ([], False)

    async def test_totals_count_everything_and_name_the_largest(self, backend: StorageBackend) -> None:
        assert await backend.totals(largest=3) == _totals(0, 0)
        await put_all(backend, "small", "x")
        await put_all(backend, "large", *"abc")
        await put_all(backend, "middle", *"ab")
        await put_all(backend, "gone", *"ab")
        await backend.clear("gone")
        await backend.delete("large", "a")
        await backend.put("large", "d", stored("d"))

        totals = await backend.totals(largest=2)

        assert (totals.namespaces, totals.entries) == (3, 6)
        assert list(totals.largest) == [NamespaceInfo("large", 3, 5), NamespaceInfo("middle", 2, 2)]


def _totals(namespaces: int, entries: int) -> object:
    from registry_server.storage.base import Totals

    return Totals(namespaces, entries, [])


async def _names(
    backend: StorageBackend, *, prefix: str = "", after: str = "", limit: int
) -> tuple[list[str], bool]:
    infos, more = await backend.namespaces(prefix=prefix, after=after, limit=limit)
    return [info.namespace for info in infos], more
