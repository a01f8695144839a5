"""Changes that were read lately, for the many who ask for the same: everyone who watched one namespace."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from registry_server.storage.base import Changes
from registry_server.storage.weights import change_bytes

MOST_HELD: Final = 256
MOST_BYTES: Final = 256 * 1024
"""Answers that take more memory are not held; 64 MiB are the most that all of them take."""


class Asked(NamedTuple):
    """What is asked of `StorageBackend.changes`, and the head that the namespace has at that time."""

    namespace: str
    since: int
    limit: int
    max_bytes: int
    max_value: int
    head: int


class Recent:
    """Answers by question. The head is part of the question: while it stands, the answer is the same."""

    def __init__(self) -> None:
        self._held: OrderedDict[Asked, asyncio.Future[Changes]] = OrderedDict()

    def clear(self) -> None:
        """Forget all: another history has begun."""
        self._held.clear()

    async def find(self, asked: Asked, read: Callable[[], Awaitable[Changes]]) -> Changes:
        """The answer, held or read; whoever asks while it is being read waits for that."""
        answer = self._held.get(asked)
        if answer is None:
            answer = self._held[asked] = asyncio.ensure_future(read())
            answer.add_done_callback(lambda done: self._keep(asked, done))
            if len(self._held) > MOST_HELD:
                self._held.popitem(last=False)
        return await asyncio.shield(answer)

    def _keep(self, asked: Asked, done: asyncio.Future[Changes]) -> None:
        """Of what was read, hold only what answers the question exactly, and is small."""
        failed = done.cancelled() or done.exception() is not None
        unfit = failed or done.result().head != asked.head or _size(done.result()) > MOST_BYTES
        if unfit and self._held.get(asked) is done:
            del self._held[asked]


def _size(changes: Changes) -> int:
    return sum(map(change_bytes, changes.changes))
