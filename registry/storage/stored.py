"""An entry as a server has it, between the generated client's models and our envelopes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from registry.envelope.form import Envelope
from registry_client.models import Envelope as WireEnvelope
from registry_client.models import KeyEnvelope, SetEntryRequest


class Stored(NamedTuple):
    """An entry as the server has it, its value not decoded.

    Attributes:
        key: its key.
        envelope: its value as it travels; ``meta`` tells kind, module, origin.
        revision: the number of its last change in the namespace.
        etag: its version, for a conditional write.
        digest: the envelope's digest, as the server says.
        updated_at: RFC 3339 time of its last change.
    """

    key: str
    envelope: Envelope
    revision: int
    etag: str
    digest: str
    updated_at: str


def stored_of(key: str, entry: Any) -> Stored:
    """What the server answered about one entry, by itself or in a listing."""
    changed = _timestamp(entry.updated_at)
    return Stored(key, envelope_of(entry.value), entry.revision, entry.etag, entry.digest, changed)


def _timestamp(moment: datetime) -> str:
    """As the server wrote it; the generated client reads times of day into objects."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _key_envelope(key: str) -> KeyEnvelope:
    return KeyEnvelope(type_="json", data=json.dumps(key, ensure_ascii=False), encoding="json")


def set_request(key: str, envelope: Envelope) -> SetEntryRequest:
    """The body that stores an envelope under a key."""
    return SetEntryRequest(key=_key_envelope(key), value=_wire(envelope))


def _wire(envelope: Envelope) -> WireEnvelope:
    return WireEnvelope.from_dict(envelope.to_dict())


def envelope_of(wire: WireEnvelope) -> Envelope:
    """The value that a server answered, as our codec takes it."""
    return Envelope.from_dict(wire.to_dict())
