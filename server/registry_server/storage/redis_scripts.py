"""The scripts that the Redis backend runs, and the names of the keys that they are given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from hashlib import sha1
from pathlib import Path
from typing import Final, NamedTuple

from registry_server.storage.redis_wire import Packed, pack

_FOLDER: Final = Path(__file__).with_name("redis_lua")

# A script with flags that does not say `no-writes` is refused by a replica, the reading ones too. That is
# wanted: a replica is behind, so what it answers is not yet, or no longer, true (REG-REV-04).
_WRITES_MORE: Final = "#!lua"
"""Refused where there is no memory left."""
_WRITES_NO_MORE: Final = "#!lua flags=allow-oom"
"""Runs where there is no memory left: it reads, or removes."""


class Script(NamedTuple):
    """A script as it is sent, and the beginning of a call of it."""

    source: bytes
    call: Packed


def _script(flags: str, *parts: str) -> Script:
    texts = [(_FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in parts]
    source = "\n".join([flags, *texts]).encode()
    return Script(source, pack(("EVALSHA", sha1(source, usedforsecurity=False).hexdigest())))


class Scripts(NamedTuple):
    """All scripts, by what they do."""

    adopt: Script
    put: Script
    delete: Script
    clear: Script
    get: Script
    peek: Script
    page: Script
    changes: Script
    moves: Script
    namespaces: Script
    totals: Script


@cache
def scripts() -> Scripts:
    """The scripts of this version, read when first needed."""

    def reading(name: str) -> Script:
        return _script(_WRITES_NO_MORE, "prelude", name)

    return Scripts(
        adopt=_script(_WRITES_NO_MORE, "adopt"),
        put=_script(_WRITES_MORE, "prelude", "writing", "put"),
        delete=_script(_WRITES_NO_MORE, "prelude", "writing", "delete"),
        clear=_script(_WRITES_NO_MORE, "prelude", "writing", "clear"),
        get=reading("get"),
        peek=reading("peek"),
        page=reading("page"),
        changes=reading("changes"),
        moves=reading("moves"),
        namespaces=reading("namespaces"),
        totals=reading("totals"),
    )


_OF_THE_STORE: Final = ("store", "moved", "names", "sizes")
_OF_A_NAMESPACE: Final = ("meta", "entries", "values", "order", "by_key", "changes")


class Keys:
    """The names of a store's keys, which all begin with its prefix.

    ============  ======  =================================================================
    store         hash    epoch, replication id, format, number of moves and of entries
    moved         zset    names of namespaces, by the number of their latest move
    names         zset    names of namespaces that hold an entry, by code point
    sizes         zset    the same by how many entries, as negative numbers
    meta          hash    head, and the revision up to which changes are gone
    entries       hash    by key: revision, created, updated_at and digest
    values        hash    by key: the envelope
    order         zset    keys by the revision at which they came to be
    by_key        zset    keys by code point
    changes       stream  what was done, under ``<revision>-0``
    ============  ======  =================================================================

    The last six are a namespace's own. Its name stands in braces, so they share one hash slot; for the
    store's a dot stands there, which is no namespace's name.
    """

    def __init__(self, prefix: str, database: int) -> None:
        self.base = f"{prefix}:"
        self._store = [f"{prefix}:{{.}}:{name}" for name in _OF_THE_STORE]
        self.store = _counted(self._store)
        self.adopting = _counted(self._store[:1])
        # Databases share their channels.
        self.channel = f"{prefix}:{database}:moves".encode()
        self.of = lru_cache(_HELD)(self._of)
        """What a script about a namespace gets: the store's keys, then its own."""

    def _of(self, namespace: str) -> Packed:
        own = [f"{self.base}{{{namespace}}}:{name}" for name in _OF_A_NAMESPACE]
        return _counted(self._store + own)


_HELD: Final = 4_096


def _counted(keys: Sequence[str]) -> Packed:
    """Keys as a script wants them: their number comes first."""
    return pack((len(keys), *keys))
