"""What the specification says in words only, for Schemathesis: envelopes, ETags, page tokens and cursors.

A JSON schema cannot say that ``data`` is strict JSON. So in requests that are meant to be accepted, what was
generated becomes the content of an envelope, unless it is data of one; bad requests stay as they are.
Loaded by ``SCHEMATHESIS_HOOKS``; see ``test_conformance_fuzz.py``.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import schemathesis

from registry.envelope.form import ENCODING_OF, decode_base64, encode_base64, parse_json
from registry.errors import MalformedEnvelopeError

_PAGE = re.compile(r"[0-9a-f]{32}\.\d{1,18}")
_CURSOR = re.compile(r"[0-9a-f]{32}\.(0|[1-9]\d{0,17})")
_PAGE_OF_NAMESPACES = re.compile(r"(?:3[0-9]|[46][1-9a-f]|[57][0-9a])+")  # letters and digits in hexadecimal


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """A case that is meant to be accepted, made into one that can be."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return case
    _mend_query(case)
    _mend_conditions(case)
    if isinstance(case.body, dict):
        case.body = _body(case.body)
    return case


def _body(body: dict[str, Any]) -> dict[str, Any]:
    """A new body: Schemathesis draws on what it generated before, so that is left as it is."""
    if "cursors" in body:
        cursors = {_namespace(name): _cursor(since) for name, since in body["cursors"].items()}
        return {**body, "cursors": cursors, "wait": 0}
    if "entries" in body:
        entries = [_entry(entry) for entry in body["entries"]]
        return {**body, "entries": list({entry["key"]["data"]: entry for entry in entries}.values())}
    return _entry(body)


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    value = {"value": _envelope(entry["value"])} if "value" in entry else {}
    return {**entry, "key": _envelope_of_key(entry["key"]), **value}


def _mend_query(case: Any) -> None:
    query = case.query or {}
    token = _PAGE_OF_NAMESPACES if case.path == "/namespaces" else _PAGE
    if "page" in query and not token.fullmatch(str(query["page"])):
        del query["page"]
    if isinstance(query.get("key"), str):
        query["key"] = _shortened(query["key"])
    # One cursor out of nowhere in four is enough, as below.
    if "since" in query and not _CURSOR.fullmatch(str(query["since"])) and len(query["since"]) % 4:
        del query["since"]
    if "since" in query:
        query["since"] = _cursor(str(query["since"]))
        query["wait"] = 0  # what it is good for is tested elsewhere; here it would only make the run longer


def _mend_conditions(case: Any) -> None:
    headers = case.headers or {}
    # An ETag out of nowhere makes any write a 412, and one in four of them is enough.
    if "If-Match" in headers and len(headers["If-Match"]) % 4:
        del headers["If-Match"]
    if "If-Match" in headers:
        headers.pop("If-None-Match", None)
        headers["If-Match"] = _etag(headers["If-Match"])
    elif "If-None-Match" in headers and case.method == "GET":
        headers["If-None-Match"] = _etag(headers["If-None-Match"])


def _etag(text: str) -> str:
    """The text as an ETag: in quotes, without what may not stand between them."""
    return text if text == "*" else '"' + re.sub(r"[^\x21\x23-\x7e]", "", text)[:1_000] + '"'


def _cursor(text: str) -> str:
    """The text, if it may be a cursor of the server, else one of another store."""
    return text if _CURSOR.fullmatch(text) else f"{len(text):032x}.{len(text)}"


def _namespace(text: str) -> str:
    return re.sub("[^0-9A-Za-z]", "", text)[:255] or "n"


def _envelope_of_key(wire: dict[str, Any]) -> dict[str, Any]:
    text = wire["data"]
    with suppress(MalformedEnvelopeError):
        spelled = parse_json(text)
        text = spelled if isinstance(spelled, str) else text
    return {**wire, "data": json.dumps(_shortened(text))}


def _shortened(text: str) -> str:
    return text.encode(errors="replace")[:1_000].decode(errors="ignore") or "k"


def _envelope(wire: dict[str, Any]) -> dict[str, Any]:
    """The envelope with data of its type, and meta whose names have their length."""
    mended = {**wire, "data": _DATA[wire["type"]](wire["data"]), "encoding": ENCODING_OF[wire["type"]]}
    if "meta" in wire:
        mended["meta"] = {name[:64] or "name": text for name, text in wire["meta"].items()}
    return mended


def _json(text: str) -> str:
    try:
        parse_json(text)
    except MalformedEnvelopeError:
        return json.dumps(text)
    return text


def _base64(text: str) -> str:
    try:
        decode_base64(text)
    except MalformedEnvelopeError:
        return encode_base64(text.encode(errors="replace"))
    return text


_DATA = {"json": _json, "pickle": _base64}


@schemathesis.check
def what_was_set_is_there(context: Any, response: Any, case: Any) -> None:
    """REG-REV-04, REG-GET-01: a set that was answered is seen by the next read, with every field."""
    if case.operation.definition.raw.get("operationId") != "set_entry" or response.status_code != 200:
        return
    found = _read(case, "get", response.json()["key"])
    assert found.status_code == 200, "an entry that was set is not there"
    assert found.json()["value"] == case.body["value"], "an entry is not as it was set"


@schemathesis.check
def what_was_deleted_is_gone(context: Any, response: Any, case: Any) -> None:
    """REG-REV-04, REG-DEL-01, REG-CLR-01: a delete or clear that was answered is seen by the next read."""
    name = case.operation.definition.raw.get("operationId")
    if response.status_code != 200:
        return
    if name == "delete_entry":
        found = _read(case, "get", case.query["key"])
        assert found.status_code == 404, "an entry that was deleted is still there"
    if name == "clear_namespace":
        found = _read(case, "length", None)
        assert found.json()["length"] == 0, "a namespace that was cleared holds entries"


@schemathesis.check
def a_watch_goes_on_from_its_cursor(context: Any, response: Any, case: Any) -> None:
    """REG-WCH-01, REG-WCH-02: the first change is the one after ``since``, and none is missing after it."""
    if case.operation.definition.raw.get("operationId") != "watch_namespace" or response.status_code != 200:
        return
    since = (case.query or {}).get("since")
    if since is not None:
        first = int(since.rpartition(".")[2]) + 1
        answer = response.json()
        told = [change["revision"] for change in answer["changes"]]
        assert told == [*range(first, first + len(told))], "a watch does not go on from its cursor"
        assert answer["cursor"].endswith(f".{first + len(told) - 1}"), "the cursor is not where the watch is"


def _read(case: Any, path: str, key: str | None) -> Any:
    operation = case.operation.schema["/registry/{namespace}/" + path]["GET"]
    query = {} if key is None else {"key": key}
    return operation.Case(path_parameters=dict(case.path_parameters), query=query).call()
