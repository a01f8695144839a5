"""Batches: what they ask for, checked before anything of them is done (REG-BAT)."""

from collections import Counter
from typing import Any, Final

from forms import fields, key_of
from problems import Problem, malformed
from store import Namespace

BATCH_ENTRIES: Final = 1000


def batch_expect(text: str | None) -> str | None:
    """In a batch there is no ``*``: it is an ETag that matches nothing."""
    return "" if text == "*" else text


def check_all(space: Namespace, wanted: list[tuple[str, str | None]], *, atomic: bool) -> None:
    """Refuses an atomic batch as a whole where one of it is not as expected."""
    failures = [
        {"index": i, "key": key, **refusal(space, key)}
        for i, (key, expect) in enumerate(wanted)
        if atomic and not space.holds(key, batch_expect(expect))
    ]
    if failures:
        detail = f"{len(failures)} of {len(wanted)} entries are not as expected"
        context = {"failures": failures}
        raise Problem(412, "precondition_failed", detail, cursor=space.cursor, context=context)


def refusal(space: Namespace, key: str) -> dict[str, Any]:
    entry = space.entries.get(key)
    return {"outcome": "refused"} | ({"current": entry.current()} if entry else {})


def set_outcome(space: Namespace, key: str, value: dict[str, Any], expect: str | None) -> dict[str, Any]:
    if not space.holds(key, expect):
        return refusal(space, key)
    outcome, entry = space.put(key, value)
    return {"outcome": outcome, "revision": entry.revision, "etag": entry.etag, "digest": entry.digest}


def delete_outcome(space: Namespace, key: str, expect: str | None) -> dict[str, Any]:
    if not space.holds(key, expect):
        return refusal(space, key)
    if key not in space.entries:
        return {"outcome": "missing"}
    return {"outcome": "deleted", "revision": space.remove(key)}


def status_of(outcomes: list[dict[str, Any]]) -> str:
    return "partial" if any(outcome["outcome"] == "refused" for outcome in outcomes) else "success"


def batch_of(
    body: Any, required: tuple[str, ...], optional: tuple[str, ...], *, atomic: bool
) -> tuple[list[tuple[str, dict[str, Any]]], bool]:
    """Key and entry of each, all of them checked but for their values; and whether it is all or nothing."""
    code = "invalid_body"
    fields(body, "", code, ("entries",), ("atomic",) if atomic else ())
    entries = body["entries"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= BATCH_ENTRIES:
        raise malformed(code, "/entries", f"it is no list of 1 to {BATCH_ENTRIES:,} entries")
    if not isinstance(body.get("atomic", False), bool):
        raise malformed(code, "/atomic", "it is no boolean")
    keyed = [
        (checked_entry(entry, f"/entries/{i}", required, optional), entry) for i, entry in enumerate(entries)
    ]
    if repeated := [key for key, n in Counter(key for key, _ in keyed).items() if n > 1]:
        raise malformed(code, "/entries", f"the key {repeated[0]!r} comes twice")
    return keyed, body.get("atomic", False)


def checked_entry(entry: Any, pointer: str, required: tuple[str, ...], optional: tuple[str, ...]) -> str:
    """The key of an entry of a batch, the rest of which has its form."""
    fields(entry, pointer, "invalid_body", required, optional)
    for name in optional:
        if name in entry and not (isinstance(entry[name], str) and 1 <= len(entry[name]) <= 128):
            raise malformed("invalid_body", f"{pointer}/{name}", "it is no text of 1 to 128 characters")
    return key_of(entry["key"], f"{pointer}/key")
