"""Listening to the other servers over one store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from registry_server.storage.base import StorageError
from registry_server.storage.redis_errors import BROKEN
from registry_server.storage.redis_heads import Heads
from registry_server.storage.redis_link import Dialer, Link

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""So long at most a move may go untold, where its message was lost."""
SILENCE_SECONDS: Final = 5.0
"""A connection silent for so long is asked for a sign of life, and given up after twice that."""


class Follower:
    """Keeps `Heads` up to date: by messages, and by looking each second, since messages may be lost.

    Redis sends a message once, to who listens at that moment. So after each connection is made the moves are
    asked for, and while it holds each second: a connection that is dead and does not know it looks like one
    on which nothing happens.
    """

    def __init__(self, dialer: Dialer, channel: bytes, heads: Heads) -> None:
        self._dialer = dialer
        self._channel = channel
        self._heads = heads
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._begin(self._listen_for_ever())
        self._begin(self._look_for_ever())

    async def stop(self) -> None:
        """End, and let go of the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(StorageError):
                await self._heads.refresh()

    async def _listen_for_ever(self) -> None:
        while True:
            link: Link | None = None
            try:
                link = await self._dialer.dial()
                await link.subscribe(self._channel)
                await self._heads.refresh()
                await self._listen(link)
            except (StorageError, *BROKEN) as error:
                log.debug("listening to %s ended: %s", self._channel, error)
            finally:
                if link is not None:
                    await link.close()
            await asyncio.sleep(LOOK_SECONDS)

    async def _listen(self, link: Link) -> None:
        silent = False
        while True:
            message = await link.listen(SILENCE_SECONDS)
            if message is None:
                if silent:
                    return
                silent = True
                await link.send_ping()
                continue
            silent = False
            if message[0] == b"message":
                await self._take(message[2])

    async def _take(self, text: bytes) -> None:
        move, head, name = text.split(b" ", 2)
        if not self._heads.moved(int(move), name.decode(), int(head)):
            await self._heads.refresh()
