"""Several processes with caches over one server, as Hypothesis drives them."""

from __future__ import annotations

from typing import Any
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry_server.storage import memory
from tests.unit.cache.world import NAMESPACES, Process, World, run_all, small_history

KEYS = ("k1", "k2", "k3")

# Few of each, and unevenly: what goes wrong is a matter of two who mean the same.
processes = st.sampled_from([0, 0, 1, 1, 2])
namespaces = st.sampled_from(NAMESPACES[:1] * 4 + NAMESPACES[1:])
keys = st.sampled_from(["k1", "k1", "k1", "k2", "k3"])

read = st.tuples(st.just("get"), processes, namespaces, keys)
write = st.one_of(
    st.tuples(st.just("set"), processes, namespaces, keys),
    st.tuples(st.just("delete"), processes, namespaces, keys),
    st.tuples(st.just("set_many"), processes, namespaces, st.just(KEYS)),
    st.tuples(st.just("clear"), processes, namespaces),
)
look = st.tuples(st.sampled_from(["items", "count"]), processes, namespaces)
poll = st.tuples(st.just("poll"), processes)
tick = st.tuples(st.just("tick"), st.sampled_from([1.0, 4.0, 4.0, 9.0, 11.0]))
trouble = st.sampled_from([("restart",), ("cut", 0), ("cut", 1), ("cut", 2)])
step = st.one_of(read, read, write, write, look, poll, poll, tick, trouble)
race = st.builds(
    lambda writer, reader, key: [("set", writer, NAMESPACES[0], key), ("poll", reader)],
    processes,
    processes,
    keys,
)
all_at_once = st.builds(lambda writer: [("set_many", writer, NAMESPACES[0], KEYS)], processes)
glance = st.builds(lambda reader: [("items", reader, NAMESPACES[0])], processes)
late = st.builds(lambda writer, key: [("set", writer, NAMESPACES[0], key), ("tick", 9.0)], processes, keys)
scripts = st.one_of(st.just([]), race, late, all_at_once, glance, st.lists(step, max_size=3))


class CachesMachine(RuleBasedStateMachine):
    """Every read is checked where it happens: `Process._explain` says against what."""

    def __init__(self) -> None:
        super().__init__()
        self._small = mock.patch.multiple(memory, History=small_history)
        self._pages = mock.patch("registry.storage.line.PAGE_ENTRIES", 2)
        self._small.start()
        self._pages.start()
        self.world = World()
        self.all = [Process(self.world), Process(self.world), Process(self.world, stale_if_error=60.0)]

    def teardown(self) -> None:
        self._small.stop()
        self._pages.stop()
        self.world.close()

    @initialize(known=st.sampled_from(["nothing", "much", "all"]))
    def begin(self, known: str) -> None:
        """Often the caches are filled already, or about to be: most of what can go wrong comes then."""
        if known != "nothing":
            self._do(("set_many", 0, NAMESPACES[0], KEYS))
            for process in self.all:
                process.get(NAMESPACES[0], "k1")
                for _ in range(3 if known == "all" else 0):
                    process.poll()

    @rule(step=read, before=scripts, after=scripts, decoding=scripts)
    def read(self, step: Any, before: Any, after: Any, decoding: Any) -> None:
        self._do(step, before, after, decoding)

    @rule(step=write, before=scripts, after=scripts)
    def write(self, step: Any, before: Any, after: Any) -> None:
        self._do(step, before, after, [])

    @rule(step=look, after=scripts)
    def look(self, step: Any, after: Any) -> None:
        self._do(step, [], after, [])

    @rule(step=poll, before=scripts, after=scripts, skip=st.sampled_from([0, 1]))
    def poll(self, step: Any, before: Any, after: Any, skip: int) -> None:
        self._do(step, before, after, [], skip)

    @rule(step=tick)
    def let_time_pass(self, step: Any) -> None:
        self._do(step)

    @rule(down=st.booleans())
    def outage(self, down: bool) -> None:
        self.world.down = down

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(process=processes, namespace=namespaces)
    def take_changes(self, process: int, namespace: str) -> None:
        self.all[process].take_changes(namespace)

    @rule()
    def quiet(self) -> None:
        """When nothing happens any more, every cache has caught up after a few polls, and says what is so."""
        self.world.down = False
        for process in self.all:
            process.cut = False
            for _ in range(12):
                process.poll()
            for namespace in NAMESPACES:
                if process.storages[namespace]._generation == 0:
                    info = process.storages[namespace].cache_info()
                    assert info.state == "current", info
                    assert info.entries == len(self.world.truth[namespace][-1].state)

    @invariant()
    def nothing_is_shown_that_is_not_there(self) -> None:
        for process in self.all:
            for namespace, storage in process.storages.items():
                for key in list(storage.view.table):
                    process.get(namespace, key)

    def _do(self, step: Any, before: Any = (), after: Any = (), decoding: Any = (), skip: int = 0) -> None:
        name, *arguments = step
        if name == "tick":
            self.world.tick(*arguments)
        elif name == "restart":
            self.world.restart()
        elif name == "cut":
            self.all[arguments[0]].cut = True
        else:
            process = self.all[arguments[0]]
            if before or after or decoding:
                process.meanwhile(self._script(before), self._script(after), self._script(decoding), skip)
            getattr(process, name)(*arguments[1:])
            process.meanwhile(self._script(()), self._script(()), self._script(()))

    def _script(self, steps: Any) -> Any:
        return lambda: run_all(lambda step=step: self._do(step) for step in steps)
