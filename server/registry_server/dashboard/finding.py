"""Finding keys by a part of them, over all namespaces; what it costs is bounded."""

from __future__ import annotations

from typing import NamedTuple

from registry_server.access.visible import VisibleStorage
from registry_server.storage.base import NamespaceInfo

MOST_FOUND = 200
MOST_LOOKED_AT = 50_000
_PAGE = 1_000


class Found(NamedTuple):
    """Namespaces and keys that hold the text; ``complete`` unless the search ended at a bound."""

    namespaces: list[NamespaceInfo]
    keys: list[tuple[str, str]]
    complete: bool


async def find_keys(backend: VisibleStorage, text: str) -> Found:
    """Namespaces and keys that hold ``text``, letter case aside."""
    wanted = text.casefold()
    found = Found([], [], True)
    left = MOST_LOOKED_AT
    after, more = "", True
    while more:
        infos, more = await backend.namespaces(after=after, limit=_PAGE)
        for info in infos:
            if wanted in info.namespace.casefold():
                found.namespaces.append(info)
            left -= await _find_in(backend, info.namespace, wanted, found.keys, most=left)
            if left <= 0 or len(found.namespaces) >= MOST_FOUND or len(found.keys) >= MOST_FOUND:
                return found._replace(complete=False)
        after = infos[-1].namespace if infos else ""
    return found


async def _find_in(
    backend: VisibleStorage, namespace: str, wanted: str, keys: list[tuple[str, str]], *, most: int
) -> int:
    """Add the keys of one namespace that hold the text; looks at ``most`` and returns at how many."""
    looked_at = position = 0
    more = True
    while more and looked_at < most and len(keys) < MOST_FOUND:
        limit = min(_PAGE, most - looked_at)
        page = await backend.page(namespace, after=position, limit=limit, max_bytes=1, values=False)
        keys += [(namespace, entry.key) for entry in page.entries if wanted in entry.key.casefold()]
        looked_at += len(page.entries)
        more = page.more
        position = page.entries[-1].created if page.entries else 0
    del keys[MOST_FOUND:]
    return looked_at
