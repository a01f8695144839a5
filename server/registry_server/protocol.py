"""Uvicorn's HTTP/1.1, with a bound to the head it holds, deadlines for slow clients, problem documents for
what is no request, and each answer in one write.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from registry_server.problems import CONTENT_TYPE, Problem

MAX_HELD_HEAD = 512 * 1024
"""Bytes of an unfinished head that are held, at most. What a finished one may have is `Limits.header_bytes`;
this is larger, since one read from the socket (256 KiB) can hold the end of the request before.
"""

HEAD_SECONDS = 10.0
"""How long a connection may take to send its first byte, and any request's head from its first byte on."""

BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 8 * 1024
"""How long a body may take: so long, and a second more for each so many bytes of it that have come."""

ANSWER_SECONDS = 60.0
"""How long an answer may wait for a client that reads nothing."""


class WholeAnswers:
    """A transport that keeps an answer's head back until its body comes: one system call instead of two.

    On a small answer a call costs as much as a third of all that this server does for it.
    """

    __slots__ = ("_head", "_started", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._started = False

    def write(self, data: bytes) -> None:
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif self._started or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(data)
        else:
            self._head = data
            self._started = True

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def finish(self) -> None:
        """The answer is complete: write a head without a body; the next write begins another answer."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._started = False

    def close(self) -> None:
        self.finish()
        self._transport.close()


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
    _answers: WholeAnswers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answers = WholeAnswers(transport)
        self._began = self.loop.time()

    def pause_writing(self) -> None:
        self._stalled = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        self._answers.finish()
        super().on_response_complete()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._within_head = True
        self._head_bytes = self._body_bytes = 0

    def on_headers_complete(self) -> None:
        self._within_head = False
        self._within_body = True
        self._began = None
        super().on_headers_complete()
        # The answer's task has not begun yet. Answers of one connection follow one another, pipelined or not.
        self.cycle.transport = cast(Any, self._answers)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._within_body = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
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
        if self.transport.is_closing():
            return
        if self._stalled is not None and now - self._stalled > ANSWER_SECONDS:
            self.transport.abort()
        elif self._began is None:
            return
        elif self.flow.read_paused or self._is_behind_another():
            self._began = now  # it is us who do not read, or do not answer
        elif now - self._began > self._seconds():
            self._end_overdue()

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
