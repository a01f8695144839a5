"""The Python client against httpx without anything around it, at our own server with memory storage."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any
from unittest import mock

import httpx

from registry import RemoteStorageProxy
from tests.benchmarks import traffic
from tests.benchmarks.machine import LOAD_CORES, pinned
from tests.benchmarks.measure import Benchmark, Contender, Effort, at_least, at_most, figure, ratio
from tests.benchmarks.servers import Servers, environment

_ENTRIES = 1_000


@contextmanager
def as_client(servers: Servers) -> Iterator[str]:
    """The server's URL; in the block this process is its client, on another core, with a key of its own."""
    url = servers.url("memory")
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="registry-bench-"))
        own = environment() | {"XDG_CONFIG_HOME": directory}
        stack.enter_context(mock.patch.dict(os.environ, own, clear=True))
        stack.enter_context(pinned(LOAD_CORES))
        yield url


@contextmanager
def _single(effort: Effort, servers: Servers) -> Iterator[Mapping[str, Contender]]:
    with as_client(servers) as url, httpx.Client(base_url=url, trust_env=False) as client:
        proxy: RemoteStorageProxy[Any] = RemoteStorageProxy(traffic.NAMESPACE, url=url)
        proxy["value"] = {"result": 42}
        proxy["function"] = json.dumps
        proxy["function"]  # decoded once; from here on each read asks whether it is still the version we hold
        version = {"If-None-Match": f'"{proxy.entry("function").etag}"'}
        yield {
            "get": repeated(effort, lambda: proxy["value"]),
            "get by httpx": repeated(effort, lambda: _get(client, "value")),
            "revalidated get": repeated(effort, lambda: proxy["function"]),
            "revalidated get by httpx": repeated(effort, lambda: _revalidate(client, "function", version)),
        }


def _get(client: httpx.Client, key: str) -> Any:
    return client.get(traffic.GET_PATH, params={"key": key}).json()


def _revalidate(client: httpx.Client, key: str, version: dict[str, str]) -> int:
    return client.get(traffic.GET_PATH, params={"key": key}, headers=version).status_code


def repeated(effort: Effort, call: Callable[[], object]) -> Contender:
    """Microseconds a call takes."""

    def measure(seconds: float) -> float:
        calls, started = 0, effort.time()
        while (spent := effort.time() - started) < seconds or not calls:
            call()
            calls += 1
        return spent / calls * 1e6

    return measure


@contextmanager
def _batches(effort: Effort, servers: Servers) -> Iterator[Mapping[str, Contender]]:
    with as_client(servers) as url:
        proxy: RemoteStorageProxy[Any] = RemoteStorageProxy("bench.batch", url=url)
        numbers = count()

        def send() -> None:
            number = next(numbers)  # other values each time: equal ones would change nothing
            proxy.update({f"key{index}": {"result": index, "number": number} for index in range(_ENTRIES)})

        def fetch() -> None:
            assert len(dict(proxy.items())) == _ENTRIES

        send()
        yield {"in": _entries_a_second(effort, send), "out": _entries_a_second(effort, fetch)}


def _entries_a_second(effort: Effort, batch: Callable[[], None]) -> Contender:
    microseconds = repeated(effort, batch)
    return lambda seconds: _ENTRIES / microseconds(seconds) * 1e6


BENCHMARKS = (
    Benchmark(
        "client",
        "One entry through RemoteStorageProxy, against plain httpx doing the same request",
        "µs",
        (
            ratio("get", "get by httpx", at_most(1.1)),
            ratio("revalidated get", "get", at_most(1.0)),
            ratio("revalidated get", "revalidated get by httpx"),
        ),
        _single,
        slices=5,
    ),
    Benchmark(
        "client-batch",
        f"{_ENTRIES:,} small entries in one call of the Python client: update, and items",
        "entries/s",
        (
            figure("in", "entries/s", at_least(40_000)),
            figure("out", "entries/s", at_least(70_000)),
        ),
        _batches,
        slices=3,
    ),
)
