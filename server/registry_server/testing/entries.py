"""Promises about single entries: what is written is read, and what each change does to the numbers."""

from __future__ import annotations

import re

from registry_server.storage.base import Removed, StorageBackend, Stored
from registry_server.testing.values import PLENTY, all_keys, put_all, stored

HOSTILE_KEYS = [
    "a",
    "A",
    "a\0",
    "a\0b",
    "\0",
    "..",
    "../a",
    "a/b",
    "%2F",
    "a%2Fb",
    "%",
    "_",
    "*",
    "?",
    "a'b",
    'a"b',
    "a;--",
    " ",
    "a ",
    "\n",
    "\u00e9",
    "e\u0301",
    "\ufb01",
    "fi",
    "\U0001f600",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\uffff",
    "\U0010ffff",
    "\u202e",
    "0",
    "00",
    "null",
    "x" * 1024,
    "x" * 1023 + "y",
    "\U0001f600" * 256,
]
"""Keys that some store, some URL or some collation takes for another."""


class EntryPromises:
    """One entry at a time."""

    async def test_a_namespace_nobody_wrote_to_reads_as_empty(self, backend: StorageBackend) -> None:
        assert await backend.get("nobody.wrote", "key") == (None, 0)
        assert await backend.contains("nobody.wrote", "key") == (False, 0)
        assert await backend.count("nobody.wrote") == (0, 0)
        assert await backend.page("nobody.wrote", limit=1, max_bytes=PLENTY) == ([], 0, False)
        assert await backend.delete("nobody.wrote", "key") == Removed(existed=False, head=0)
        assert await backend.clear("nobody.wrote") == (0, 0)

    async def test_put_answers_the_entry_that_get_then_has(self, backend: StorageBackend) -> None:
        value = stored({"text": "\u00e9\0"})

        written = await backend.put("space", "key", value)

        assert written.outcome == "created"
        assert (written.entry.key, written.entry.envelope, written.entry.digest) == ("key", *value)
        assert (written.entry.revision, written.entry.created, written.head) == (1, 1, 1)
        assert await backend.get("space", "key") == (written.entry, 1)
        assert await backend.contains("space", "key") == (True, 1)

    async def test_the_time_of_a_change_is_utc_with_milliseconds(self, backend: StorageBackend) -> None:
        [entry] = await put_all(backend, "space", "key")

        assert re.fullmatch(r"2\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z", entry.updated_at)

    async def test_replacing_keeps_created_and_moves_the_revision(self, backend: StorageBackend) -> None:
        first, other = await put_all(backend, "space", "key", "other")

        written = await backend.put("space", "key", stored("new"))

        assert written.outcome == "replaced"
        assert (written.entry.created, written.entry.revision, written.head) == (first.created, 3, 3)
        assert written.entry.updated_at >= first.updated_at
        assert await backend.get("space", "key") == (written.entry, 3)
        assert await backend.get("space", "other") == (other, 3)
        assert await backend.count("space") == (2, 3)

    async def test_an_equal_value_changes_nothing_and_uses_no_revision(self, backend: StorageBackend) -> None:
        [entry] = await put_all(backend, "space", "key")

        written = await backend.put("space", "key", stored("key"))

        assert written == ("unchanged", entry, 1)
        assert await backend.get("space", "key") == (entry, 1)

    async def test_a_value_that_differs_in_meta_only_replaces(self, backend: StorageBackend) -> None:
        """Its digest is the same: comparing digests does not suffice."""
        await backend.put("space", "key", stored("v", author="a"))

        written = await backend.put("space", "key", stored("v", author="b"))

        assert (written.outcome, written.head) == ("replaced", 2)
        assert (await backend.get("space", "key"))[0] == written.entry

    async def test_a_value_may_go_back_to_a_former_one(self, backend: StorageBackend) -> None:
        outcomes = [(await backend.put("space", "key", stored(data))).outcome for data in ("a", "b", "a")]

        assert outcomes == ["created", "replaced", "replaced"]

    async def test_a_delete_is_a_change_and_the_entry_is_gone(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "key", "other")

        assert await backend.delete("space", "key") == Removed(existed=True, head=3)

        assert await backend.get("space", "key") == (None, 3)
        assert await backend.contains("space", "key") == (False, 3)
        assert await backend.count("space") == (1, 3)
        assert await all_keys(backend, "space") == ["other"]

    async def test_deleting_what_is_not_there_changes_nothing(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "key")
        await backend.delete("space", "key")

        assert await backend.delete("space", "key") == Removed(existed=False, head=2)
        assert await backend.count("space") == (0, 2)

    async def test_a_key_put_again_after_a_delete_is_created_anew(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "key", "other")
        await backend.delete("space", "key")

        written = await backend.put("space", "key", stored("key"))

        assert (written.outcome, written.entry.created, written.entry.revision) == ("created", 4, 4)
        assert await all_keys(backend, "space") == ["other", "key"]

    async def test_keys_are_told_apart_by_code_point(self, backend: StorageBackend) -> None:
        entries = await put_all(backend, "space", *HOSTILE_KEYS)

        for entry in entries:
            assert (await backend.get("space", entry.key))[0] == entry
        assert await all_keys(backend, "space") == HOSTILE_KEYS
        for key in HOSTILE_KEYS[::2]:
            assert (await backend.delete("space", key)).existed
        assert await all_keys(backend, "space") == HOSTILE_KEYS[1::2]

    async def test_namespaces_share_neither_entries_nor_heads(self, backend: StorageBackend) -> None:
        for namespace in ("a", "a.b", "ab", "A"):
            await backend.put(namespace, "key", stored(namespace))
        await backend.put("a", "second", stored("second"))
        await backend.delete("ab", "key")

        assert [await backend.count(namespace) for namespace in ("a", "a.b", "ab", "A")] == [
            (2, 2),
            (1, 1),
            (0, 2),
            (1, 1),
        ]
        entry, _ = await backend.get("a.b", "key")
        assert entry is not None
        assert entry.envelope == stored("a.b").envelope

    async def test_values_come_back_byte_for_byte_up_to_8_mib(self, backend: StorageBackend) -> None:
        values = [_sized(size) for size in (2, 4095, 65_536, 262_144, 262_145, 1_000_000, 8 * 1024 * 1024)]
        values += [Stored(bytes(range(1, 256)), "sha256:bytes"), stored("\0\u00e9\U0001f600'\"")]

        for index, value in enumerate(values):
            await backend.put("space", f"{index}", value)

        for index, value in enumerate(values):
            entry, _ = await backend.get("space", f"{index}")
            assert entry is not None
            assert (len(entry.envelope), entry.digest) == (len(value.envelope), value.digest)
            assert entry.envelope == value.envelope
            assert (await backend.put("space", f"{index}", value)).outcome == "unchanged"

    async def test_clear_is_one_change_and_revisions_go_on_from_it(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "a", "b", "c")
        await put_all(backend, "other", "a")

        assert await backend.clear("space") == (3, 4)

        assert await backend.count("space") == (0, 4)
        assert await backend.get("space", "a") == (None, 4)
        assert await all_keys(backend, "space") == []
        assert await backend.count("other") == (1, 1)
        [entry] = await put_all(backend, "space", "a")
        assert (entry.created, entry.revision) == (5, 5)

    async def test_clearing_what_is_empty_changes_nothing(self, backend: StorageBackend) -> None:
        await put_all(backend, "space", "a")
        await backend.clear("space")

        assert await backend.clear("space") == (0, 2)
        assert await backend.count("space") == (0, 2)


def _sized(size: int) -> Stored:
    return Stored((b"0123456789abcdef" * (size // 16 + 1))[:size], f"sha256:of {size} bytes")
