"""The coherent cache: look-ups against a local registry, and how soon a reader sees another's write."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import quantiles
from typing import Any

from registry import FunctionalRegistry, RemoteStorageProxy
from tests.benchmarks.local_lookups import _Statement
from tests.benchmarks.measure import Benchmark, Contender, Effort, at_most, figure, ratio
from tests.benchmarks.remote_client import as_client
from tests.benchmarks.servers import Servers

_WRITES_A_ROUND = 50
_SEEN_SECONDS = 30.0


@contextmanager
def _lookups(effort: Effort, servers: Servers) -> Iterator[Mapping[str, Contender]]:
    with as_client(servers) as url:

        class Local(FunctionalRegistry[..., Any]):
            pass

        class Cached(FunctionalRegistry[..., Any], logic_namespace="bench.cached", server=url, cache=True):
            pass

        class Configs(FunctionalRegistry[..., Any], logic_namespace="bench.configs", server=url, cache=True):
            pass

        for registry in (Local, Cached):
            registry.register_artifact("dumps", json.dumps)
        RemoteStorageProxy[Any]("bench.configs", url=url)["config"] = {"lr": 0.001, "layers": [64, 64]}
        Cached.prefetch()
        Configs.prefetch()
        names = {"Local": Local, "Cached": Cached, "Configs": Configs}
        yield {
            "local get": _Statement(effort, "Local.get_artifact('dumps')", names),
            "cached get": _Statement(effort, "Cached.get_artifact('dumps')", names),
            "cached get of a JSON object": _Statement(effort, "Configs.get_artifact('config')", names),
        }
        assert Cached.cache_info().state == "current"
        for registry in (Cached, Configs):
            registry._storage().close()  # type: ignore[attr-defined]


def _write(url: str, orders: Any, done: Any) -> None:
    """In a process of its own: stores each number that comes, and tells when that was answered."""
    storage = RemoteStorageProxy[int]("bench.coherence", url=url)
    while (number := orders.recv()) is not None:
        storage["number"] = number
        done.send(time.monotonic())


class _Coherence:
    """A `Contender`: milliseconds from a write's answer in another process until a look-up here shows it."""

    def __init__(self, url: str, orders: Any, done: Any, *, share: int, busy: bool) -> None:
        self._storage = RemoteStorageProxy[int]
        self._url, self._orders, self._done = url, orders, done
        self._share, self._busy = share, busy
        self._number = 0

    def __call__(self, seconds: float) -> float:
        class Numbers(
            FunctionalRegistry[..., Any], logic_namespace="bench.coherence", server=self._url, cache=True
        ):
            pass

        stop = threading.Event()
        worker = threading.Thread(target=_compute, args=(stop,))
        storage = Numbers._storage()
        try:
            self._measure(storage)  # the first one fills the cache
            if self._busy:
                worker.start()
            late = sorted(self._measure(storage) for _ in range(_WRITES_A_ROUND))
        finally:
            stop.set()
            if worker.ident is not None:
                worker.join()
            storage.close()  # type: ignore[attr-defined]
        return quantiles(late, n=100, method="inclusive")[self._share - 1]

    def _measure(self, storage: Any) -> float:
        self._number = max(self._number, int(storage.get("number", 0))) + 1
        self._orders.send(self._number)
        deadline = time.monotonic() + _SEEN_SECONDS
        while storage.get("number", 0) != self._number:
            assert time.monotonic() < deadline, "a write was not seen"
            time.sleep(0.0002)
        seen = time.monotonic()
        return max(0.0, seen - self._done.recv()) * 1e3


def _compute(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(1_000))


@contextmanager
def _coherence(_effort: Effort, servers: Servers) -> Iterator[Mapping[str, Contender]]:
    with as_client(servers) as url:
        spawn = multiprocessing.get_context("spawn")
        (orders, to_do), (done, told) = spawn.Pipe(), spawn.Pipe()
        writer = spawn.Process(target=_write, args=(url, to_do, told), daemon=True)
        writer.start()
        try:
            yield {
                name: _Coherence(url, orders, done, share=share, busy=busy)
                for name, share, busy in (
                    ("idle p50", 50, False),
                    ("idle p99", 99, False),
                    ("busy p50", 50, True),
                    ("busy p99", 99, True),
                )
            }
        finally:
            orders.send(None)
            writer.join(10)


BENCHMARKS = (
    Benchmark(
        "cache",
        "Look-up of a function in a cached shared registry, against a local one",
        "ns",
        (
            ratio("cached get", "local get", at_most(1.2)),
            ratio("cached get of a JSON object", "local get"),
        ),
        _lookups,
        slices=10,
    ),
    Benchmark(
        "coherence",
        "From the answer to another's write until a cached look-up shows it, beside no or one busy thread",
        "ms",
        (
            figure("idle p50", "ms"),
            figure("idle p99", "ms", at_most(10)),
            figure("busy p50", "ms"),
            figure("busy p99", "ms", at_most(50)),
        ),
        _coherence,
    ),
)
