"""What can be said of an entry from its envelope, for people."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import NamedTuple

import orjson

from registry.envelope.form import parse_json
from registry.errors import MalformedEnvelopeError
from registry.spec import load_spec
from registry_server.storage.base import Entry

PREVIEW_CHARACTERS = 80
SHOWN_CHARACTERS = 100_000


class EntryFacts(NamedTuple):
    """An entry as the pages show it. ``text`` is pretty JSON; None for a pickle, and where not asked for."""

    key: str
    kind: str
    summary: str
    size: int
    revision: int
    digest: str
    updated_at: str
    meta: dict[str, str]
    signed_by: str
    text: str | None
    cut: bool


def facts_of(entry: Entry, *, with_text: bool = False) -> EntryFacts:
    """What the envelope says of its value; a pickle is not decoded, by nobody here."""
    envelope = orjson.loads(entry.envelope)
    meta: dict[str, str] = envelope.get("meta") or {}
    data: str = envelope["data"]
    is_json = envelope["type"] == "json"
    pretty = _pretty(data) if is_json and with_text else None
    return EntryFacts(
        key=entry.key,
        kind="JSON" if is_json else meta.get("kind", "pickle"),
        summary=_summary(data, meta, is_json=is_json),
        size=len(data.encode()) if is_json else len(data) * 3 // 4 - data[-2:].count("="),
        revision=entry.revision,
        digest=entry.digest,
        updated_at=entry.updated_at.replace("T", " ").replace("Z", " UTC"),
        meta=meta,
        signed_by=envelope.get("signature", "").partition(":")[0],
        text=None if pretty is None else _visible_json(pretty[:SHOWN_CHARACTERS]),
        cut=pretty is not None and len(pretty) > SHOWN_CHARACTERS,
    )


def visible(text: str) -> str:
    """``text`` with escapes for what hides, reorders or cannot be seen: a name passes for no other name."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _pretty(data: str) -> str:
    try:
        return json.dumps(parse_json(data), indent=2, ensure_ascii=False)
    except MalformedEnvelopeError:  # stored by another version of the server
        return data


def _visible_json(text: str) -> str:
    """`visible`, as JSON spells it: only strings hold these, and there an escape is the same character."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _summary(data: str, meta: dict[str, str], *, is_json: bool) -> str:
    text = data if is_json else ".".join(filter(None, (meta.get("module"), meta.get("qualname"))))
    return text if len(text) <= PREVIEW_CHARACTERS else text[: PREVIEW_CHARACTERS - 1] + "…"


@cache
def problem_codes() -> dict[str, tuple[int, str]]:
    """Status and meaning of every code, as the table in the specification has them."""
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| (.+) \|$", load_spec()["info"]["description"], re.MULTILINE)
    return {code: (int(status), meaning) for code, status, meaning in rows}
