"""Many who ask the same store at once, served by one question to it.

What is asked while a round is under way goes with the next one, so every answer was read after it was asked
for: sharing makes no answer older than asking alone would have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LARGEST_ROUND: Final = 256


class Rounds(Generic[K, V]):
    """Questions, gathered.

    Args:
        read: answers a round, by question; what it leaves out is an error, and what it raises, all of the
            round raise.
        lanes: rounds that may be under way at once.
    """

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, lanes: int = 1) -> None:
        self._read = read
        self._free = lanes
        self._next: dict[K, asyncio.Future[V]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: K) -> V:
        """The answer, read after this was called. Who is cancelled leaves the others their answer."""
        answer = self._next.get(question)
        if answer is None:
            answer = self._next[question] = asyncio.get_running_loop().create_future()
            if self._free:
                self._free -= 1
                task = asyncio.create_task(self._run())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(answer)

    async def close(self) -> None:
        """Wait for the rounds under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _run(self) -> None:
        try:
            while self._next:
                asked, self._next = self._next, {}
                for question in list(asked)[LARGEST_ROUND:]:
                    self._next[question] = asked.pop(question)
                await self._answer(asked)
        finally:
            self._free += 1

    async def _answer(self, asked: dict[K, asyncio.Future[V]]) -> None:
        try:
            answers = await self._read(list(asked))
            for question, future in asked.items():
                future.set_result(answers[question])
        except Exception as exc:
            for future in asked.values():
                if not future.done():
                    future.set_exception(_own(exc))
                    future.exception()  # looked at: nobody may be left to


def _own(exc: Exception) -> Exception:
    """An exception for one waiter: one that several raise would gather all their tracebacks."""
    try:
        return type(exc)(*exc.args).with_traceback(None)
    except TypeError:
        return exc
