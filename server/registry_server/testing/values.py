"""What the contract writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Final

from registry_server.storage.base import Entry, StorageBackend, Stored

OpenBackend = Callable[[], StorageBackend]
"""Gives a backend that is not opened yet; every call of one test's is over the same store."""

PLENTY: Final = 64 * 1024 * 1024
"""More bytes than any page of the contract holds."""

MISSING: Final = Entry("", b"", "", 0, 0, "")
"""Stands for no entry, where one is compared."""


def stored(data: object, **meta: str) -> Stored:
    """A JSON value in an envelope; values with other ``meta`` have other bytes and the same digest."""
    text = json.dumps(data, ensure_ascii=False)
    envelope: dict[str, object] = {"type": "json", "data": text, "encoding": "json"}
    if meta:
        envelope["meta"] = meta
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return Stored(json.dumps(envelope, ensure_ascii=False).encode(), digest)


async def put_all(backend: StorageBackend, namespace: str, *keys: str) -> list[Entry]:
    """Put one value under each key, in order; the entries."""
    return [(await backend.put(namespace, key, stored(key))).entry for key in keys]


async def all_entries(
    backend: StorageBackend, namespace: str, *, prefix: str = "", limit: int = 1_000, max_bytes: int = PLENTY
) -> list[Entry]:
    """Every entry, page by page."""
    entries: list[Entry] = []
    more = True
    while more:
        after = entries[-1].created if entries else 0
        page = await backend.page(namespace, prefix=prefix, after=after, limit=limit, max_bytes=max_bytes)
        assert page.entries or not page.more, "an empty page says that more follows: paging would never end"
        entries += page.entries
        more = page.more
    return entries


async def all_keys(
    backend: StorageBackend, namespace: str, *, prefix: str = "", limit: int = 1_000
) -> list[str]:
    """Every key, page by page."""
    return [entry.key for entry in await all_entries(backend, namespace, prefix=prefix, limit=limit)]
