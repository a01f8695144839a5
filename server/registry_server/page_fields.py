"""Header fields of pages, Swagger UI and the specification."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from hashlib import sha256
from typing import Any, Final

App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]
Field = tuple[bytes, bytes]

DOCS: Final = "/docs/"
"""Where Swagger UI is: beside ``/`` the only path that ends with a slash."""

_COMMON: Final[tuple[Field, ...]] = (
    # Not "no-referrer": with that a browser sends our own forms as of no origin, which we refuse.
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)
_PAGE_POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    b"form-action 'self'; frame-ancestors 'none'"
)
_DOCS_POLICY = (
    b"default-src 'none'; script-src 'self'%b; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class PageFields:
    """An ASGI application with the same header fields on each of its answers."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        is_docs = scope["path"].startswith(DOCS)
        held: dict[str, Any] | None = None

        async def send_hardened(message: dict[str, Any]) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                if is_docs:
                    held = message  # the policy names the scripts, so it needs the body
                    return
                message = _hardened(message, _PAGE_POLICY)
            elif held is not None:
                start, held = held, None
                await send(_hardened(start, _docs_policy(message.get("body", b""))))
            await send(message)

        await self._app(scope, receive, send_hardened)


def _hardened(start: dict[str, Any], policy: bytes) -> dict[str, Any]:
    """The head of an answer with the fields that it lacks, and without a Date: uvicorn sends one."""
    fields = [(name.lower(), value) for name, value in start["headers"] if name.lower() != b"date"]
    names = {name for name, _ in fields}
    # Answers with an ETag are static files: a browser may keep them, and asks whether they have changed.
    caching = (b"cache-control", b"no-cache" if b"etag" in names else b"no-store")
    wanted: Iterable[Field] = (*_COMMON, caching, (b"content-security-policy", policy))
    return {**start, "headers": [*fields, *(field for field in wanted if field[0] not in names)]}


def _docs_policy(html: bytes) -> bytes:
    """The policy for a page of Swagger UI, which allows the scripts that stand in it by their hashes."""
    hashes = (b64encode(sha256(script).digest()) for script in _INLINE_SCRIPT.findall(html))
    return _DOCS_POLICY % b"".join(b" 'sha256-%b'" % found for found in hashes)
