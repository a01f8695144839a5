"""Flask on the other side of the event loop: pages run in threads, the storage on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as LoopTimeoutError
from typing import Any, TypeVar

from a2wsgi import WSGIMiddleware

from registry_server.access.guard import Guard
from registry_server.dashboard.login import MAX_FORM_BYTES
from registry_server.dashboard.pages import create_pages
from registry_server.storage.base import StorageBackend, StorageUnavailableError

T = TypeVar("T")

PAGE_SECONDS = 10.0
"""How long a page waits for the storage."""


class PagesMount:
    """The Flask application as an ASGI application, with a way back to the loop's storage."""

    def __init__(self, backend: StorageBackend, guard: Guard) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._app = WSGIMiddleware(create_pages(backend, self.run, guard))  # type: ignore[arg-type]

    def start(self) -> None:
        """Remember the loop that the storage lives on; called on it."""
        self._loop = asyncio.get_running_loop()

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine of the storage, run on its loop, for a page in its thread."""
        if self._loop is None:
            step.close()
            raise StorageUnavailableError("The server is still starting")
        future = asyncio.run_coroutine_threadsafe(step, self._loop)
        try:
            return future.result(PAGE_SECONDS)
        except LoopTimeoutError:
            future.cancel()
            raise StorageUnavailableError(f"The storage did not answer within {PAGE_SECONDS:g} s") from None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with a page, in a thread that never waits for its client to send."""
        form = await _form(receive) if scope["method"] == "POST" else b""
        if form is None:
            return

        async def given() -> Any:
            return {"type": "http.request", "body": form, "more_body": False}

        await self._app(scope, given, send)


async def _form(receive: Any) -> bytes | None:
    """A request's body, or a beginning of it that is too large for a form; None if the client left within it.

    Pages refuse forms of more than `MAX_FORM_BYTES`.
    """
    form = b""
    while len(form) <= MAX_FORM_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        form += message.get("body", b"")
        if not message.get("more_body"):
            break
    return form
