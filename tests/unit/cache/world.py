"""A server, several processes with caches, a clock, and what was true when: all in one thread.

The server is the real application over its memory storage; the processes are the real storages, informers
and pollers, without their threads. What runs at the same time is nested: while a request is on its way, or a
value is being decoded, other processes and other threads of the same one do what a script says. So every run
is a function of its script.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import httpx

from registry.envelope.form import Envelope
from registry.errors import OutcomeUnknownError, RemoteError, ServerTimeoutError, ServerUnreachableError
from registry.storage.cached import CachedStorage
from registry.storage.connection import Address
from registry.storage.informer import Position
from registry.storage.line import Line
from registry.storage.poller import Poller
from registry.storage.watched import RemoteSource
from registry.watching import Changes
from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage import memory
from registry_server.storage.history import History

URL = "http://localhost:8001"
NAMESPACES = ("a.x", "a.y")
MISSING = object()
KEPT = 6
"""Changes that the server keeps: few, so that a script can outrun them."""


class ManyLives(memory.MemoryBackend):
    """Memory storage that can be opened again under an application that is compiled once."""

    def restart(self) -> None:
        listeners = list(self._listeners)
        asyncio.run(self.open())
        self._listeners[:] = listeners


backend = ManyLives()
application = create_app(ServerSettings(), backend)


class Moment(NamedTuple):
    """What one namespace held, from ``time`` on; ``seen`` where a reader can find it: not inside a batch."""

    position: tuple[int, int]
    state: dict[str, Any]
    time: float
    seen: bool


class World:
    """The server, the clock and the truth."""

    def __init__(self) -> None:
        self.now = 100.0
        self.down = False
        self.epochs: list[str] = []
        self.values: dict[str, Any] = {}
        self.numbers = iter(range(1, 1_000_000))
        self.loop = asyncio.new_event_loop()
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=URL)
        self.truth: dict[str, list[Moment]] = {namespace: [] for namespace in NAMESPACES}
        self.log: dict[tuple[str, str], list[tuple[str, str | None]]] = {}
        self.processes: list[Process] = []
        self.restart()

    def close(self) -> None:
        self.loop.run_until_complete(self.http.aclose())
        self.loop.close()

    # ---- the server

    def restart(self) -> None:
        """The server is restarted, and its memory is empty."""
        backend.restart()
        self.epochs.append(backend.epoch)
        for namespace in NAMESPACES:
            self.truth[namespace].append(Moment((len(self.epochs), 0), {}, self.now, True))

    def request(self, method: str, url: str, **fields: Any) -> httpx.Response:
        if self.down:
            raise ServerUnreachableError("the server is down")
        fields.pop("timeout", None)
        response = self.loop.run_until_complete(self.http.request(method, url, **fields))
        self._note()
        return response

    def _note(self) -> None:
        for namespace in NAMESPACES:
            space = backend._spaces.get(namespace)
            if space is None:
                continue
            log = self.log.setdefault((backend.epoch, namespace), [])
            for change in space.history._changes[len(log) - space.history.floor :]:
                self._advance(namespace, change)
                log.append((change.op, change.key or None))

    def _advance(self, namespace: str, change: Any) -> None:
        state = dict(self.truth[namespace][-1].state)
        if change.op == "set":
            state[change.key] = self.values[change.digest]
        elif change.op == "delete":
            del state[change.key]
        else:
            state.clear()
        at = len(self.epochs), change.revision
        self.truth[namespace].append(Moment(at, state, self.now, change.revision == change.last))

    def new_value(self) -> Any:
        """A value that was never stored before: a text, which all may be shown, or a list, which not."""
        number = next(self.numbers)
        value: Any = f"v{number}" if number % 2 else [number]
        text = f'"v{number}"' if number % 2 else f"[{number}]"
        self.values[Envelope("json", text, "json").digest] = value
        return value

    def oldest_kept(self, namespace: str) -> int:
        space = backend._spaces.get(namespace)
        return 0 if space is None else int(space.history.floor)

    # ---- the clock

    def tick(self, seconds: float) -> None:
        """Time passes; threads that wait for no longer than now go on."""
        self.now += seconds
        for process in self.processes:
            if process.deadline is None or process.deadline <= self.now:
                for informer in list(process.poller._informers.values()):
                    informer.publish(self.now)

    def at(self, namespace: str, time: float) -> int:
        """The index of the moment that was current at ``time``."""
        return max(n for n, moment in enumerate(self.truth[namespace]) if n == 0 or moment.time <= time)


class Wire:
    """In the place of the HTTP client: the world's server, and what happens while a request is on its way."""

    def __init__(self, process: Process, line: WorldLine | None = None) -> None:
        self._process = process
        self._line = line

    async def awaited_request(self, method: str, url: str, **fields: Any) -> httpx.Response:
        return self.request(method, url, **fields)

    def request(self, method: str, url: str, **fields: Any) -> httpx.Response:
        before, after = self._process.take_script()
        deadline = self._process.world.now + self._line.seconds if self._line else None
        outer, self._process.deadline = self._process.deadline, deadline or self._process.deadline
        try:
            before()
            if self._line is not None and self._line.interrupted:
                raise OutcomeUnknownError("interrupted")
            response = self._process.world.request(method, url, **fields)
            after()
        finally:
            self._process.deadline = outer
        if self._process.cut:
            self._process.cut = False
            raise OutcomeUnknownError("the connection died")
        if deadline is not None and self._process.world.now >= deadline:
            raise ServerTimeoutError("the deadline has passed")
        return response


class WorldLine(Line):
    def __init__(self, process: Process) -> None:
        super().__init__(Address(url=URL))
        self._process = process
        self.interrupted = False

    def http_client(self, server: str) -> Any:
        return Wire(self._process, self)

    def arm(self) -> None:
        self.interrupted = False

    def interrupt(self) -> None:
        self.interrupted = True

    def watch_many(self, cursors: Any, wait: int) -> dict[str, Any]:
        if wait:
            followed = {name for name, known in self._process.poller._informers.items() if known.windows}
            assert followed <= set(cursors), f"waits, and nobody asks for {followed - set(cursors)}"
        return super().watch_many(cursors, 0)


class ThreadlessPoller(Poller):
    def _start(self) -> None:
        pass


class Storage(CachedStorage[Any]):
    """A cached storage in a process of the world."""

    def __init__(self, namespace: str, process: Process) -> None:
        super().__init__(namespace, url=URL, max_staleness=10, stale_if_error=process.stale_if_error)
        self._process = process
        self._clock = lambda: process.world.now  # type: ignore[assignment, method-assign]
        self._observed.http_client = lambda server: Wire(process)  # type: ignore[assignment, method-assign, return-value]

    def _followed(self) -> Any:
        if self._generation == -1:
            self._generation = 0
            known = self._observed.informer
            known.clock = self._clock  # type: ignore[attr-defined]  # for a planted mistake
            self._observed.informer = self._process.poller.follow(self.namespace, self._window, known)
        return self._observed.informer

    def _decoded(self, key: str, envelope: Envelope, etag: str) -> Any:
        value = super()._decoded(key, envelope, etag)
        self._process.take_decoding()()
        return value


Script = Callable[[], object]


class Process:
    """One process: a poller, a storage for each namespace, and what it has seen so far."""

    def __init__(self, world: World, *, stale_if_error: float = 0.0) -> None:
        self.world = world
        self.stale_if_error = stale_if_error
        self.cut = False
        self.deadline: float | None = None
        self.polling = False
        self._script: tuple[Script, Script] = (lambda: None, lambda: None)
        self._skip = 0
        self._decoding: Script = lambda: None
        self.poller = ThreadlessPoller(WorldLine(self), lambda: world.now)
        self.storages = {namespace: Storage(namespace, self) for namespace in NAMESPACES}
        self.floor = dict.fromkeys(NAMESPACES, 0)
        self.watches = {namespace: self._watch(namespace) for namespace in NAMESPACES}
        world.processes.append(self)

    def meanwhile(self, before: Script, after: Script, decoding: Script, skip: int = 0) -> None:
        """What is to happen around the next request but ``skip``, and in the next decoding."""
        self._script, self._decoding, self._skip = (before, after), decoding, skip

    def take_script(self) -> tuple[Script, Script]:
        self._skip -= 1
        if self._skip >= 0:
            return (lambda: None, lambda: None)
        script, self._script = self._script, (lambda: None, lambda: None)
        return script

    def take_decoding(self) -> Script:
        decoding, self._decoding = self._decoding, lambda: None
        return decoding

    # ---- what a process does; each checks what it sees against the truth

    def get(self, namespace: str, key: str) -> None:
        lowest = self._lowest(namespace)
        storage = self.storages[namespace]
        try:
            try:
                value = storage.view.table[key]
            except KeyError:
                value = storage.get(key, MISSING)
        except RemoteError:
            return
        self._explain(
            namespace, lowest, lambda moment: _equal(moment.state.get(key, MISSING), value), (key, value)
        )

    def items(self, namespace: str) -> None:
        lowest = self._lowest(namespace)
        try:
            items = list(self.storages[namespace].items())
        except RemoteError:
            return
        self._explain(
            namespace, lowest, lambda moment: moment.seen and list(moment.state.items()) == items, items
        )

    def count(self, namespace: str) -> None:
        lowest = self._lowest(namespace)
        try:
            count = len(self.storages[namespace])
        except RemoteError:
            return
        self._explain(namespace, lowest, lambda moment: moment.seen and len(moment.state) == count, count)

    def set(self, namespace: str, key: str) -> None:
        value = self.world.new_value()
        self._write(namespace, lambda storage: storage.__setitem__(key, value), key)

    def set_many(self, namespace: str, keys: Sequence[str]) -> None:
        values = {key: self.world.new_value() for key in keys}
        self._write(namespace, lambda storage: storage.update(values), *keys)

    def delete(self, namespace: str, key: str) -> None:
        self._write(namespace, lambda storage: storage.delete_many([key]), key)

    def clear(self, namespace: str) -> None:
        self._write(namespace, lambda storage: storage.clear())

    def poll(self) -> None:
        if not self.polling:  # there is one thread for it
            self.polling = True
            try:
                self.poller.turn()
            finally:
                self.polling = False

    def _write(self, namespace: str, write: Callable[[Storage], object], *keys: str) -> None:
        world = self.world
        first = len(world.truth[namespace])
        outer = world.request
        reached: list[int] = []

        def request(*arguments: Any, **fields: Any) -> httpx.Response:
            world.request = outer  # type: ignore[method-assign]
            response = outer(*arguments, **fields)
            reached.append(len(world.truth[namespace]) - 1)
            return response

        world.request = request  # type: ignore[method-assign]
        try:
            write(self.storages[namespace])
        except RemoteError:
            return
        finally:
            world.request = outer  # type: ignore[method-assign]
        assert reached and first
        self.floor[namespace] = max(self.floor[namespace], reached[0])

    def _lowest(self, namespace: str) -> int:
        """The oldest moment that a read that begins now may show."""
        bound = max(10.0, self.stale_if_error)
        return max(self.floor[namespace], self.world.at(namespace, self.world.now - bound))

    def _explain(self, namespace: str, lowest: int, shows: Callable[[Moment], bool], seen: object) -> None:
        truth = self.world.truth[namespace]
        for index in range(lowest, len(truth)):
            if shows(truth[index]):
                self.floor[namespace] = max(self.floor[namespace], index)
                return
        older = [moment.position for moment in truth[:lowest] if shows(moment)]
        raise AssertionError(f"{seen} in {namespace} is of {older}, after {truth[lowest].position}")

    # ---- watching

    def _watch(self, namespace: str) -> Changes:
        source = RemoteSource(self.storages[namespace])
        source._line = WorldLine(self)
        return Changes(source, f"{backend.epoch}.0", timeout=0)

    def take_changes(self, namespace: str) -> None:
        """Every change since the last time comes, once and in order; or a resync, where it cannot."""
        if self.world.down:
            return
        self.cut = False
        watch = self.watches[namespace]
        known = Position.of(watch.cursor)
        possible = known.epoch == backend.epoch and known.revision >= self.world.oldest_kept(namespace)
        changes = list(watch)
        log = self.world.log.get((backend.epoch, namespace), [])
        if not possible:
            assert [change.op for change in changes] == ["resync"], changes
            assert changes[0].revision == len(log)
            return
        told = [(change.op, change.key) for change in changes]
        assert told == log[known.revision :], (told, log, known)
        assert [change.revision for change in changes] == list(range(known.revision + 1, len(log) + 1))


def _equal(one: object, other: object) -> bool:
    return one is other if MISSING in (one, other) else one == other


def small_history(floor: int = 0) -> History:
    return History(floor, kept=KEPT, slack=2)


def run_all(steps: Iterable[Script]) -> None:
    for step in steps:
        step()
