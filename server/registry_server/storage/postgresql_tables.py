"""The statements of a write transaction: lock, look, write.

Under READ COMMITTED each statement sees what was committed when it began. A condition checked in the
statement that also waits for the lock would see the entry as it was before the wait, and two of three updates
would be lost; so the entries are read by a statement that begins after the one that locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from registry_server.storage.base import Entry
from registry_server.storage.batch import Draft, Job, Tip
from registry_server.storage.postgresql_link import Connection

# In the order of their ids, so that no two transactions wait for each other.
_LOCK: Final = """
    SELECT id, name, head, size, compacted FROM namespaces WHERE id = ANY(%s::bigint[])
    ORDER BY id FOR UPDATE"""
# The envelope only where it may be the same as one that is to be written.
_LOOK: Final = """
    SELECT e.namespace, e.key, e.created, e.revision, e.updated_at, e.digest,
        CASE WHEN e.digest = q.digest THEN e.envelope ELSE '' END
    FROM unnest(%s::bigint[], %s::bytea[], %s::text[]) AS q (namespace, key, digest)
    JOIN entries e ON e.namespace = q.namespace AND e.key = q.key"""
_LOAD: Final = """
    SELECT e.namespace, e.key, e.envelope FROM unnest(%s::bigint[], %s::bytea[]) AS q (namespace, key)
    JOIN entries e ON e.namespace = q.namespace AND e.key = q.key"""
_IDENTS: Final = "SELECT id, name, head FROM namespaces WHERE name = ANY(%s::text[])"
_CREATE: Final = """
    INSERT INTO namespaces (name) SELECT name FROM unnest(%s::text[]) AS q (name) ORDER BY name
    ON CONFLICT (name) DO NOTHING"""
_CLEAR: Final = "DELETE FROM entries WHERE namespace = ANY(%s::bigint[])"
_REMOVE: Final = """
    DELETE FROM entries e USING unnest(%s::bigint[], %s::bytea[]) AS q (namespace, key)
    WHERE e.namespace = q.namespace AND e.key = q.key"""
# Entries, history and heads in one statement, since each costs a system call and a turn of the server. A key
# that went and came back within one batch has a new place in the order, hence `created` among these.
_WRITE: Final = """
    WITH stored AS (
        INSERT INTO entries (namespace, key, created, revision, updated_at, digest, envelope)
        SELECT * FROM unnest(
            %b::bigint[], %b::bytea[], %b::bigint[], %b::bigint[], %b::text[], %b::text[], %b::bytea[])
        ON CONFLICT (namespace, key) DO UPDATE SET created = excluded.created, revision = excluded.revision,
            updated_at = excluded.updated_at, digest = excluded.digest, envelope = excluded.envelope),
    recorded AS (
        INSERT INTO changes (namespace, revision, op, key, digest, updated_at, last, token)
        SELECT *, %b::bigint FROM unnest(
            %b::bigint[], %b::bigint[], %b::text[], %b::bytea[], %b::text[], %b::text[], %b::bigint[]))
    UPDATE namespaces n SET head = q.head, size = q.size, compacted = q.compacted
    FROM unnest(%b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[]) AS q (id, head, size, compacted)
    WHERE n.id = q.id"""
_COMPACT: Final = """
    DELETE FROM changes c USING unnest(%s::bigint[], %s::bigint[]) AS q (namespace, compacted)
    WHERE c.namespace = q.namespace AND c.revision <= q.compacted"""
_TOKEN: Final = "SELECT token FROM changes WHERE namespace = %s AND revision = %s"


class Touched(NamedTuple):
    """A key that a job asks for, and the digest it brings along (empty for none)."""

    ident: int
    key: str
    digest: str


async def find_idents(
    connection: Connection, names: Sequence[str], *, create: Sequence[str]
) -> list[tuple[int, str, int]]:
    """Id, name and head of those of ``names`` that there are; those of ``create`` come to be.

    Not within the transaction that writes: its locks are all taken in one order, in one statement.
    """
    if create:
        await connection.execute(_CREATE, [list(create)])
    cursor = await connection.execute(_IDENTS, [list(names)])
    return [(ident, name, head) for ident, name, head in await cursor.fetchall()]


async def begin(
    connection: Connection, idents: Sequence[int], touched: Iterable[Touched]
) -> tuple[dict[str, Tip], list[tuple[int, Entry]]]:
    """Begin a transaction, lock the namespaces, and read the entries as they are; one round trip.

    Returns the locked namespaces by name, and entries with the id of their namespace, without envelope where
    that is not needed to decide.
    """
    columns = _columns(((one.ident, one.key.encode(), one.digest) for one in touched), 3)
    async with connection.pipeline():
        await connection.execute("BEGIN")
        locked = await connection.execute(_LOCK, [list(idents)], prepare=True, binary=True)
        looked = await connection.execute(_LOOK, columns, prepare=True, binary=True)
    tips = {
        name: Tip(ident, head, size, 0, compacted)
        for ident, name, head, size, compacted in await locked.fetchall()
    }
    found = [
        (ident, Entry(key.decode(), envelope, digest, revision, created, updated_at))
        for ident, key, created, revision, updated_at, digest, envelope in await looked.fetchall()
    ]
    return tips, found


async def load(connection: Connection, wanted: Sequence[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
    """The envelopes of entries, by id of the namespace and key."""
    columns = _columns(((ident, key.encode()) for ident, key in wanted), 2)
    cursor = await connection.execute(_LOAD, columns, binary=True)
    return {(ident, key.decode()): envelope for ident, key, envelope in await cursor.fetchall()}


async def write(connection: Connection, drafts: Sequence[Draft], token: int) -> str:
    """Write what ``drafts`` say and commit, in one round trip; what PostgreSQL says of the COMMIT."""
    async with connection.pipeline():
        for statement, columns in _statements(drafts, token):
            await connection.execute(statement, columns, prepare=True)
        committed = await connection.execute("COMMIT")
    return committed.statusmessage or ""


async def holds_token(connection: Connection, draft: Draft, token: int) -> bool:
    """Whether the transaction that wrote ``draft`` was committed; waits until it has ended.

    Its lock goes with it: whoever has the lock next, and looks in a later statement, sees what became of it.
    """
    async with connection.transaction():
        await connection.execute(_LOCK, [[draft.ident]])
        row = await (await connection.execute(_TOKEN, [draft.ident, draft.head])).fetchone()
    return row is not None and row[0] == token


def touched_by(job: Job, ident: int) -> list[Touched]:
    """What ``job`` asks for, of the namespace with ``ident``."""
    digests = job.brings()
    return [Touched(ident, key, digests.get(key, "")) for key in job.touches()]


def _statements(drafts: Sequence[Draft], token: int) -> Iterable[tuple[str, list[Any]]]:
    """Those that have something to do, in order."""
    cleared = [draft.ident for draft in drafts if draft.cleared and draft.tip.size]
    if cleared:
        yield _CLEAR, [cleared]
    changed = [
        (draft.ident, key, entry, draft.cleared) for draft in drafts for key, entry in draft.changed.items()
    ]
    if gone := [(ident, key.encode()) for ident, key, entry, anew in changed if entry is None and not anew]:
        yield _REMOVE, _columns(gone, 2)
    if compacted := [(draft.ident, draft.compacted) for draft in drafts if draft.compact()]:
        yield _COMPACT, _columns(compacted, 2)
    stored = (_row(ident, entry) for ident, _, entry, _ in changed if entry is not None)
    recorded = (row for draft in drafts for row in _changes(draft))
    heads = ((draft.ident, draft.head, draft.size, draft.compacted) for draft in drafts)
    yield _WRITE, [*_columns(stored, 7), token, *_columns(recorded, 7), *_columns(heads, 4)]


def _row(ident: int, entry: Entry) -> tuple[Any, ...]:
    key, envelope, digest, revision, created, updated_at = entry
    return ident, key.encode(), created, revision, updated_at, digest, envelope


def _changes(draft: Draft) -> Iterable[tuple[Any, ...]]:
    ident = draft.ident
    return (
        (ident, revision, op, key.encode(), digest, updated_at, last)
        for revision, op, key, digest, updated_at, last, _ in draft.changes
    )


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]
