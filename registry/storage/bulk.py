"""Many entries of a namespace at once, in requests of up to 1,000, as plain JSON.

Nothing here makes an object of each entry: through the generated client's classes a thousand entries take
twice as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, Final, TypeAlias

from registry.envelope.form import Envelope
from registry.storage.connection import PAGE_ENTRIES, Body, Connection
from registry.storage.problems import is_current, outside_contract
from registry_client.api.batch import batch_delete, batch_get, batch_set
from registry_client.api.entries import list_items
from registry_client.types import UNSET

BATCH_ENTRIES: Final = 1_000
BATCH_BYTES: Final = 8 * 1024 * 1024
"""A batch is sent before its values pass this, so that it stays below the server's limit for a body."""

Wire: TypeAlias = dict[str, Any]
"""A JSON object as it travels."""


def key_envelope(key: str) -> Wire:
    """A key as bodies have it."""
    return {"type": "json", "data": encode_basestring(key), "encoding": "json"}


def pages(connection: Connection, namespace: str, prefix: str = "") -> Iterator[Wire]:
    """The pages of a listing with values, each asked for when its turn comes; their entries are checked."""
    token: Any = UNSET
    while True:
        page = connection.raw(list_items, namespace, prefix=prefix or UNSET, limit=PAGE_ENTRIES, page=token)
        if not is_page(page):
            raise outside_contract(connection.url, "a page that is not as specified")
        yield page
        if "next" not in page:
            return
        if page["next"] == token:
            raise outside_contract(connection.url, "a page that is followed by itself")
        token = page["next"]


def set_many(
    connection: Connection, namespace: str, envelopes: Mapping[str, Envelope], *, absent: bool = False
) -> Iterator[tuple[list[str], list[Wire]]]:
    """Store the envelopes in their order; after each request, its keys and their outcomes.

    Each request is one transaction. With ``absent`` a key that is taken is refused.
    """
    for keys in _chunks(envelopes):
        entries = [
            {
                "key": key_envelope(key),
                "value": envelopes[key].to_dict(),
                **({"expect": "absent"} if absent else {}),
            }
            for key in keys
        ]
        yield keys, _outcomes(connection, batch_set, namespace, entries, _is_set)


def get_many(
    connection: Connection, namespace: str, keys: Sequence[str], versions: Mapping[str, str]
) -> Iterator[tuple[str, Wire]]:
    """What there is under each key, as of one moment for each request.

    A key whose ETag in ``versions`` is still the entry's is ``unchanged``. What had no room in an answer is
    asked for again.
    """
    wanted = list(keys)
    while wanted:
        asked, wanted = wanted[:BATCH_ENTRIES], wanted[BATCH_ENTRIES:]
        entries = [
            {"key": key_envelope(key), **({"unless": versions[key]} if key in versions else {})}
            for key in asked
        ]
        omitted = []
        for key, outcome in zip(
            asked, _outcomes(connection, batch_get, namespace, entries, _is_get), strict=True
        ):
            if outcome["outcome"] == "unchanged" and key not in versions:
                raise outside_contract(connection.url, "unchanged, for an entry that is not held here")
            if outcome["outcome"] == "omitted":
                omitted.append(key)
            else:
                yield key, outcome
        if len(omitted) == len(asked):
            raise outside_contract(connection.url, "a batch of which it omitted everything")
        wanted = omitted + wanted


def delete_many(
    connection: Connection, namespace: str, keys: Sequence[str]
) -> Iterator[tuple[Sequence[str], list[Wire]]]:
    """Remove the keys in their order; after each request, its keys and their outcomes."""
    for start in range(0, len(keys), BATCH_ENTRIES):
        asked = keys[start : start + BATCH_ENTRIES]
        entries = [{"key": key_envelope(key)} for key in asked]
        yield asked, _outcomes(connection, batch_delete, namespace, entries, _is_delete)


def _outcomes(
    connection: Connection,
    operation: Any,
    namespace: str,
    entries: list[Wire],
    is_outcome: Callable[[Wire], bool],
) -> list[Wire]:
    answer = connection.raw(operation, namespace, body=Body(entries=entries))
    outcomes = answer.get("outcomes")
    if type(outcomes) is not list or len(outcomes) != len(entries):
        raise outside_contract(connection.url, f"not one outcome for each of {len(entries)} entries")
    if not all(type(outcome) is dict and is_outcome(outcome) for outcome in outcomes):
        raise outside_contract(connection.url, "an outcome that is not as specified")
    return outcomes


def _chunks(envelopes: Mapping[str, Envelope]) -> Iterator[list[str]]:
    keys: list[str] = []
    size = 0
    for key, envelope in envelopes.items():
        weight = len(envelope.data)
        if keys and (len(keys) == BATCH_ENTRIES or size + weight > BATCH_BYTES):
            yield keys
            keys, size = [], 0
        keys.append(key)
        size += weight
    if keys:
        yield keys


# ---- whether what a server answers is as specified, as far as we use it


def is_page(page: Wire) -> bool:
    """Whether this is a page of entries."""
    items = page.get("items")
    return (
        type(items) is list
        and isinstance(page.get("next", ""), str)
        and isinstance(page.get("cursor"), str)
        and all(type(item) is dict and isinstance(item.get("key"), str) and is_entry(item) for item in items)
    )


def is_entry(entry: Wire) -> bool:
    """Whether this is an entry, but for its value, which whoever decodes it looks into."""
    return (
        type(entry.get("revision")) is int
        and type(entry.get("etag")) is str
        and type(entry.get("digest")) is str
        and type(entry.get("updated_at")) is str
        and type(entry.get("value")) is dict
    )


def _is_set(outcome: Wire) -> bool:
    if outcome.get("outcome") == "refused":
        return is_current(outcome.get("current"))
    texts = type(outcome.get("etag")) is str and type(outcome.get("outcome")) is str
    return texts and type(outcome.get("revision")) is int


def _is_get(outcome: Wire) -> bool:
    kind = outcome.get("outcome")
    return kind in ("missing", "unchanged", "omitted") or (type(kind) is str and is_entry(outcome))


def _is_delete(outcome: Wire) -> bool:
    kind = outcome.get("outcome")
    return kind == "missing" or (type(kind) is str and type(outcome.get("revision")) is int)
