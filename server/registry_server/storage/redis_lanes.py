"""Calls of many callers, sent together over few connections.

    submit ── queue ──> lane: take all that is queued, send it at once, hand out the answers
                    └─> lane: the same, while the other one waits

A lane is a task that owns one connection. Redis syncs its file once for all that it found when it looked, so
callers that share a round trip share a sync too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from redis import exceptions

from registry_server.storage.base import (
    OutcomeUnknownError,
    StorageCounters,
    StorageError,
    StorageUnavailableError,
)
from registry_server.storage.redis_errors import told_another_epoch, translate
from registry_server.storage.redis_link import Dialer, Link
from registry_server.storage.redis_scripts import Script
from registry_server.storage.redis_url import RedisOptions
from registry_server.storage.redis_wire import Argument, Packed, command, pack

_MAX_QUEUED: Final = 8_192
_MAX_QUEUED_BYTES: Final = 256 * 1024 * 1024
_MAX_TOGETHER_BYTES: Final = 4 * 1024 * 1024
_READ_ATTEMPTS: Final = 2


class Call:
    """One script to be run, and who waits for its answer."""

    __slots__ = ("attempts", "command", "future")

    def __init__(self, command: bytes, future: asyncio.Future[Any]) -> None:
        self.command = command
        self.future = future
        self.attempts = 0

    def answer(self, reply: Any) -> None:
        if not self.future.done():
            self.future.set_result(reply)

    def refuse(self, error: StorageError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Lanes:
    """``count`` connections for calls of one kind.

    Args:
        dialer: makes the connections, when they are first needed and again when they broke.
        options: of the store.
        count: how many calls, or groups of calls, may be under way at once.
        together: how many calls may share a round trip.
        counters: where calls that fail are counted, and round trips that write.
        writes: whether the calls change the store. Those are never sent twice: where a connection breaks
            under them, their outcome is unknown. Others are asked again, once.
    """

    def __init__(
        self,
        dialer: Dialer,
        options: RedisOptions,
        counters: StorageCounters,
        *,
        count: int,
        together: int,
        writes: bool = False,
    ) -> None:
        self._dialer = dialer
        self._counters = counters
        self._location = options.location
        self._together = together
        self._writes = writes
        self._replicas = options.wait_replicas if writes else 0
        self._wait_milliseconds = int(options.timeout * 500)
        self._queue: deque[Call] = deque()
        self._queued_bytes = 0
        self._idle: list[asyncio.Future[None]] = []
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._tasks = [self._loop.create_task(self._run()) for _ in range(count)]

    def submit(self, script: Script, keys: Packed, arguments: Sequence[Argument]) -> asyncio.Future[Any]:
        """Run ``script``; the future is its answer.

        The future raises:
            StorageError: it did not run.
            OutcomeUnknownError: it may have run; of calls that write.
        """
        if self._closing:
            raise StorageUnavailableError("the storage is not open")
        if len(self._queue) >= _MAX_QUEUED or self._queued_bytes >= _MAX_QUEUED_BYTES:
            raise StorageUnavailableError(f"{len(self._queue)} calls are waiting for Redis; try again later")
        call = Call(command(script.call, keys, pack(arguments)), self._loop.create_future())
        self._enqueue(call)
        return call.future

    @property
    def queued(self) -> int:
        """Calls that were not sent yet."""
        return len(self._queue)

    async def close(self) -> None:
        """Finish what was submitted, then let go of the connections."""
        self._closing = True
        for waiter in self._idle:
            _wake(waiter)
        await asyncio.gather(*self._tasks)

    def _enqueue(self, call: Call) -> None:
        self._queue.append(call)
        self._queued_bytes += len(call.command)
        if self._idle:
            _wake(self._idle.pop())

    async def _run(self) -> None:
        link: Link | None = None
        try:
            while calls := await self._next():
                link = await self._serve(link, calls)
        finally:
            if link is not None:
                await link.close()

    def _take_all(self) -> list[Call]:
        calls = list(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        return calls

    async def _next(self) -> list[Call]:
        """What is to be sent next; nothing once all is done and this closes."""
        while True:
            calls: list[Call] = []
            room = _MAX_TOGETHER_BYTES
            while self._queue and room > 0 and len(calls) < self._together:
                call = self._queue.popleft()
                self._queued_bytes -= len(call.command)
                if not call.future.done():  # else cancelled: nobody waits for it, and nothing was sent
                    calls.append(call)
                    room -= len(call.command)
            if calls or self._closing:
                return calls
            waiter = self._loop.create_future()
            self._idle.append(waiter)
            await waiter

    async def _serve(self, link: Link | None, calls: list[Call]) -> Link | None:
        """Have ``calls`` answered; returns the link, if it can be used again."""
        if link is not None and not await link.is_alive():
            await link.close()
            link = None
        try:
            link = link or await self._dialer.dial()
        except StorageError as error:
            # Who came while this was tried has waited long enough, and nothing of it was sent.
            for call in (*calls, *self._take_all()):
                self._refuse(call, type(error)(*error.args))
            return None
        return await self._exchange(link, calls)

    async def _exchange(self, link: Link, calls: list[Call]) -> Link | None:
        commands = [call.command for call in calls]
        if self._replicas:
            commands.append(command(pack(("WAIT", self._replicas, self._wait_milliseconds))))
        replies: list[Any] = []
        broken: Exception | None = None
        try:
            await link.exchange(commands, replies)
        except Exception as error:  # whatever it is, those who wait are told
            broken = error
        kept = await self._keep(link, broken, replies)
        if self._replicas:
            self._hold_back(calls, replies)
        for call, reply in zip(calls, replies, strict=False):
            self._hand_out(call, reply)
        if self._writes and replies:
            self._counters.committed(len(replies))
        if broken is not None:
            self._lost(calls[len(replies) :], broken)
        return kept

    async def _keep(self, link: Link, broken: Exception | None, replies: list[Any]) -> Link | None:
        """The link, or a new one if it has to be greeted anew, or none if it can only be closed."""
        if broken is None and not any(map(_outdates, replies)):
            return link
        await link.close()
        if any(map(told_another_epoch, replies)):
            # Before the callers hear of it: who then asks again is to ask for the new epoch.
            with suppress(StorageError):
                return await self._dialer.dial()
        return None

    def _hand_out(self, call: Call, reply: Any) -> None:
        if not isinstance(reply, exceptions.ResponseError):
            call.answer(reply)
        elif isinstance(reply, exceptions.NoScriptError) and call.attempts < _READ_ATTEMPTS:
            call.attempts += 1  # it did not run, so a write may be sent again too
            self._enqueue(call)
        else:
            self._refuse(call, translate(reply, self._location))

    def _refuse(self, call: Call, error: StorageError) -> None:
        self._counters.errors += 1
        call.refuse(error)

    def _lost(self, calls: list[Call], error: BaseException) -> None:
        """The connection broke before ``calls`` were answered: had they been done?"""
        for call in calls:
            if self._writes:
                text = (
                    f"the connection to the Redis at {self._location} broke while the write was under "
                    "way: it may be stored, or not"
                )
                self._refuse(call, OutcomeUnknownError(text))
                continue
            call.attempts += 1
            if call.attempts < _READ_ATTEMPTS and not isinstance(error, TimeoutError):
                self._enqueue(call)
            else:
                self._refuse(call, translate(error, self._location))

    def _hold_back(self, calls: list[Call], replies: list[Any]) -> None:
        """Refuse calls that fewer replicas have than was asked for; all of them where that is not known.

        ``WAIT`` counts who has the latest write of this connection, so one serves for all before it.
        """
        confirmed = replies.pop() if len(replies) > len(calls) else 0
        if isinstance(confirmed, Exception):
            confirmed = 0
        if confirmed >= self._replicas:
            return
        text = (
            f"{confirmed} of {self._replicas} replicas have confirmed the write within "
            f"{self._wait_milliseconds} ms; it is stored, but gone if the Redis at {self._location} fails now"
        )
        for call, reply in zip(calls, replies, strict=False):
            if not isinstance(reply, Exception):
                self._refuse(call, OutcomeUnknownError(text))


def _outdates(reply: Any) -> bool:
    """Whether ``reply`` says that its connection is of no use until it is greeted anew.

    Redis has forgotten the scripts, has another history, or is a replica now.
    """
    kinds = (exceptions.NoScriptError, exceptions.ReadOnlyError)
    return isinstance(reply, kinds) or told_another_epoch(reply)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
