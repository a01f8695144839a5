"""Several watchers of one namespace against a list of its changes, under any script; and bugs that it finds.

The storage here is as awkward as one may be: a read takes turns of the event loop, and what it tells of a
write comes late, when its watchers may know of the write already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from registry_server.handlers.watch import Seen, Watch
from registry_server.problems import Problem
from registry_server.storage import memory
from registry_server.storage.base import (
    ANY,
    BatchRemoved,
    Changes,
    Drop,
    Entry,
    Expect,
    Put,
    Stored,
    Written,
)
from registry_server.storage.history import History
from registry_server.storage.memory import MemoryBackend
from registry_server.testing import stored
from registry_server.testing.model import Model
from registry_server.testing.values import PLENTY
from registry_server.watch import Leaving, Poll, WatchHub

T = TypeVar("T")

SPACE = "watched.space"
KEYS = st.sampled_from("abcd")
VALUES = st.integers(0, 2).map(stored)
WATCHERS = 3
KEPT, SLACK = 10, 4
"""Changes that are kept here: few, so that watchers fall behind them."""
IDLE_TURNS = 40
"""Turns of the event loop after which nothing moves any more."""


class Awkward(MemoryBackend):
    """A memory storage whose reads take turns, and which tells of a write at once, soon, or far too late."""

    def __init__(self) -> None:
        super().__init__()
        self._late = cycle((0, 2, 9))

    async def changes(
        self, namespace: str, since: int, *, limit: int, max_bytes: int, max_value: int
    ) -> Changes:
        await asyncio.sleep(0)
        found = await super().changes(namespace, since, limit=limit, max_bytes=max_bytes, max_value=max_value)
        for _ in range(4):
            await asyncio.sleep(0)
        return found

    def _tell(self, namespace: str, turns: int | None = None) -> None:
        turns = next(self._late) if turns is None else turns
        if turns:
            asyncio.get_running_loop().call_soon(self._tell, namespace, turns - 1)
        else:
            super()._tell(namespace)


class Informer:
    """A client: it lists, then watches from there, and lists again where it is told to."""

    def __init__(self) -> None:
        self.cursor = ""
        self.replica: dict[str, str] = {}
        self.limit = 0
        """Of its requests, one of which follows upon the other; 0 while it does something else."""
        self.poll: asyncio.Task[Any] | None = None

    @property
    def reached(self) -> int:
        return int(self.cursor.rpartition(".")[2])

    async def list(self, backend: MemoryBackend) -> None:
        page = await backend.page(SPACE, limit=1_000, max_bytes=PLENTY)
        self.replica = {entry.key: entry.digest for entry in page.entries}
        self.cursor = f"{backend.epoch}.{page.head}"

    def follow(self, answer: Mapping[str, Any], model: Model) -> None:
        """Take over an answer, which has to be what the model says comes next."""
        for change in answer["changes"]:
            assert change["revision"] == self.reached + 1, "a change is missing or comes twice"
            told = (change["revision"], change["op"], change.get("key", ""), change.get("digest", ""))
            assert told == model.changes[self.reached][:4], "a change is not what was done"
            self._apply(change)
            self.cursor = f"{self.cursor.rpartition('.')[0]}.{change['revision']}"
        assert answer["cursor"] == self.cursor, "the cursor is not where the changes end"
        if answer["changes"]:
            assert model.changes[self.reached - 1][4] == self.reached, "a batch is split"

    def _apply(self, change: Mapping[str, Any]) -> None:
        if change["op"] == "set":
            self.replica[change["key"]] = change["digest"]
        elif change["op"] == "delete":
            del self.replica[change["key"]]
        else:
            self.replica.clear()


class _Script(RuleBasedStateMachine):
    """Writers, watchers, turns of the event loop and restarts, in any order."""

    runner: asyncio.Runner
    backend_class: type[MemoryBackend]
    hub_class: type[WatchHub]
    watch_class: type[Watch]

    def __init__(self) -> None:
        super().__init__()
        self.backend = self.backend_class()
        self.informers = [Informer() for _ in range(WATCHERS)]
        self.run(self._start())

    def run(self, awaitable: Awaitable[T]) -> T:
        async def wait() -> T:
            return await awaitable

        return self.runner.run(wait())

    @rule(key=KEYS, value=VALUES)
    def put(self, key: str, value: Stored) -> None:
        self._write(self.backend.put(SPACE, key, value), lambda: self.model.put(key, value))

    @rule(keys=st.lists(KEYS, min_size=1, max_size=4, unique=True), value=VALUES)
    def put_many(self, keys: list[str], value: Stored) -> None:
        puts = [Put(key, value) for key in keys]
        self._write(
            self.backend.put_many(SPACE, puts), *(partial(self.model.put, key, value) for key in keys)
        )

    @rule(keys=st.lists(KEYS, min_size=1, max_size=3, unique=True))
    def delete_many(self, keys: list[str]) -> None:
        drops = [Drop(key) for key in keys]
        self._write(
            self.backend.delete_many(SPACE, drops), *(partial(self.model.delete, key) for key in keys)
        )

    @rule()
    def clear(self) -> None:
        self._write(self.backend.clear(SPACE), self.model.clear)

    @rule(number=st.integers(0, WATCHERS - 1), limit=st.integers(0, 4))
    def follow(self, number: int, limit: int) -> None:
        """One of the watchers begins to send requests, or does no more when the current one is answered."""
        self.informers[number].limit = limit
        self.run(self._turn(1))

    @rule(turns=st.integers(1, 6))
    def turn(self, turns: int) -> None:
        """Time passes, in the middle of whatever goes on."""
        self.run(self._turn(turns))

    @rule()
    def settle(self) -> None:
        """Nothing more is written: who still waits has nothing to wait for but the next change."""
        self.run(self._settle())
        for informer in self.informers:
            assert informer.poll is None or informer.cursor == self.cursor, "a wake-up was lost"

    @rule()
    def restart(self) -> None:
        """The server stops and its memory is gone; waiting polls are answered before."""
        self.hub.close()
        limits = [informer.limit for informer in self.informers]
        for informer in self.informers:
            informer.limit = 0
        self.run(self._turn(IDLE_TURNS))
        assert all(informer.poll is None for informer in self.informers), "a poll outlives its server"
        self.run(self.backend.close())
        self.run(self._start())
        for informer, limit in zip(self.informers, limits, strict=True):
            informer.limit = limit

    def teardown(self) -> None:
        try:
            self.settle()
            for informer in self.informers:
                self._catch_up(informer)
        finally:
            self.run(self._stop())

    @property
    def cursor(self) -> str:
        """Where the namespace is."""
        return f"{self.backend.epoch}.{self.model.head}"

    async def _start(self) -> None:
        await self.backend.open()
        self.model = Model()
        self.hub = self.hub_class(self.backend)
        self.handlers = self.watch_class(self.backend, self.hub)
        for informer in self.informers:
            if not informer.cursor:
                await informer.list(self.backend)

    async def _stop(self) -> None:
        for informer in self.informers:
            informer.limit = 0
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
        await self.backend.close()

    def _write(self, write: Awaitable[object], *meant: Any) -> None:
        """Write, and read at once what was answered: every change that the model has, to the last."""
        before = self.model.head
        self.run(write)
        for change in meant:
            change()
        self.model.end_batch(before)
        read = MemoryBackend.changes(self.backend, SPACE, before, limit=99, max_bytes=0, max_value=0)
        told = [(*change[:4], change.last) for change in self.run(read).changes]
        assert told == self.model.changes[before:], "a write was answered before it was done"

    async def _turn(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
            for informer in self.informers:
                if informer.poll is not None and informer.poll.done():
                    await self._take(informer, informer.poll)
                if informer.poll is None and informer.limit:
                    self._send(informer)

    async def _settle(self) -> None:
        reached: list[str] = []
        while reached != (reached := [informer.cursor for informer in self.informers]):
            await self._turn(IDLE_TURNS)

    def _send(self, informer: Informer) -> None:
        request = self.handlers.watch_namespace(
            SPACE, stays, since=informer.cursor, wait=55, limit=informer.limit
        )
        informer.poll = asyncio.create_task(request)

    async def _take(self, informer: Informer, poll: asyncio.Task[Any]) -> None:
        informer.poll = None
        try:
            informer.follow(poll.result().body, self.model)
        except Problem as problem:
            epoch = informer.cursor.rpartition(".")[0]
            behind = epoch == self.backend.epoch and informer.reached < self.model.head - KEPT
            assert problem.code == ("compacted" if behind else "epoch_changed")
            assert behind or epoch != self.backend.epoch, "gone for no reason"
            await informer.list(self.backend)

    def _catch_up(self, informer: Informer) -> None:
        informer.limit = 2
        self.run(self._settle())
        assert informer.cursor == self.cursor, "what has been done is not told"
        assert informer.replica == {line[0]: line[2] for line in self.model.lines.values()}, "astray"


async def stays() -> None:
    """A client that does not leave."""
    await asyncio.Event().wait()


def check(
    *,
    backend: type[MemoryBackend] = Awkward,
    hub: type[WatchHub] = WatchHub,
    watch: type[Watch] = Watch,
    scripts: int,
) -> None:
    """Run ``scripts`` random scripts; `AssertionError` at the first difference."""
    with asyncio.Runner() as shared:

        class Script(_Script):
            runner = shared
            backend_class, hub_class, watch_class = backend, hub, watch

        run_state_machine_as_test(
            Script,
            settings=settings(
                max_examples=scripts,
                stateful_step_count=40,
                deadline=None,
                database=None,
                report_multiple_bugs=False,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.fixture(autouse=True)
def short_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "History", partial(History, kept=KEPT, slack=SLACK))


def test_watchers_agree_with_what_was_done_under_any_script() -> None:
    """REG-WCH-01, REG-WCH-02, REG-WCH-03, REG-WCH-05, REG-CHG-02."""
    check(scripts=150)


class TellsAChangeTwice(Awkward):
    """``>=`` where it should be ``>``."""

    async def changes(self, namespace: str, since: int, **bounds: int) -> Changes:
        return await super().changes(namespace, max(0, since - 1), **bounds)


class SkipsAChange(Awkward):
    async def changes(self, namespace: str, since: int, **bounds: int) -> Changes:
        found, head = await super().changes(namespace, since, **bounds)
        return Changes(found[1:] if len(found) > 2 else found, head)


class SplitsBatches(Awkward):
    async def changes(self, namespace: str, since: int, *, limit: int, **bounds: int) -> Changes:
        found, head = await super().changes(namespace, since, limit=limit, **bounds)
        return Changes(found[:limit], head)


class ForgetsWhatItCompacted(Awkward):
    """Tells the changes that it still has, as if they were all."""

    async def changes(self, namespace: str, since: int, **bounds: int) -> Changes:
        space = self._spaces.get(namespace)
        floor = 0 if space is None else space.history.floor
        return await super().changes(namespace, max(since, floor), **bounds)


class AnswersBeforeWriting(Awkward):
    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        async def write() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            await MemoryBackend.put(self, namespace, key, value, expect=expect)

        self.writing = asyncio.create_task(write())
        revision = (await self.count(namespace))[1] + 1
        return Written("created", Entry(key, *value, revision, revision, ""), revision)


class TellsBeforeItIsThere(Awkward):
    """Its watchers have looked, and wait again, when it writes."""

    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        self._tell(namespace, 0)
        for _ in range(12):
            await asyncio.sleep(0)
        self._tell = lambda *_: None  # type: ignore[method-assign]
        try:
            return await super().put(namespace, key, value, expect=expect)
        finally:
            del self._tell


class KeepsDeletesToItself(Awkward):
    async def delete_many(
        self, namespace: str, drops: Sequence[Drop], *, atomic: bool = False
    ) -> BatchRemoved:
        self._tell = lambda *_: None  # type: ignore[method-assign]
        try:
            return await super().delete_many(namespace, drops, atomic=atomic)
        finally:
            del self._tell


class RegistersAfterReading(Watch):
    """The lost wake-up: what comes between the read and the registration wakes nobody."""

    async def _watch(
        self, cursors: Mapping[str, str], wait: int, limit: int, leaving: Leaving
    ) -> dict[str, Seen]:
        while not (moved := await self._moved(cursors, limit)) and not self._hub.closed:
            with self._hub.poll(cursors) as poll:
                await poll.wait(wait, leaving)
        return moved


class RegistersOnce(WatchHub):
    """A poll that was woken for nothing is not woken again."""

    def register(self, poll: Poll, namespaces: Iterable[str]) -> None:
        self.known: set[Poll] = getattr(self, "known", set())
        if poll not in self.known:
            self.known.add(poll)
            super().register(poll, namespaces)


class DoesNotWakeAtTheEnd(WatchHub):
    def close(self) -> None:
        self.closed = True


class IgnoresEpochs(Watch):
    """Goes on from a revision, whatever history it is of."""

    async def _since(self, namespace: str, cursor: str, limit: int, room: int) -> Seen:
        own = f"{self._backend.epoch}.{cursor.rpartition('.')[2]}"
        return await super()._since(namespace, own, limit, room)


class LosesItsPlace(Watch):
    """Answers where the namespace is for where the changes end."""

    async def _since(self, namespace: str, cursor: str, limit: int, room: int) -> Seen:
        seen = await super()._since(namespace, cursor, limit, room)
        return seen._replace(cursor=seen.head)


@pytest.mark.parametrize(
    "planted",
    [
        {"backend": TellsAChangeTwice},
        {"backend": SkipsAChange},
        {"backend": SplitsBatches},
        {"backend": ForgetsWhatItCompacted},
        {"backend": AnswersBeforeWriting},
        {"backend": TellsBeforeItIsThere},
        {"backend": KeepsDeletesToItself},
        {"watch": RegistersAfterReading},
        {"watch": IgnoresEpochs},
        {"watch": LosesItsPlace},
        {"hub": RegistersOnce},
        {"hub": DoesNotWakeAtTheEnd},
    ],
    ids=lambda planted: next(iter(planted.values())).__name__,
)
def test_a_planted_bug_is_found(planted: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check(**planted, scripts=2_000)
