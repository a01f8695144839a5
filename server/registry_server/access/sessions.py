"""The cookie of somebody who logged in to the pages: proof of having held a token, and not that token.

``<token id>.<expiry>.<HMAC-SHA256 of both>``, by the session key of the token file, so that every server that
reads the file knows it, restarted or not. It ends with its token, and after `SESSION_SECONDS` anyway. It
opens pages and documents, which change nothing, and no operation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from time import time
from typing import Final

from registry_server.access.guard import Access, Guard

COOKIE: Final = "registry_session"
SESSION_SECONDS: Final = 12 * 3600

_DOMAIN = b"registry session v1\0"


def session_of(guard: Guard, access: Access) -> str | None:
    """The cookie's value for somebody who has shown the token of ``access``; None where nobody needs one."""
    if guard.ledger is None or access.token is None:
        return None
    until = int(min(time() + SESSION_SECONDS, access.until))
    return _signed(f"{access.token.id}.{until}", guard.ledger.file.session_key)


def session_access(guard: Guard, head: Mapping[bytes, bytes]) -> Access | None:
    """What a request's session allows; None where it has none that counts."""
    value = _cookie(head.get(b"cookie", b""))
    if guard.ledger is None or value is None:
        return None
    claim = value.rpartition(".")[0]
    token_id, _, until = claim.partition(".")
    signed = _signed(claim, guard.ledger.file.session_key)
    if not hmac.compare_digest(signed.encode(), value.encode()) or float(until) <= time():
        return None
    return guard.holder(token_id)


def _signed(claim: str, key: bytes) -> str:
    mac = hmac.new(key, _DOMAIN + claim.encode(), hashlib.sha256).digest()
    return f"{claim}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _cookie(field: bytes) -> str | None:
    """The value of our cookie in a Cookie field (RFC 6265 section 4.2); the first one that is there."""
    for pair in field.decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return None
