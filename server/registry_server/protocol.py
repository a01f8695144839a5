"""Uvicorn's HTTP/1.1, with a bound to the head it holds, problem documents for what is no request, and each
answer in one write.
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
    _head_bytes = 0
    _answers: WholeAnswers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answers = WholeAnswers(transport)

    def on_response_complete(self) -> None:
        self._answers.finish()
        super().on_response_complete()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._within_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._within_head = False
        super().on_headers_complete()
        # The answer's task has not begun yet. Answers of one connection follow one another, pipelined or not.
        self.cycle.transport = cast(Any, self._answers)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._within_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HELD_HEAD and not self.transport.is_closing():
                self._refuse(Problem(431, "headers_too_large", "The request's head does not end"))

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
