"""Envelopes as the server handles them: checked, put into one spelling, stored; never decoded."""

from __future__ import annotations

from typing import Any

import orjson

from registry.envelope.form import Envelope, check_fields, check_size, decode_base64
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
    envelope = Envelope(**wire)
    data = envelope.data
    check_size(data, value_bytes)
    if envelope.meta is not None or envelope.signature is not None or envelope.type != envelope.encoding:
        check_fields(envelope)
    if envelope.type == "json":
        check_json_text(data)
    else:
        decode_base64(data)
    return Stored(_spelled(envelope), envelope.digest)


def _spelled(envelope: Envelope) -> bytes:
    """The envelope's one spelling: fields in the protocol's order, meta by name: equal is equal bytes."""
    fields: dict[str, Any] = {"type": envelope.type, "data": envelope.data, "encoding": envelope.encoding}
    if envelope.meta is not None:
        fields["meta"] = dict(sorted(envelope.meta.items()))
    if envelope.signature is not None:
        fields["signature"] = envelope.signature
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
