"""What a report may show of a request: header fields of a list, and nowhere a secret."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN_FIELDS = frozenset(
    [
        "accept",
        "accept-encoding",
        "allow",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "etag",
        "host",
        "if-match",
        "if-none-match",
        "location",
        "origin",
        "registry-cursor",
        "retry-after",
        "server",
        "transfer-encoding",
        "user-agent",
        "www-authenticate",
        "x-content-type-options",
    ]
)
"""Header fields whose values are shown; of any other one only that it was there."""

HIDDEN = "(hidden)"


class Redaction:
    """Hides header fields that are not in `SHOWN_FIELDS`, and the given secrets wherever they stand."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)

    def field(self, name: str, value: str) -> str:
        """The value of a header field, or `HIDDEN`."""
        return self.text(value) if name.lower() in SHOWN_FIELDS else HIDDEN

    def bytes(self, raw: bytes) -> bytes:
        """``raw`` without the secrets."""
        return self.text(raw.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    def text(self, text: str) -> str:
        """``text`` without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text
