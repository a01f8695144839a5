"""One request and its answer on a connection: uvicorn's, with less done for each of them.

A system call costs as much as a third of all that this server does for a small answer, and uvicorn makes two
for each, and runs patterns over every header field. So an answer that comes whole goes out in one write. What
comes in parts, or is to be logged, goes uvicorn's own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_WITHOUT_BODY = (204, 304)


class Flow(FlowControl):
    """Uvicorn's flow control, for a connection that keeps bytes back."""

    full = False
    """Whether as many bytes wait as may: reading does not resume, and a long poll ends."""
    ended = False
    """Whether the client has closed its sending side."""
    answer_bytes = 0
    """The size of the last answer that came whole. All of it stays in memory until its last byte is sent."""

    def resume_reading(self) -> None:
        if not self.full:
            super().resume_reading()


class Exchange(RequestResponseCycle):
    """Keeps an answer's head back until its body comes; does not wait for a body that has come whole."""

    flow: Flow
    _head: Mapping[str, Any] | None = None
    _body_is_given = False
    awaits_end = False
    """Whether it waits for its client to leave, as a long poll does."""

    async def receive(self) -> Any:
        """The body, and after it the end of the connection, or of waiting for it."""
        if self._body_is_given:
            self.awaits_end = True
            if self.flow.full or self.flow.ended:
                return {"type": "http.disconnect"}
        if self.more_body or self._body_is_given or self.disconnected or self.response_complete:
            return await super().receive()
        self._body_is_given = True
        self.flow.resume_reading()
        self.message_event.clear()
        body, self.body = self.body, bytearray()
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    async def send(self, message: Any) -> None:
        """Send a part of the answer.

        Raises:
            RuntimeError: the parts do not follow one another as ASGI says, or do not go together.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        head = self._head
        if head is not None:
            self._head = None
            if message["type"] == "http.response.body" and not message.get("more_body"):
                whole = self._whole(head, message.get("body", b""))
                if whole is not None:
                    self._finish(whole)
                    return
            self.response_started = False
            await super().send(cast(Any, head))
        elif not self.response_started and message["type"] == "http.response.start" and not self.access_log:
            self._head = message
            self.response_started = True
            return
        await super().send(message)

    def _whole(self, head: Mapping[str, Any], body: bytes) -> bytes | None:
        """The answer's text; None where the head does not say how long the body is."""
        status: int = head["status"]
        length = 0 if status in _WITHOUT_BODY else None
        closes = False
        fields = [*self.default_headers, *head["headers"]]
        lines = [STATUS_LINE[status]]
        for name, value in fields:
            lines += (name, b": ", value, b"\r\n")
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                closes = b"close" in value.lower()
        if length is None:
            return None
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            fields.append((b"connection", b"close"))
            lines.append(b"connection: close\r\n")
        text = b"".join(lines)
        if not text.count(b"\r") == text.count(b"\n") == len(fields) + 1 or b"\0" in text:
            raise RuntimeError("a header field of an answer holds a line break or NUL")
        if self.scope["method"] == "HEAD":
            return text + b"\r\n"
        if length != len(body):
            raise RuntimeError(f"an answer's body has {len(body)} bytes, its head says {length}")
        return b"%b\r\n%b" % (text, body)

    def _finish(self, whole: bytes) -> None:
        self.waiting_for_100_continue = False
        self.flow.answer_bytes = len(whole)
        self.transport.write(whole)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
