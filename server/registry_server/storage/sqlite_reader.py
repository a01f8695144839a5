"""What is asked of the SQLite file: entries, pages and changes, each within one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Final

from registry_server.storage.base import Change, Changes, CompactedError, Entry, Page
from registry_server.storage.sqlite_cache import LARGEST_CACHED

_FEW: Final = 1_000
"""Up to so many entries with a prefix are found by key and sorted; more are met soon enough in order."""

_ENTRY: Final = """
    SELECT n.head, e.created, e.revision, e.updated_at, e.digest, {envelope}
    FROM namespaces n LEFT JOIN entries e ON e.namespace = n.id AND e.key = ? WHERE n.id = ?"""
_WHOLE: Final = _ENTRY.format(envelope="e.envelope")
_SIZED: Final = _ENTRY.format(envelope="length(e.envelope)")
_CHANGES: Final = """
    SELECT c.revision, c.op, c.key, c.digest, c.updated_at, c.last, length(e.envelope)
    FROM changes c LEFT JOIN entries e
    ON c.op = 'set' AND e.namespace = c.namespace AND e.key = c.key AND e.revision = c.revision
    WHERE c.namespace = ? AND c.revision > ? ORDER BY c.revision LIMIT ?"""
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
    with _snapshot(connection):
        [head] = connection.execute("SELECT head FROM namespaces WHERE id = ?", (ident,)).fetchone()
        query, parameters = _page_query(connection, ident, prefix.encode(), after)
        envelope = "envelope" if values else "x''"
        select = f"SELECT key, {envelope}, digest, revision, created, updated_at {query} LIMIT ?"
        # Closed at once: a statement left half read would hold its snapshot, and the log could not start
        # over.
        with closing(connection.execute(select, (*parameters, limit + 1))) as rows:
            entries, more = _take(rows, limit, max_bytes)
    return Page(entries, head, more)


def read_many(
    connection: sqlite3.Connection, ident: int, keys: Sequence[str], max_bytes: int
) -> tuple[list[Entry | None], int]:
    """The entries by index, as `StorageBackend.get_many` has them, and the namespace's head."""
    found: list[Entry | None] = []
    head, first = 0, True
    with _snapshot(connection):
        for key in keys:
            head, created, revision, updated_at, digest, size = connection.execute(
                _SIZED, (key.encode(), ident)
            ).fetchone()
            if created is None:
                found.append(None)
                continue
            max_bytes -= size
            envelope = _envelope(connection, ident, key) if first or max_bytes >= 0 else b""
            first = False
            found.append(Entry(key, envelope, digest, revision, created, updated_at))
    return found, head


def read_changes(
    connection: sqlite3.Connection, ident: int, since: int, *, limit: int, max_bytes: int, max_value: int
) -> Changes:
    """The changes after ``since``, as `StorageBackend.changes` has them."""
    with _snapshot(connection):
        head, compacted = connection.execute(
            "SELECT head, compacted FROM namespaces WHERE id = ?", (ident,)
        ).fetchone()
        if since < compacted:
            raise CompactedError(head)
        rows = connection.execute(_CHANGES, (ident, since, limit)).fetchall()
        if rows and rows[-1][0] < rows[-1][5]:  # the rest of the last one's batch
            rows += connection.execute(_CHANGES, (ident, rows[-1][0], rows[-1][5] - rows[-1][0])).fetchall()
        changes = []
        for revision, op, key, digest, updated_at, last, size in rows:
            envelope = b""
            if size is not None and size <= min(max_value, max_bytes):
                max_bytes -= size
                envelope = _envelope(connection, ident, key.decode())
            changes.append(Change(revision, op, key.decode(), digest, updated_at, last, envelope))
    return Changes(changes, head)


def _envelope(connection: sqlite3.Connection, ident: int, key: str) -> bytes:
    [envelope] = connection.execute(
        "SELECT envelope FROM entries WHERE namespace = ? AND key = ?", (ident, key.encode())
    ).fetchone()
    return bytes(envelope)


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """One state of the file for all statements of the block."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


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
