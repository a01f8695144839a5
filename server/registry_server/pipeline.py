"""Bounds to what a connection has in hand: requests, unparsed bytes, unread answers."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from registry_server.exchange import Exchange, Flow
from registry_server.problems import Problem
from registry_server.protocol import RegistryProtocol

SLICE: Final = 2 * 1024
"""Bytes that are parsed at once. The requests in them are in hand; the parser cannot stop at the first."""

MOST_HELD: Final = 64 * 1024
"""Bytes that wait to be parsed behind a request before the connection is no longer read from. One read adds
256 KiB at most.
"""

MOST_UNREAD: Final = 256 * 1024 * 1024
"""Bytes of answers that the clients of one process have not read yet, together."""


class PipelinedProtocol(RegistryProtocol):
    """A connection that parses the next requests only after the ones before are answered and read.

    A request waits as bytes, since parsed it takes up to a hundred times as much. If the client leaves, the
    requests that have not begun are dropped and a long poll ends; any other request that has begun is
    finished, since a write must not be done by half.

    A client that closes only its sending side (``nc -N``) looks the same as one that leaves. So it gets its
    answers, in turn, but a long poll does not wait for it.
    """

    flow: Flow
    _serving: Exchange | None = None
    _last_words: Problem | None = None
    """The refusal of bytes that are no request, behind requests that are still to be answered."""
    _unread = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(transport)

    # ---- requests

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._serving = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        if self._last_words is not None:
            return
        if len(data) <= SLICE and not self._held and not self._is_behind_another():
            super().data_received(data)
            return
        self._held += data
        self._parse_held()
        if len(self._held) > MOST_HELD:
            self.flow.pause_reading()
            self.flow.full = True
            if self._serving is not None:
                self._serving.message_event.set()  # if it is a long poll, it ends

    def _parse_held(self) -> None:
        held = self._held
        while held and not self.transport.is_closing() and not self._is_behind_another():
            part = bytes(held[:SLICE])
            del held[:SLICE]
            super().data_received(part)
        self.flow.full = len(held) > MOST_HELD

    def _is_behind_another(self) -> bool:
        """Whether what comes next is behind a request that is not answered, or whose answer is not read."""
        serving = self._serving
        if serving is None:
            return False
        if serving.response_complete:
            return self.flow.write_paused or bool(self.pipeline)
        return serving is not self.cycle or not self._within_body

    def on_response_complete(self) -> None:
        if not (self._held or self.flow.write_paused or self.flow.ended or self._last_words):
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self._go_on()

    def _go_on(self) -> None:
        """Serve the next request, if the one before is answered and the client reads."""
        serving = self._serving
        if self.transport.is_closing() or self.flow.write_paused or serving is None:
            return
        if not serving.response_complete:
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle = self.loop.time()
        self._parse_held()  # the rest of the body, if a part of it was queued
        if self._serving is serving:
            self._end_if_told()
        self.flow.resume_reading()

    def _end_if_told(self) -> None:
        """Close after the last answer if the client sends nothing more, or nothing that can be read."""
        if self._last_words is not None:
            super()._refuse(self._last_words)
        elif self.flow.ended:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Refuse in turn: a client takes the first answer for that to its first request."""
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:  # within this request's body
            if self.pipeline and self.pipeline[0][0] is cycle:
                self.pipeline.popleft()
            elif cycle is self._serving:
                super()._refuse(problem)
                return
        if self.pipeline or (self._serving is not None and not self._serving.response_complete):
            self._held.clear()
            self._last_words = problem
        else:
            super()._refuse(problem)

    # ---- clients that leave

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether the connection stays open, for answers."""
        serving = self._serving
        if self.scheme != "http" or serving is None or serving.awaits_end or not self._is_behind_another():
            self._drop()
            return False
        self.flow.ended = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop()
        super().connection_lost(exc)

    def _drop(self) -> None:
        """Forget the requests that have not begun, and let the one that has know that nobody waits."""
        self.pipeline.clear()
        self._held.clear()
        serving = self._serving
        if serving is not None and not serving.response_complete:
            serving.disconnected = True
            serving.message_event.set()

    def shutdown(self) -> None:
        self._held.clear()
        super().shutdown()

    # ---- answers that are not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = max(self.flow.answer_bytes, self.transport.get_write_buffer_size())
        self._bound_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread = 0
        self._go_on()

    def _bound_unread(self) -> None:
        """Close the connections whose clients have read nothing for longest, until there is room."""
        connections = cast("set[PipelinedProtocol]", self.connections)
        stalled = [one for one in connections if one._unread]
        total = sum(one._unread for one in stalled)
        if total <= MOST_UNREAD:
            return
        for one in sorted(stalled, key=lambda one: one._stalled or 0.0):
            total -= one._unread
            one._unread = 0
            one.transport.abort()
            if total <= MOST_UNREAD:
                return
