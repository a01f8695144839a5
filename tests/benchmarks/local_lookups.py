"""Registries of one process, ours, others' and one by hand: look-up, registration, import."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from timeit import Timer
from typing import Any, ClassVar

from registry import FunctionalRegistry
from tests.benchmarks.local_peers import PEERS, Peer
from tests.benchmarks.measure import Benchmark, Contender, Effort, at_most, difference, figure, ratio
from tests.benchmarks.servers import ROOT, Servers, environment

_ARTIFACTS = 100
_LOOPS = 5_000
_STARTS = 3
"""Interpreters a measurement: the system counts their time in hundredths of a second."""


class HandWritten:
    """What people write before they use a registry."""

    table: ClassVar[dict[str, Any]] = {}

    @classmethod
    def get_artifact(cls, key: str) -> Any:
        try:
            return cls.table[key]
        except KeyError:
            raise LookupError(f"no artifact {key!r}") from None


@contextmanager
def _lookups(effort: Effort, _servers: Servers) -> Iterator[Mapping[str, Contender]]:
    class Functions(FunctionalRegistry[..., Any]):
        pass

    functions = _functions()
    for function in functions:
        Functions.register_artifact(function)
    HandWritten.table = {function.__name__: function for function in functions}
    names = {"Functions": Functions, "HandWritten": HandWritten, "table": HandWritten.table}
    yield {
        "get_artifact": _Statement(effort, "Functions.get_artifact('function50')", names),
        "classmethod by hand": _Statement(effort, "HandWritten.get_artifact('function50')", names),
        "R[name]": _Statement(effort, "Functions['function50']", names),
        "dict": _Statement(effort, "table['function50']", names),
        **{peer.name: _Statement(effort, peer.lookup, {"registry": _filled(peer)}) for peer in PEERS},
    }


def _filled(peer: Peer) -> Any:
    registry = peer.make()
    for function in _functions():
        peer.register(registry, function)
    return registry


def _functions() -> list[Callable[[], None]]:
    source = "\n".join(f"def function{number}(): pass" for number in range(_ARTIFACTS))
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(source, namespace)
    return [namespace[f"function{number}"] for number in range(_ARTIFACTS)]


class _Statement:
    """A `Contender`: nanoseconds that a statement takes."""

    def __init__(self, effort: Effort, statement: str, names: dict[str, Any]) -> None:
        self._timer = Timer(statement, timer=effort.time, globals=names)

    def __call__(self, seconds: float) -> float:
        loops, spent = 0, 0.0
        while spent < seconds:
            spent += self._timer.timeit(_LOOPS)
            loops += _LOOPS
        return spent / loops * 1e9


@contextmanager
def _registration(effort: Effort, _servers: Servers) -> Iterator[Mapping[str, Contender]]:
    functions = _functions()

    def timed(make: Callable[[], Any], register: Callable[[Any, Any], object], seconds: float) -> float:
        rounds, spent = 0, 0.0
        while spent < seconds:
            registry = make()
            started = effort.time()
            for function in functions:
                register(registry, function)
            spent += effort.time() - started
            rounds += 1
        return spent / rounds / len(functions) * 1e6

    yield {
        "register_artifact": partial(timed, _new_registry, lambda registry, f: registry.register_artifact(f)),
        **{peer.name: partial(timed, peer.make, peer.register) for peer in PEERS},
    }


def _new_registry() -> type[FunctionalRegistry[..., Any]]:
    class Functions(FunctionalRegistry[..., Any]):
        pass

    return Functions


@contextmanager
def _imports(effort: Effort, _servers: Servers) -> Iterator[Mapping[str, Contender]]:
    _python("import registry", effort)  # compiles what was not compiled yet
    yield {
        "import registry": lambda _: _python("import registry", effort),
        "python": lambda _: _python("pass", effort),
    }


def _python(statement: str, effort: Effort) -> float:
    """Milliseconds from the start of an interpreter to its end."""

    clock = _cpu_of_children if effort.clock == "cpu" else time.perf_counter
    started = clock()
    for _ in range(_STARTS):
        # Without a timeout: waiting with one sleeps for 16 ms, then 32, between two looks.
        subprocess.run([sys.executable, "-c", statement], cwd=ROOT, env=environment(), check=True)
    return (clock() - started) / _STARTS * 1e3


def _cpu_of_children() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


BENCHMARKS = (
    Benchmark(
        "lookup",
        f"Look-up of one of {_ARTIFACTS} functions in a local registry",
        "ns",
        (
            ratio("get_artifact", "classmethod by hand", at_most(1.2)),
            ratio("R[name]", "get_artifact", at_most(1)),
            ratio("R[name]", "dict"),
            *[ratio("get_artifact", peer.name) for peer in PEERS],
        ),
        _lookups,
        slices=10,
    ),
    Benchmark(
        "registration",
        f"Registration of {_ARTIFACTS} functions in a new local registry",
        "µs each",
        (
            figure("register_artifact", "µs", at_most(10)),
            *[ratio("register_artifact", peer.name) for peer in PEERS],
        ),
        _registration,
        slices=10,
    ),
    Benchmark(
        "import",
        "A new interpreter that imports registry, against one that does nothing",
        "ms",
        (difference("import registry", "python", "ms", at_most(40)),),
        _imports,
        slices=2,
    ),
)
