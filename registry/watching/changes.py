"""An iterator over changes that waits for the next one, and goes on where a connection broke off."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, Protocol

from registry.errors import (
    OutcomeUnknownError,
    ServerFaultError,
    ServerTimeoutError,
    ServerUnreachableError,
    ValidationError,
)
from registry.watching.change import Change
from registry.watching.pace import Pace

LONGEST_WAIT: Final = 25.0

_PASSING = ServerUnreachableError, ServerTimeoutError, OutcomeUnknownError, ServerFaultError
"""What a server that is restarted, or a network, does for a while."""


class Source(Protocol):
    """Where changes come from; used by one thread at a time, but for `interrupt`."""

    def now(self) -> str:
        """The cursor of this moment."""

    def after(self, cursor: str, seconds: float) -> tuple[list[Change], str]:
        """The changes after ``cursor``, waiting for the first for ``seconds``, and where they end."""

    def interrupt(self) -> None:
        """End the wait under way, if there is one, and every later one."""

    def close(self) -> None:
        """Let go of what it holds; nobody waits any more."""


class Changes(Iterator[Change]):
    """The changes after a cursor, in their order, each once; waits for the next one.

    A server that cannot be reached is tried again, after pauses of 0.05 to 5 seconds, as long as it takes. A
    server that answers at once without a change is asked again after pauses of up to a second.
    Used by one thread at a time; `close` may be called from another, and ends the iteration.

    Args:
        source: where they come from.
        since: a cursor; this moment unless given.
        timeout: end the iteration after so many seconds without a change; 0 takes what is there. On a server
            whole seconds count.

    Raises:
        RemoteError: the server, asked for its cursor or for changes, answered what no trying again will mend.
    """

    def __init__(self, source: Source, since: str | None = None, *, timeout: float | None = None) -> None:
        self._source = source
        self._timeout = timeout
        self._ready: deque[Change] = deque()
        self._closed = threading.Event()
        self._pace = Pace()
        self._pause = 0.0
        self._in_use = threading.Lock()
        self._reached = self._begin() if since is None else since
        self.cursor: str = self._reached
        """Where to go on: after the change that was returned last."""

    def __next__(self) -> Change:
        with self._in_use:
            change = self._next()
        if self._closed.is_set():
            self._let_go()
        if change is None:
            raise StopIteration
        self.cursor = change.cursor
        return change

    def _next(self) -> Change | None:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while not (self._ready or self._closed.is_set()):
            if self._pause:
                self._closed.wait(min(self._pause, self._timeout or self._pause))
                self._pause = 0.0
            left = LONGEST_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
            self._fetch(min(left, LONGEST_WAIT))
            if deadline is not None and time.monotonic() >= deadline:
                break
        return None if self._closed.is_set() or not self._ready else self._ready.popleft()

    def _begin(self) -> str:
        try:
            return self._source.now()
        except ValidationError:
            self._source.close()
            raise

    def _fetch(self, seconds: float) -> None:
        self._pace.sends(seconds)
        try:
            found, self._reached = self._source.after(self._reached, seconds)
        except _PASSING:
            if not self._closed.is_set():
                pause = self._pace.failed()
                self._closed.wait(pause if self._timeout is None else min(pause, seconds))
            return
        except ValidationError:
            self._source.close()  # whoever gets an error from an iterator drops it, and closes nothing
            raise
        news = any(change.op != "resync" for change in found)
        self._pause = self._pace.answered(news=news, restarted=bool(found) and not news)
        self._ready.extend(found)
        if not found:
            self.cursor = self._reached

    def close(self) -> None:
        """End the iteration, and the wait of whoever is in it."""
        self._closed.set()
        self._source.interrupt()
        self._let_go()

    def _let_go(self) -> None:
        """Close the source, unless somebody waits for it, who will do so."""
        if self._in_use.acquire(blocking=False):
            try:
                self._source.close()
            finally:
                self._in_use.release()

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
