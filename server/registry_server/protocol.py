"""Uvicorn's HTTP/1.1, with a bound to the head it holds, deadlines for slow clients, problem documents for
what is no request, and an exchange of our own for each request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from registry_server.exchange import Exchange
from registry_server.problems import CONTENT_TYPE, Problem
from registry_server.target import HTTP1, is_host, split_absolute

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

_TRAILERS: Any = deque[tuple[bytes, bytes]](maxlen=0)
"""Takes the place of a request's header fields once they are complete. Trailer fields are discarded: merged
into the header, they would evade a proxy that filters header fields (RFC 9110 section 6.5.1).
"""


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
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("this server is not a tunnel")
            return  # `_parse` gives this head to the parser once more
        self._within_head = False
        self._within_body = True
        self._began = None
        self._open_exchange()

    def _open_exchange(self) -> None:
        """Uvicorn's `on_headers_complete`, less what `cli` never asks for: root path, WebSockets, limits.

        Raises:
            ValueError: the version or the target is not one that this server answers.
        """
        parser, scope = self.parser, self.scope
        version = parser.get_http_version()
        if version != "1.1":
            if version not in HTTP1:
                raise ValueError("the version is neither HTTP/1.1 nor HTTP/1.0")
            scope["http_version"] = version
        scope["method"] = method = parser.get_method().decode("ascii")
        target = self.url
        if target[:1] != b"/" or b"#" in target:
            target = self._origin_form(method, version)
        raw_path, _, scope["query_string"] = target.partition(b"?")
        path = raw_path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        self.headers = _TRAILERS
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

    def _origin_form(self, method: str, version: str) -> bytes:
        """Return the target in origin form; of one in absolute form the authority replaces the Host.

        Both are defined in RFC 9112 section 3.2. A Host that is missing, repeated or malformed is left as it
        is, for `Gate` to refuse.

        Raises:
            ValueError: the target does not have a form that ``method`` may have.
        """
        if self.url == b"*" and method == "OPTIONS":
            return self.url
        authority, target = split_absolute(self.url)
        fields = self.headers
        hosts = [number for number, (name, _) in enumerate(fields) if name == b"host"]
        if not hosts and version == "1.0":
            fields.append((b"host", authority))
        for number in hosts:
            if is_host(fields[number][1]):
                fields[number] = (b"host", authority)
        return target

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._within_body = False
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        self._idle = None
        try:
            self._parse(data)
        except HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("")
            return
        if not (self._within_head or self._within_body):
            self._began = None
        elif self._began is None:
            self._began = self.loop.time()
        if self._within_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HELD_HEAD and not self.transport.is_closing():
                self._refuse(Problem(431, "headers_too_large", "The request's head does not end"))

    def _parse(self, data: bytes) -> None:
        """Feed the parser, and ignore ``Upgrade`` (RFC 9110 section 7.8).

        The parser takes a request that asks for an upgrade to end with its head, whatever framing it
        declares, and would parse its body as the next request. So a new parser, since that one may count the
        connection as closed, is given the head without the fields that ask, and then the bytes after it.

        Raises:
            HttpParserError: the data is not HTTP/1.1.
        """
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            rest = memoryview(data)[upgrade.args[0] :]
        else:
            return
        while True:
            head = self._head_without_upgrade()
            self.parser = HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(head)
            try:
                self.parser.feed_data(rest)
            except HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        """Return the head that the parser has just read, as it was sent but for the ``Upgrade`` fields."""
        version = self.parser.get_http_version().encode("ascii")
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % field for field in self.headers if field[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

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
        fields = b"".join(b"%b: %b\r\n" % field for field in self.server_state.default_headers).decode(
            "latin-1"
        )
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n{fields}"
            f"content-type: {CONTENT_TYPE.decode()}\r\ncontent-length: {len(document)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + document)
        self.transport.close()
