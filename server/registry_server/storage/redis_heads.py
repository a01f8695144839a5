"""Which namespaces have moved, on whatever server: so that those who wait need not ask Redis each.

A store numbers the moves of all its namespaces, in the script that makes them. Who knows of all moves up to
the store's latest knows every head. Three sources tell of moves: the answers to own writes, messages of
other servers' writes, which may be late or lost, and a question to Redis, which is the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from registry_server.storage.base import StorageError

MOST_KNOWN: Final = 100_000
"""Heads held, some 150 bytes each; beyond it all are forgotten, and asked for when they are needed."""

MOST_AT_ONCE: Final = 1_000
"""Moved namespaces that one question asks for."""

Ask = Callable[[int], Awaitable[Sequence[Any]]]
"""Asks the store for its latest move, and for the namespaces that moved after one."""


class Heads:
    """The heads that this server knows, and up to which move it knows all.

    Args:
        ask: runs ``moves.lua`` for the moves after a known one.
        tell: called with the name of each namespace that has moved.
    """

    def __init__(self, ask: Ask, tell: Callable[[str], None]) -> None:
        self._ask = ask
        self._tell = tell
        self._heads: dict[str, int] = {}
        self._known_to = 0
        self._histories = 0
        self._next: asyncio.Future[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    def begin(self, move: int) -> None:
        """Another history has begun, at ``move``: forget all heads, and wake all who wait for one."""
        names, self._heads, self._known_to = list(self._heads), {}, move
        self._histories += 1
        for name in names:
            self._tell(name)

    def moved(self, move: int, namespace: str, head: int) -> bool:
        """Take over a move that somebody told of; returns whether none is missing before it."""
        if move <= self._known_to:
            return True
        self._take(namespace, head)
        if move > self._known_to + 1:
            return False
        self._known_to = move
        return True

    def know(self, namespace: str, head: int) -> None:
        """Note a head that was read; moves that came after that are told by their numbers."""
        if len(self._heads) >= MOST_KNOWN:
            self._heads.clear()
        self._heads[namespace] = max(head, self._heads.get(namespace, 0))

    async def latest(self, namespace: str) -> int | None:
        """The head as it is now; None where it is not known.

        Watch polls that find nothing new are the most frequent question to a store, so they are answered from
        here. Not by what this server happens to know: a write that another server has answered is to be seen
        by every read that begins afterwards (REG-REV-04), and its message may still be under way. So each
        poll waits for a question of one number to the primary, which begins after the poll did; all that
        begin while one is under way share the next.
        """
        if namespace not in self._heads:
            return None
        await self.refresh()
        return self._heads.get(namespace)

    async def refresh(self) -> None:
        """Learn of every move that was made before this was called.

        Raises:
            StorageUnavailableError: the store cannot be asked.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._answer_all())
        await asyncio.shield(self._next)

    async def _answer_all(self) -> None:
        while self._next is not None:
            # From here on it is too late to share this question.
            waiting, self._next = self._next, None
            try:
                await self._catch_up()
            except StorageError as error:
                waiting.set_exception(error)
                waiting.exception()  # no complaint where all who waited have left
            else:
                waiting.set_result(None)

    async def _catch_up(self) -> None:
        while True:
            history = self._histories
            latest, *moves = await self._ask(self._known_to)
            if self._histories != history:  # its numbers are not those of the history that began meanwhile
                continue
            for move, head, name in moves:
                if move > self._known_to:
                    self._take(name.decode(), head)
            complete = len(moves) < MOST_AT_ONCE
            reached = latest if complete else moves[-1][0]
            self._known_to = max(self._known_to, reached)
            if complete:
                return

    def _take(self, namespace: str, head: int) -> None:
        self.know(namespace, head)
        self._tell(namespace)
