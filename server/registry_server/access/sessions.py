"""The cookie of somebody who logged in to the pages: proof of having held a token, and not that token.

``<token id>.<expiry>.<session id><HMAC-SHA256 of the three>``, by the session key of the token file, so that
every server that reads the file knows it, restarted or not. It ends when it is logged out, with its token,
and after `SESSION_SECONDS` anyway. It opens pages and documents, which change nothing, and no operation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from time import time
from typing import Final, NamedTuple

from registry_server.access.ended import SESSION_SECONDS
from registry_server.access.guard import Access, Guard

COOKIE: Final = "registry_session"

_DOMAIN = b"registry session v2\0"
_ID_BYTES: Final = 12
_ID_CHARACTERS: Final = 16  # in base64


class _Session(NamedTuple):
    token_id: str
    until: int
    id: str


def session_of(guard: Guard, access: Access) -> str | None:
    """The cookie's value for somebody who has shown the token of ``access``; None where nobody needs one."""
    if guard.ledger is None or access.token is None:
        return None
    until = int(min(time() + SESSION_SECONDS, access.until))
    session = _Session(access.token.id, until, secrets.token_urlsafe(_ID_BYTES))
    return _spelled(session, guard.ledger.file.session_key)


def session_access(guard: Guard, head: Mapping[bytes, bytes]) -> Access | None:
    """What a request's session allows; None where it has none that counts."""
    session = _session_in(guard, head.get(b"cookie", b""))
    return None if session is None else guard.holder(session.token_id)


def end_session(guard: Guard, cookies: bytes) -> None:
    """End the session of a Cookie field, for each copy of its cookie.

    Raises:
        OSError: this could not be recorded: other processes that read the token file still take the cookie.
    """
    session = _session_in(guard, cookies)
    if session is not None and guard.ended is not None:
        guard.ended.end(session.id, session.until)


def _session_in(guard: Guard, cookies: bytes) -> _Session | None:
    """The valid session of a Cookie field, if there is one."""
    value = _cookie(cookies)
    if guard.ledger is None or guard.ended is None or value is None:
        return None
    claim, _, rest = value.rpartition(".")
    token_id, _, until = claim.partition(".")
    if not (until.isascii() and until.isdigit() and len(until) <= 12):
        return None
    session = _Session(token_id, int(until), rest[:_ID_CHARACTERS])
    spelled = _spelled(session, guard.ledger.file.session_key)
    if not hmac.compare_digest(spelled.encode(), value.encode()) or session.until <= time():
        return None
    return None if session.id in guard.ended else session


def _spelled(session: _Session, key: bytes) -> str:
    claim = f"{session.token_id}.{session.until}.{session.id}"
    mac = hmac.new(key, _DOMAIN + claim.encode(), hashlib.sha256).digest()
    return f"{claim}{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _cookie(field: bytes) -> str | None:
    """The value of our cookie in a Cookie field (RFC 6265 section 4.2); the first one that is there."""
    for pair in field.decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return None
