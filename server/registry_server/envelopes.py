"""Envelopes as the server handles them: checked, put into one spelling, stored; never decoded."""

from __future__ import annotations

from typing import Any

import orjson

from registry.envelope.form import ENCODING_OF, Envelope, check_fields, check_size, decode_base64, digest_of
from registry.errors import CoercionError, MalformedEnvelopeError
from registry.names import check_key
from registry_server.storage.base import Stored
from registry_server.strict_json import check_json_text, parse_key


def stored_of(wire: dict[str, Any], *, value_bytes: int) -> Stored:
    """The envelope of a body that fits the schema, as it is stored.

    Raises:
        MalformedEnvelopeError: a field, or the data, has not its form.
        EnvelopeTooLargeError: the data is larger than ``value_bytes``.
    """
    kind, data, encoding = wire["type"], wire["data"], wire["encoding"]
    check_size(data, value_bytes)
    if len(wire) > 3 or ENCODING_OF[kind] != encoding:
        check_fields(Envelope(**wire))
    if kind == "json":
        check_json_text(data)
    else:
        decode_base64(data)
    return Stored(_spelled(wire), digest_of(kind, encoding, data))


def _spelled(wire: dict[str, Any]) -> bytes:
    """The envelope's one spelling: fields in the protocol's order, meta by name: equal is equal bytes."""
    fields: dict[str, Any] = {"type": wire["type"], "data": wire["data"], "encoding": wire["encoding"]}
    if "meta" in wire:
        fields["meta"] = dict(sorted(wire["meta"].items()))
    if "signature" in wire:
        fields["signature"] = wire["signature"]
    return orjson.dumps(fields)


def key_of(wire: dict[str, Any]) -> str:
    """The key that a body's key envelope spells.

    Raises:
        CoercionError: it spells no key.
    """
    try:
        return check_key(parse_key(wire["data"]))
    except MalformedEnvelopeError as error:
        raise CoercionError(
            "The data of a key's envelope is a JSON string in quotes",
            suggestions=['{"type": "json", "data": "\\"my_key\\"", "encoding": "json"}'],
            context={"reason": error.message},
        ) from None


def annotations_of(envelope: bytes) -> dict[str, Any]:
    """What a stored envelope has beside its value: ``meta`` and ``signature``, where it has them."""
    fields = orjson.loads(envelope)
    return {name: fields[name] for name in ("meta", "signature") if name in fields}
