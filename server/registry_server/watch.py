"""Who waits for which namespaces: between a storage that tells of changes and the polls that wait for them.

A poll registers, then reads, then waits; woken, it registers again before it reads again. So a change that a
read has not seen finds its poll registered, and none is missed. What is told is only that a namespace moved;
the changes themselves are read from the storage, by each poll from its own cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from registry_server.storage.base import StorageBackend

CHUNK: Final = 32
"""Polls woken in one turn of the event loop: with thousands at once, other requests would wait for all."""

Leaving = Callable[[], Awaitable[None]]
"""Waits until the client has closed its connection; uvicorn does not cancel a handler whose client left."""


class Poll:
    """One waiting request."""

    __slots__ = ("_moved", "_waiter")

    def __init__(self) -> None:
        self._moved: set[str] = set()
        self._waiter: asyncio.Future[None] | None = None

    def wake(self, namespaces: Iterable[str]) -> None:
        """End the wait, or the next one where there is none now, because ``namespaces`` have moved."""
        self._moved.update(namespaces)
        if self._waiter is not None:
            _end(self._waiter)

    async def wait(self, timeout: float, leaving: Leaving) -> set[str]:
        """The namespaces that have moved meanwhile; none after ``timeout`` s, or if the client left."""
        if not self._moved:
            loop = asyncio.get_running_loop()
            self._waiter = waiter = loop.create_future()
            timer = loop.call_later(timeout, _end, waiter)
            left = asyncio.ensure_future(leaving())
            left.add_done_callback(lambda _: _end(waiter))
            try:
                await waiter
            finally:
                timer.cancel()
                left.cancel()
                self._waiter = None
        moved, self._moved = self._moved, set()
        return moved


def _end(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class WatchHub:
    """The polls that wait on one server process, by namespace.

    A move takes all polls of its namespace off the register at once and queues them to be woken, so a write
    costs the same however many wait, and a poll is queued once for however many writes.
    """

    def __init__(self, backend: StorageBackend) -> None:
        self._polls: dict[Poll, list[str]] = {}
        self._registered: dict[str, dict[Poll, None]] = {}
        self._waking: deque[tuple[str, dict[Poll, None]]] = deque()
        self.closed = False
        """Whether the server stops: nobody is to wait any more."""
        backend.subscribe(self._moved)

    @property
    def waiting(self) -> int:
        """How many polls there are."""
        return len(self._polls)

    @contextmanager
    def poll(self, namespaces: Iterable[str]) -> Iterator[Poll]:
        """A poll that is woken once one of ``namespaces`` has moved, from here on."""
        poll = Poll()
        self._polls[poll] = names = list(namespaces)
        self.register(poll, names)
        try:
            yield poll
        finally:
            del self._polls[poll]
            for name in names:
                self._leave(name, poll)

    def register(self, poll: Poll, namespaces: Iterable[str]) -> None:
        """Have ``poll`` woken by the next move of each of ``namespaces``; being woken takes it off."""
        for name in namespaces:
            self._registered.setdefault(name, {})[poll] = None

    def close(self) -> None:
        """Wake every poll at once."""
        self.closed = True
        for poll, namespaces in self._polls.items():
            poll.wake(namespaces)

    def _leave(self, namespace: str, poll: Poll) -> None:
        polls = self._registered.get(namespace)
        if polls is not None and poll in polls:
            del polls[poll]
            if not polls:
                del self._registered[namespace]

    def _moved(self, namespace: str) -> None:
        polls = self._registered.pop(namespace, None)
        if polls is None:
            return
        if not self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)
        self._waking.append((namespace, polls))

    def _wake_some(self) -> None:
        room = CHUNK
        while room and self._waking:
            namespace, polls = self._waking[0]
            while room and polls:
                poll, _ = polls.popitem()
                poll.wake((namespace,))
                room -= 1
            if not polls:
                self._waking.popleft()
        if self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)
