"""What the specification says in words only, for Schemathesis: well-formed envelopes, ETags and page tokens.

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
    if "entries" in body:
        entries = [_entry(entry) for entry in body["entries"]]
        return {**body, "entries": list({entry["key"]["data"]: entry for entry in entries}.values())}
    return _entry(body)


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "key": _envelope_of_key(entry["key"]), "value": _envelope(entry["value"])}


def _mend_query(case: Any) -> None:
    query = case.query or {}
    token = _PAGE_OF_NAMESPACES if case.path == "/namespaces" else _PAGE
    if "page" in query and not token.fullmatch(str(query["page"])):
        del query["page"]
    if isinstance(query.get("key"), str):
        query["key"] = _shortened(query["key"])


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


def _read(case: Any, path: str, key: str | None) -> Any:
    operation = case.operation.schema["/registry/{namespace}/" + path]["GET"]
    query = {} if key is None else {"key": key}
    return operation.Case(path_parameters=dict(case.path_parameters), query=query).call()
