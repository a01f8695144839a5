"""The door to what is no operation (pages, Swagger UI, the specification): opened by a token or a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import quote

from registry_server.access.guard import OPEN, Access, Guard
from registry_server.access.sessions import session_access
from registry_server.problems import Problem

ACCESS: Final = "registry.access"
"""Where a page finds its reader's `Access`, in the request's ASGI scope."""

LOGIN: Final = "/login"
LOGOUT: Final = "/logout"

App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


class PageDoor:
    """Lets readers of pages in; shows the others who ask for HTML where to log in, still as a 401."""

    def __init__(self, app: App, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(
        self, scope: MutableMapping[str, Any], head: Mapping[bytes, bytes], receive: Any, send: Any
    ) -> None:
        """Pass a request on, with its reader's access in the scope.

        Raises:
            Problem: 401, for a program that has neither token nor session.
        """
        try:
            access: Access | None = self._access(head)
        except Problem:
            if b"text/html" not in head.get(b"accept", b"") and scope["path"] != LOGIN:
                raise
            access = None
        if access is None and not (scope["path"] == LOGIN and scope["method"] == "POST"):
            scope = _to_the_form(scope)
        await self._app({**scope, ACCESS: access}, receive, send)

    def _access(self, head: Mapping[bytes, bytes]) -> Access:
        if not self._guard.on:
            return OPEN
        if b"authorization" not in head and (access := session_access(self._guard, head)) is not None:
            return access
        return self._guard.bearer(head)


def _to_the_form(scope: MutableMapping[str, Any]) -> dict[str, Any]:
    """The request for the login page in place of one for a page; where the reader wanted to go goes along."""
    wanted = scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
    query = f"next={quote(wanted, safe='')}".encode() if scope["path"] not in (LOGIN, LOGOUT) else b""
    return {**scope, "method": "GET", "path": LOGIN, "raw_path": LOGIN.encode(), "query_string": query}


def reader_of(environ: Mapping[str, Any]) -> Access | None:
    """The access that `PageDoor` found for a page's reader, from the page's WSGI environment."""
    access: Access | None = environ["asgi.scope"].get(ACCESS, OPEN)
    return access
