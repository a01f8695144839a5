"""The outermost stage: it lets a request through, or does to it what its fate says.

Requests of the protocol are counted from 1 as they arrive. Health, readiness, pages and documents are left
alone and not counted, so that whoever starts the server sees it start.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import orjson

from registry_server.chaos.options import Chaos, Fate
from registry_server.pipeline import PipelinedProtocol
from registry_server.problems import CONTENT_TYPE, Problem

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TRANSPORT: Final = "registry_server.chaos.transport"
"""The connection, in the scope: no message of ASGI drops one."""

_counted = re.compile(r"/(registry/.+|watch|namespaces|stats|capabilities)").fullmatch
_watches = re.compile(r"/registry/(?P<namespace>[^/]+)/watch").fullmatch


class ChaosProtocol(PipelinedProtocol):
    """A connection that its requests can drop."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.scope[TRANSPORT] = self.transport  # type: ignore[typeddict-unknown-key]


class ChaosStage:
    """``app`` behind faults, each of them a line in the log; served by `ChaosProtocol`."""

    def __init__(self, app: App, chaos: Chaos) -> None:
        self._app = app
        self._chaos = chaos
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _counted(scope["path"]):
            await self._app(scope, receive, send)
            return
        self._requests += 1
        number = self._requests
        fate = self._chaos.fate(number, watch=_is_watch(scope))
        await asyncio.sleep(fate.delay)
        for claim, act in _ACTS.items():
            if getattr(fate, claim):
                if await act(self, fate, scope, receive, send):
                    log.warning("chaos: request %d, %s %s: %s", number, scope["method"], scope["path"], claim)
                return
        await self._app(scope, receive, send)

    async def _refuse(self, fate: Fate, scope: Scope, receive: Receive, send: Send) -> bool:
        problem = Problem(
            503, "storage_unavailable", "Refused on purpose (--chaos); nothing was done; try again"
        )
        await _answer(send, problem, (b"retry-after", b"1"))
        return True

    async def _lose(self, fate: Fate, scope: Scope, receive: Receive, send: Send) -> bool:
        async def swallow(message: dict[str, Any]) -> None:
            pass

        await self._app(scope, receive, swallow)
        scope[TRANSPORT].abort()
        await _gone(receive)
        return True

    async def _drop_watch(self, fate: Fate, scope: Scope, receive: Receive, send: Send) -> bool:
        await asyncio.sleep(fate.pause)
        scope[TRANSPORT].abort()
        await _gone(receive)
        return True

    async def _cut(self, fate: Fate, scope: Scope, receive: Receive, send: Send) -> bool:
        """The whole answer's head, and of its body the first bytes."""
        cut = False

        async def begin(message: dict[str, Any]) -> None:
            nonlocal cut
            if cut:
                return
            body = message.get("body", b"")
            if message["type"] == "http.response.body" and body:
                cut = True
                message = {
                    **message,
                    "body": body[: 1 + int((len(body) - 1) * fate.share)],
                    "more_body": True,
                }
            await send(message)

        await self._app(scope, receive, begin)
        if cut:
            scope[TRANSPORT].close()  # not abort: what was written goes out
            await _gone(receive)
        return cut

    async def _compact(self, fate: Fate, scope: Scope, receive: Receive, send: Send) -> bool:
        """What a server answers that no longer keeps the changes asked for, with the true cursor."""
        if scope["method"] == "POST":
            return await self._compact_one_of_many(fate, scope, receive, send)
        found = _watches(scope["path"])
        cursor = None
        if found and b"since=" in scope["query_string"]:
            cursor = await self._cursor(scope, found["namespace"])
        if not found or cursor is None:  # refused, or no changes are asked for
            await self._app(scope, receive, send)
            return False
        await _answer(send, _compacted(found["namespace"], cursor))
        return True

    async def _compact_one_of_many(self, fate: Fate, scope: Scope, receive: Receive, send: Send) -> bool:
        body = await _read(receive)
        namespace = _one_of(body, fate.share)
        cursor = None if namespace is None else await self._cursor(scope, namespace)
        if cursor is None:
            await self._app(scope, _again(body, receive), send)
            return False
        about = {"namespace": namespace, "cursor": cursor, "head": cursor, "gone": "compacted"}
        await _respond(
            send, 200, b"application/json", orjson.dumps({"namespaces": [{**about, "changes": []}]})
        )
        return True

    async def _cursor(self, scope: Scope, namespace: str) -> str | None:
        """The namespace's cursor as the server tells this very client; None where it refuses it."""
        path = f"/registry/{namespace}/watch"
        inner = {**scope, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"wait=0"}
        messages: list[dict[str, Any]] = []

        async def keep(message: dict[str, Any]) -> None:
            messages.append(message)

        await self._app(inner, _again(b"", None), keep)
        if messages[0]["status"] != 200:
            return None
        return str(orjson.loads(b"".join(part.get("body", b"") for part in messages[1:]))["cursor"])


_ACTS: Final[Mapping[str, Callable[..., Awaitable[bool]]]] = {
    "refused": ChaosStage._refuse,
    "lost": ChaosStage._lose,
    "dropped": ChaosStage._drop_watch,
    "compacted": ChaosStage._compact,
    "cut": ChaosStage._cut,
}


def _is_watch(scope: Scope) -> bool:
    return scope["path"] == "/watch" or _watches(scope["path"]) is not None


async def _gone(receive: Receive) -> None:
    """Return once the server knows that the connection is no more: else it would answer for us."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive) -> bytes:
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)


def _again(body: bytes, receive: Receive | None) -> Receive:
    """A ``receive`` for a request whose body has been read."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Mapping[str, Any]:
        if waiting:
            return waiting.pop()
        if receive is None:
            return {"type": "http.disconnect"}
        return await receive()

    return again


def _one_of(body: bytes, share: float) -> str | None:
    """One of the namespaces that a request watches; None where it is no such request."""
    try:
        names = list(orjson.loads(body)["cursors"])
    except (ValueError, TypeError, KeyError):
        return None
    return str(names[int(share * len(names))]) if names else None


def _compacted(namespace: str, cursor: str) -> Problem:
    return Problem(
        410,
        "compacted",
        f"Changes after this cursor are no longer kept, {namespace} (--chaos)",
        suggestions=["list the namespace again, and watch from the listing's first cursor"],
        context={"namespace": namespace},
        cursor=cursor,
    )


async def _answer(send: Send, problem: Problem, *fields: tuple[bytes, bytes]) -> None:
    await _respond(send, problem.status, CONTENT_TYPE, problem.document(), *fields)


async def _respond(
    send: Send, status: int, content_type: bytes, body: bytes, *fields: tuple[bytes, bytes]
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
