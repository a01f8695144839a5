"""What is asked of the tables. Every answer is one statement's, so it is of one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from registry_server.storage.base import (
    Change,
    Changes,
    CompactedError,
    Entry,
    NamespaceInfo,
    Page,
    Totals,
)
from registry_server.storage.postgresql_link import Link

SMALL: Final = 64 * 1024
"""A round of look-ups brings envelopes of up to so many bytes; larger ones are read one by one."""

_FEW: Final = 1_000
"""Up to so many entries with a prefix are found by key and sorted; more are met soon enough in order."""

# octet_length tells a value's size without reading it; a row's value is read only where it is answered.
_LOOKUPS: Final = f"""
    SELECT q.place, n.head, e.created, e.revision, e.updated_at, e.digest,
        CASE WHEN q.whole AND octet_length(e.envelope) <= {SMALL} THEN e.envelope END
    FROM unnest(%s::text[], %s::bytea[], %s::bool[]) WITH ORDINALITY AS q (name, key, whole, place)
    JOIN namespaces n ON n.name = q.name
    LEFT JOIN entries e ON e.namespace = n.id AND e.key = q.key"""
_WHOLE: Final = """
    SELECT n.head, e.created, e.revision, e.updated_at, e.digest, e.envelope
    FROM namespaces n LEFT JOIN entries e ON e.namespace = n.id AND e.key = %s WHERE n.name = %s"""
_HEADS: Final = "SELECT name, size, head FROM namespaces WHERE name = ANY(%s::text[])"
_MANY: Final = """
    SELECT place, head, created, revision, updated_at, digest,
        CASE WHEN nth = 1 OR total <= %s THEN envelope ELSE '' END
    FROM (SELECT q.place, n.head, e.*,
            count(e.key) OVER (ORDER BY q.place) AS nth,
            sum(octet_length(e.envelope)) OVER (ORDER BY q.place) AS total
        FROM namespaces n
        LEFT JOIN unnest(%s::bytea[]) WITH ORDINALITY AS q (key, place) ON true
        LEFT JOIN entries e ON e.namespace = n.id AND e.key = q.key
        WHERE n.name = %s) found"""
_PAGE: Final = """
    SELECT n.head, p.key, p.created, p.revision, p.updated_at, p.digest, p.fits,
        CASE WHEN p.fits AND %s THEN p.envelope ELSE '' END
    FROM namespaces n LEFT JOIN LATERAL (
        SELECT f.*,
            row_number() OVER in_order = 1 OR sum(octet_length(f.envelope)) OVER in_order <= %s AS fits
        FROM ({entries} ORDER BY created LIMIT %s) f WINDOW in_order AS (ORDER BY f.created)
    ) p ON true WHERE n.name = %s ORDER BY p.created"""
_ALL: Final = _PAGE.format(entries="SELECT * FROM entries WHERE namespace = n.id AND created > %s")
_RANGE: Final = "FROM entries WHERE namespace = n.id AND key >= %s AND key < %s"
# Materialized: found by key, and sorted. With an expression instead of the column: met in order.
_BY_KEY: Final = _PAGE.format(entries=f"SELECT * FROM (SELECT * {_RANGE} OFFSET 0) ranged WHERE created > %s")
_IN_ORDER: Final = _PAGE.format(
    entries="SELECT * FROM entries "
    "WHERE namespace = n.id AND key || ''::bytea >= %s AND key || ''::bytea < %s AND created > %s"
)
_COUNT_RANGE: Final = f"""
    SELECT count(*) FROM namespaces n CROSS JOIN LATERAL (SELECT {_RANGE} LIMIT {_FEW + 1}) found
    WHERE n.name = %s"""
# Revisions are dense, so the change at since + limit says by its `last` how far its batch goes.
_CHANGES: Final = """
    SELECT n.head, n.compacted, c.revision, c.op, c.key, c.digest, c.updated_at, c.last,
        CASE WHEN c.size <= %(max_value)s
            AND sum(c.size) FILTER (WHERE c.size <= %(max_value)s) OVER (ORDER BY c.revision) <= %(max_bytes)s
        THEN c.envelope ELSE '' END
    FROM namespaces n LEFT JOIN LATERAL (
        SELECT h.*, e.envelope, octet_length(e.envelope) AS size
        FROM changes h LEFT JOIN entries e
            ON h.op = 'set' AND e.namespace = h.namespace AND e.key = h.key AND e.revision = h.revision
        WHERE h.namespace = n.id AND h.revision > %(since)s AND h.revision <= coalesce(
            (SELECT b.last FROM changes b WHERE b.namespace = n.id AND b.revision = %(until)s), %(until)s)
    ) c ON true WHERE n.name = %(name)s ORDER BY c.revision"""
_NAMESPACES: Final = """
    SELECT name, size, head FROM namespaces
    WHERE size > 0 AND name > %s AND name >= %s AND (%s = '' OR name < %s) ORDER BY name LIMIT %s"""
_TOTALS: Final = """
    SELECT name, size, head, count(*) OVER (), (sum(size) OVER ())::bigint FROM namespaces WHERE size > 0
    ORDER BY size DESC, name LIMIT %s"""


class Lookup(NamedTuple):
    """One entry that is asked for; ``whole`` with its envelope."""

    namespace: str
    key: str
    whole: bool


Found = tuple[Entry | None, int]


async def read_entries(link: Link, lookups: Sequence[Lookup]) -> Mapping[Lookup, Found]:
    """Each entry, or None, with its namespace's head."""
    names, keys, whole = zip(*lookups, strict=True)
    rows = await link.rows(_LOOKUPS, [list(names), [key.encode() for key in keys], list(whole)])
    found: dict[Lookup, Found] = dict.fromkeys(lookups, (None, 0))
    for place, head, *columns in rows:
        lookup = lookups[place - 1]
        if lookup.whole and columns[0] is not None and columns[-1] is None:
            found[lookup] = await _read_large(link, lookup)
        else:
            found[lookup] = _entry(lookup.key, *columns), head
    return found


async def _read_large(link: Link, lookup: Lookup) -> Found:
    rows = await link.rows(_WHOLE, [lookup.key.encode(), lookup.namespace])
    if not rows:
        return None, 0
    head, *columns = rows[0]
    return _entry(lookup.key, *columns), head


async def read_heads(link: Link, names: Sequence[str]) -> Mapping[str, NamespaceInfo]:
    """Size and head of each namespace, 0 for what there is not."""
    rows = await link.rows(_HEADS, [list(names)])
    return {name: NamespaceInfo(name, 0, 0) for name in names} | {
        name: NamespaceInfo(name, size, head) for name, size, head in rows
    }


async def read_many(
    link: Link, namespace: str, keys: Sequence[str], max_bytes: int
) -> tuple[list[Entry | None], int]:
    """The entries by index, as `StorageBackend.get_many` has them, and the namespace's head."""
    rows = await link.rows(_MANY, [max_bytes, [key.encode() for key in keys], namespace])
    entries: list[Entry | None] = [None] * len(keys)
    for place, _, *columns in rows:
        if place is not None:  # no keys: only the head is told
            entries[place - 1] = _entry(keys[place - 1], *columns)
    return entries, rows[0][1] if rows else 0


async def read_page(
    link: Link, namespace: str, prefix: str, after: int, limit: int, max_bytes: int, values: bool
) -> Page:
    """A page of the namespace, as `StorageBackend.page` has it."""
    where, query = await _range(link, namespace, prefix.encode())
    # A page without values has no room to keep.
    room = max_bytes if values else 1 << 62
    rows = await link.rows(query, [values, room, *where, after, limit + 1, namespace])
    if not rows or rows[0][1] is None:
        return Page([], rows[0][0] if rows else 0, more=False)
    fitting = [row for row in rows[:limit] if row[6]]
    entries = [
        Entry(key.decode(), envelope, digest, revision, created, updated_at)
        for _, key, created, revision, updated_at, digest, _, envelope in fitting
    ]
    return Page(entries, rows[0][0], more=len(fitting) < len(rows))


async def _range(link: Link, namespace: str, prefix: bytes) -> tuple[list[bytes], str]:
    """How to find the keys that begin with ``prefix``, so that a page costs what it holds."""
    if not prefix:
        return [], _ALL
    span = [prefix, after_all(prefix)]
    [[found]] = await link.rows(_COUNT_RANGE, [*span, namespace])
    return span, _BY_KEY if found <= _FEW else _IN_ORDER


def after_all(prefix: bytes) -> bytes:
    """The first bytes after all that begin with ``prefix``; UTF-8 has no byte 0xFF, so one more always is."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


class Since(NamedTuple):
    """A question for changes; equal ones are answered together."""

    namespace: str
    since: int
    limit: int
    max_bytes: int
    max_value: int


async def read_changes(link: Link, asked: Since) -> Changes | CompactedError:
    """The changes, as `StorageBackend.changes` has them; the error is given, not raised: many share it."""
    values: dict[str, object] = {
        "name": asked.namespace,
        "since": asked.since,
        "until": asked.since + asked.limit,
        "max_value": asked.max_value,
        "max_bytes": asked.max_bytes,
    }
    rows = await link.rows(_CHANGES, values)
    if not rows:
        return Changes([], 0)
    head, compacted = rows[0][:2]
    if asked.since < compacted:
        return CompactedError(head)
    return Changes([_change(*row[2:]) for row in rows if row[2] is not None], head)


async def list_namespaces(
    link: Link, prefix: str, after: str, limit: int
) -> tuple[list[NamespaceInfo], bool]:
    """As `StorageBackend.namespaces`."""
    if not prefix.isascii() or "\0" in prefix:
        return [], False  # no namespace begins so, and text cannot hold NUL
    end = after_all(prefix.encode()).decode() if prefix else ""
    # What comes after "a\0" comes after "a": no name goes on with NUL.
    rows = await link.rows(_NAMESPACES, [after.partition("\0")[0], prefix, end, end, limit + 1])
    return [NamespaceInfo(*row) for row in rows[:limit]], len(rows) > limit


async def sum_up(link: Link, largest: int) -> Totals:
    """As `StorageBackend.totals`."""
    rows = await link.rows(_TOTALS, [max(largest, 1)])
    if not rows:
        return Totals(0, 0, [])
    return Totals(rows[0][3], rows[0][4], [NamespaceInfo(*row[:3]) for row in rows[:largest]])


def _entry(
    key: str, created: Any, revision: int, updated_at: str, digest: str, envelope: Any
) -> Entry | None:
    if created is None:
        return None
    return Entry(key, envelope or b"", digest, revision, created, updated_at)


def _change(
    revision: int, op: Any, key: bytes, digest: str, updated_at: str, last: int, envelope: Any
) -> Change:
    return Change(revision, op, key.decode(), digest, updated_at, last, envelope or b"")
