"""What this server takes at most, as ``/capabilities`` publishes it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from registry.envelope.form import MAX_DEPTH, MAX_VALUE_BYTES
from registry.names import MAX_KEY_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """The published limits; sizes in bytes."""

    body_bytes: int = 16 * 1024 * 1024
    value_bytes: int = MAX_VALUE_BYTES
    key_bytes: int = MAX_KEY_BYTES
    batch_entries: int = 1_000
    page_entries: int = 1_000
    json_depth: int = MAX_DEPTH
    header_bytes: int = 32 * 1024

    def published(self) -> dict[str, int]:
        """The object in ``/capabilities``."""
        return asdict(self)
