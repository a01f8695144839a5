"""The border to httpx for callers in an event loop: the calls of `registry.storage.http`, awaited.

What a call is, when it is sent again, when it is over and what its failures are, is decided in
`registry.storage.call`; here it is sent, and slept for. Needs asyncio, whichever loop; loaded when something
is first awaited.

Connections belong to the loop that made them: there is one pool for each loop and server. It is closed when
the loop shuts its asynchronous generators down, as `asyncio.run` does at its end. In a forked child it is
forgotten, not closed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Iterable
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from registry.storage.call import Call
from registry.storage.http import KEEPALIVE_SECONDS, MAX_CONNECTIONS, ssl_context_for


async def run(call: Call) -> httpx.Response:
    """Send a call, again where that is right, and return the answer."""
    while True:
        request = call.next_request()
        try:
            response = await _answer(call, await pools.transport(call.server), request)
        except httpx.HTTPError as error:
            await asyncio.sleep(call.pause_after_failure(error))
            continue
        pause = call.pause_after_answer(response)
        if pause is None:
            return call.recognised(response)
        await asyncio.sleep(pause)


async def _answer(call: Call, pool: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    _deadline.set(call.ends)
    response = await pool.handle_async_request(request)
    try:
        body = call.body_of(response)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for part in response.stream:
            body.add(part)
    finally:
        await response.aclose()
    return body.whole(request)


# ---- one deadline for all the network steps of a call, as `registry.storage.deadline` has it for threads

_deadline: ContextVar[float] = ContextVar("deadline")
"""When the call that this task is making has to be over, of `time.monotonic`; a call stays in its task."""


def _left() -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the timeout of the whole call has passed")
    return left


class _DeadlineBackend(httpcore.AsyncNetworkBackend):
    """Connections whose every step ends at its task's deadline."""

    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._backend.connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, _left())

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, _left())

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, _left()))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool whose every network step ends at the call's deadline."""

    def __init__(self, url: str) -> None:
        # Not httpx's own __init__: it loads certificates, 20 ms and more, also where there is no TLS.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context_for(url),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=_DeadlineBackend(),
        )


# ---- the pools of this process


class _OfLoop:
    """The transports of one loop, by server, and what closes them at the loop's end."""

    def __init__(self) -> None:
        self.transports: dict[str, httpx.AsyncBaseTransport] = {}
        self.closing: AsyncGenerator[None] | None = None


class _Pools:
    """The transports of this process. A loop runs in one thread, so none of its own steps needs a lock."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        # The old ones are kept referenced: collecting them would close sockets shared with the parent.
        self._inherited = getattr(self, "_loops", None), getattr(self, "_inherited", None)
        self._loops: dict[asyncio.AbstractEventLoop, _OfLoop] = {}

    def __len__(self) -> int:
        """How many loops have connections."""
        return len(self._loops)

    async def transport(self, url: str) -> httpx.AsyncBaseTransport:
        """The transport of the running loop to the server at ``url``."""
        loop = asyncio.get_running_loop()
        of_loop = self._loops.get(loop)
        if of_loop is None:
            self._drop_closed()
            of_loop = self._loops[loop] = _OfLoop()
            of_loop.closing = self._closing(loop, of_loop)
            await anext(of_loop.closing)  # it begins here, so the loop knows of it and will end it
        if url not in of_loop.transports:
            of_loop.transports[url] = _Transport(url)
        return of_loop.transports[url]

    async def _closing(self, loop: asyncio.AbstractEventLoop, of_loop: _OfLoop) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._loops.pop(loop, None)
            for transport in of_loop.transports.values():
                await transport.aclose()

    def _drop_closed(self) -> None:
        """Let go of loops that were closed without shutting their generators down."""
        for loop in list(self._loops):
            if loop.is_closed():
                self._loops.pop(loop, None)


pools = _Pools()
