"""Tokens: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from registry_server.access.scopes import Scope

MARK: Final = "rgt"
"""How every token begins, so that a scanner finds one that was committed by mistake."""

_FORM = re.compile(rf"{MARK}_([0-9a-f]{{12}})_[A-Za-z0-9_-]{{43}}")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

State = Literal["valid", "revoked", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a server knows of a token, which is not the token.

    Attributes:
        id: public; names the token in lists, in the audit log and within the token itself.
        name: whose or what for, in its maker's words.
        sha256: of the whole token's text, hexadecimal.
        scopes: what it may do where.
        created_at, expires_at, revoked_at: times in UTC; None where it does not expire, or was not revoked.
    """

    id: str
    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> State:
        """What it is at ``now``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"

    def is_spelled(self, text: str) -> bool:
        """Whether ``text`` is this token, in a time that does not tell how nearly it is."""
        return hmac.compare_digest(self.sha256, _sha256(text))


def make_token(name: str, scopes: Iterable[Scope], *, expires_at: datetime | None) -> tuple[Token, str]:
    """A new token, and its text: 256 random bits, which nobody can be shown again."""
    token_id = secrets.token_hex(6)
    text = f"{MARK}_{token_id}_{secrets.token_urlsafe(32)}"
    created = datetime.now(UTC).replace(microsecond=0)
    token = Token(
        id=token_id,
        name=name,
        sha256=_sha256(text),
        scopes=tuple(scopes),
        created_at=created,
        expires_at=expires_at,
    )
    return token, text


def id_in(text: str) -> str | None:
    """The id of the token that ``text`` may be; None where it has no token's form."""
    found = _FORM.fullmatch(text)
    return None if found is None else found[1]


def expiry(text: str, now: datetime) -> datetime:
    """The time that ``text`` spells: ``90d`` from ``now`` (also m, h, w), or one of ISO 8601, in UTC.

    Raises:
        ValueError: it spells none, or one that has passed.
    """
    try:
        if found := re.fullmatch(r"(\d{1,5})([mhdw])", text):
            when = now + timedelta(**{_UNITS[found[2]]: int(found[1])})
        else:
            when = datetime.fromisoformat(text)
            when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no time; one is 90d, 12h or 2027-01-31") from None
    if when <= now:
        raise ValueError(f"{text[:40]!r} has passed")
    return when.replace(microsecond=0)


def _sha256(text: str) -> str:
    # A fast hash without salt, and rightly: what makes passwords need a slow one is that they can be guessed.
    # Nobody tries 2**256 values, at whatever speed, and no table holds them; a slow hash would only slow down
    # requests.
    return hashlib.sha256(text.encode()).hexdigest()
