"""Who waits for which namespaces: between a storage that tells of changes and the polls that wait for them.

A poll registers, then reads, then waits, then reads again: a change that comes after a read finds it
registered, so none is missed. What is told is only that a namespace moved; the changes themselves are read
from the storage, by each poll from its own cursor.
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

    def wake(self, namespace: str) -> None:
        """End the wait, or the next one where there is none now, because ``namespace`` has moved."""
        self._moved.add(namespace)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout: float, leaving: Leaving) -> set[str]:
        """The namespaces that have moved meanwhile; none after ``timeout`` s, or if the client left."""
        if not self._moved:
            self._waiter = asyncio.get_running_loop().create_future()
            left = asyncio.ensure_future(leaving())
            try:
                await asyncio.wait({self._waiter, left}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            finally:
                left.cancel()
                self._waiter = None
        moved, self._moved = self._moved, set()
        return moved


class WatchHub:
    """The polls that wait on one server process, by namespace."""

    def __init__(self, backend: StorageBackend) -> None:
        self._polls: dict[str, dict[Poll, None]] = {}
        self._waking: deque[tuple[Poll, str]] = deque()
        self.waiting = 0
        """How many polls there are."""
        self.closed = False
        """Whether the server stops: nobody is to wait any more."""
        backend.subscribe(self._moved)

    @contextmanager
    def poll(self, namespaces: Iterable[str]) -> Iterator[Poll]:
        """A poll that is woken whenever one of ``namespaces`` has moved, from here on."""
        names = list(namespaces)
        poll = Poll()
        for name in names:
            self._polls.setdefault(name, {})[poll] = None
        self.waiting += 1
        try:
            yield poll
        finally:
            self.waiting -= 1
            for name in names:
                self._leave(name, poll)

    def close(self) -> None:
        """Wake every poll at once."""
        self.closed = True
        for namespace, polls in self._polls.items():
            for poll in polls:
                poll.wake(namespace)

    def _leave(self, namespace: str, poll: Poll) -> None:
        polls = self._polls[namespace]
        del polls[poll]
        if not polls:
            del self._polls[namespace]

    def _moved(self, namespace: str) -> None:
        polls = self._polls.get(namespace)
        if not polls:
            return
        if not self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)
        self._waking.extend((poll, namespace) for poll in polls)

    def _wake_some(self) -> None:
        for _ in range(min(CHUNK, len(self._waking))):
            poll, namespace = self._waking.popleft()
            poll.wake(namespace)
        if self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)
