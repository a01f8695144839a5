"""What is asked of the SQLite file: single entries and pages, each within one snapshot."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Final

from registry_server.storage.base import Entry, Page
from registry_server.storage.sqlite_cache import LARGEST_CACHED

_FEW: Final = 1_000
"""Up to so many entries with a prefix are found by key and sorted; more are met soon enough in order."""

_ENTRY: Final = """
    SELECT n.head, e.created, e.revision, e.updated_at, e.digest, {envelope}
    FROM namespaces n LEFT JOIN entries e ON e.namespace = n.id AND e.key = ? WHERE n.id = ?"""
_WHOLE: Final = _ENTRY.format(envelope="e.envelope")
# SQLite tells a value's length without reading the pages it overflows into.
_SMALL: Final = _ENTRY.format(
    envelope=f"CASE WHEN length(e.envelope) <= {LARGEST_CACHED} THEN e.envelope ELSE x'' END"
)


def read_small(connection: sqlite3.Connection, ident: int, key: str) -> tuple[Entry | None, int]:
    """The entry, without its envelope if that is larger than the cache takes, and the namespace's head."""
    return _read(connection, _SMALL, ident, key)


def read_whole(connection: sqlite3.Connection, ident: int, key: str) -> tuple[Entry | None, int]:
    """The entry and the namespace's head."""
    return _read(connection, _WHOLE, ident, key)


def _read(connection: sqlite3.Connection, query: str, ident: int, key: str) -> tuple[Entry | None, int]:
    # One statement is one snapshot: head and entry are of one moment.
    head, created, revision, updated_at, digest, envelope = connection.execute(
        query, (key.encode(), ident)
    ).fetchone()
    if created is None:
        return None, head
    return Entry(key, envelope, digest, revision, created, updated_at), head


def read_page(
    connection: sqlite3.Connection,
    ident: int,
    prefix: str,
    after: int,
    limit: int,
    max_bytes: int,
    values: bool,
) -> Page:
    """A page of the namespace, as `StorageBackend.page` has it."""
    connection.execute("BEGIN")  # a snapshot for all the statements below
    try:
        [head] = connection.execute("SELECT head FROM namespaces WHERE id = ?", (ident,)).fetchone()
        query, parameters = _page_query(connection, ident, prefix.encode(), after)
        envelope = "envelope" if values else "x''"
        select = f"SELECT key, {envelope}, digest, revision, created, updated_at {query} LIMIT ?"
        # Closed at once: a statement left half read would hold its snapshot, and the log could not start
        # over.
        with closing(connection.execute(select, (*parameters, limit + 1))) as rows:
            entries, more = _take(rows, limit, max_bytes)
    finally:
        connection.execute("COMMIT")
    return Page(entries, head, more)


def _take(rows: sqlite3.Cursor, limit: int, max_bytes: int) -> tuple[list[Entry], bool]:
    entries: list[Entry] = []
    room = max_bytes
    for key, envelope, digest, revision, created, updated_at in rows:
        room -= len(envelope)
        if len(entries) == limit or (entries and room < 0):
            return entries, True
        entries.append(Entry(key.decode(), envelope, digest, revision, created, updated_at))
    return entries, False


def _page_query(
    connection: sqlite3.Connection, ident: int, prefix: bytes, after: int
) -> tuple[str, tuple[object, ...]]:
    """From where to read, so that a page costs what it holds, for rare and for frequent prefixes."""
    order = "WHERE namespace = ? AND created > ? ORDER BY created"
    if not prefix:
        return f"FROM entries INDEXED BY entries_in_order {order}", (ident, after)
    # UTF-8 has no byte 0xFF, so the last byte can always be one more: the first text that no longer begins
    # so.
    span = (prefix, prefix[:-1] + bytes([prefix[-1] + 1]))
    [found] = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM entries WHERE namespace = ? AND key >= ? AND key < ? LIMIT ?)",
        (ident, *span, _FEW + 1),
    ).fetchone()
    index = "entries_by_key" if found <= _FEW else "entries_in_order"
    where = "WHERE namespace = ? AND key >= ? AND key < ? AND created > ? ORDER BY created"
    return f"FROM entries INDEXED BY {index} {where}", (ident, *span, after)
