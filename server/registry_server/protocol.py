"""Uvicorn's HTTP/1.1, with a bound to the head it holds, deadlines for slow clients, problem documents for
what is no request, and an exchange of our own for each request.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from urllib.parse import unquote

from httptools import parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from registry_server.exchange import Exchange
from registry_server.problems import CONTENT_TYPE, Problem

MAX_HELD_HEAD = 128 * 1024
"""Bytes of an unfinished head that are held, at most. A finished one may have `Limits.header_bytes`."""

HEAD_SECONDS = 10.0
"""How long a connection may take to send its first byte, and any request's head from its first byte on."""

BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 8 * 1024
"""How long a body may take: so long, and a second more for each so many bytes of it that have come."""

ANSWER_SECONDS = 20.0
ANSWER_BYTES_PER_SECOND = 8 * 1024
"""How often a client must have taken so many bytes a second of an answer that waits for it."""


class RegistryProtocol(HttpToolsProtocol):
    """One connection. Without this a head could grow for ever, and take quadratic time to do so."""

    _within_head = False
    _within_body = False
    _head_bytes = 0
    _body_bytes = 0
    _began: float | None = None
    """When what is not whole yet began to come; None where nothing is awaited: a request that comes whole, as
    nearly all do, costs no look at the clock.
    """
    _stalled: float | None = None
    _left_to_write = 0
    _idle: float | None = None
    """Since when the client could send another request: a mark is cheaper than uvicorn's timer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._began = self.loop.time()

    def pause_writing(self) -> None:
        self._stalled = self.loop.time()
        self._left_to_write = self.transport.get_write_buffer_size()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle = self.loop.time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._within_head = True
        self._head_bytes = self._body_bytes = 0

    def on_headers_complete(self) -> None:
        self._within_head = False
        self._within_body = True
        self._began = None
        self._open_exchange()

    def _open_exchange(self) -> None:
        """Uvicorn's `on_headers_complete`, less what `cli` never asks for: root path, WebSockets, limits."""
        parser, scope = self.parser, self.scope
        version = parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        url = parse_url(self.url)
        path = url.path.decode("ascii")
        scope["method"] = parser.get_method().decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before = self.cycle
        self.cycle = Exchange(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            self.expect_100_continue,
            version != "1.0" and parser.should_keep_alive(),
            self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._within_body = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._idle = None
        super().data_received(data)
        if not (self._within_head or self._within_body):
            self._began = None
        elif self._began is None:
            self._began = self.loop.time()
        if self._within_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HELD_HEAD and not self.transport.is_closing():
                self._refuse(Problem(431, "headers_too_large", "The request's head does not end"))

    def end_if_overdue(self, now: float) -> None:
        """Close the connection if its client has been too slow at ``now``, of the loop's clock.

        Else fifty clients that send nothing, or a byte now and then, would hold what honest ones need.
        """
        if self._stalled is not None and now - self._stalled > ANSWER_SECONDS:
            self._end_if_stalled(now)  # also if it is closing: it stays until its answer is read
        elif self.transport.is_closing():
            return
        elif self._began is None:
            if self._idle is not None and now - self._idle > self.timeout_keep_alive:
                self.transport.close()
        elif self.flow.read_paused or self._is_behind_another():
            self._began = now  # it is us who do not read, or do not answer
        elif now - self._began > self._seconds():
            self._end_overdue()

    def _end_if_stalled(self, now: float) -> None:
        left = self.transport.get_write_buffer_size()
        if self._left_to_write - left < ANSWER_SECONDS * ANSWER_BYTES_PER_SECOND:
            self.transport.abort()
        else:
            self._stalled, self._left_to_write = now, left

    def _is_behind_another(self) -> bool:
        """Whether a head is awaited behind a request that is still being served."""
        return self._within_head and self.cycle is not None and not self.cycle.response_complete

    def _seconds(self) -> float:
        if self._within_body:
            return BODY_SECONDS + self._body_bytes / BODY_BYTES_PER_SECOND
        return HEAD_SECONDS

    def _end_overdue(self) -> None:
        if self._within_body and self.cycle.response_started:
            self.transport.close()  # answered already, with 413 say, or about to be
        elif self._within_head or self._within_body:
            self._refuse(Problem(408, "request_timeout", "The request took too long to come"))
        else:
            self.transport.close()  # it never sent a byte

    def send_400_response(self, msg: str) -> None:
        self._refuse(
            Problem(
                400,
                "invalid_request",
                "This is no request of HTTP/1.1",
                suggestions=["percent-encode what is not ASCII in the address"],
            )
        )

    def _refuse(self, problem: Problem) -> None:
        """Answer and close: where this request ends and the next one begins cannot be told."""
        document = problem.document()
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
            f"content-type: {CONTENT_TYPE.decode()}\r\ncontent-length: {len(document)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + document)
        self.transport.close()
