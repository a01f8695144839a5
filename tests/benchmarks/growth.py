"""What more entries in a namespace cost: get, set, a listing, and the server's memory while it lists."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx

from registry import RemoteStorageProxy
from tests.benchmarks import traffic
from tests.benchmarks.measure import Benchmark, Contender, Effort, Numbers, Question, at_most, figure
from tests.benchmarks.over_the_wire import under_load
from tests.benchmarks.remote_client import as_client
from tests.benchmarks.servers import Servers, Serving
from tests.benchmarks.watchers import Several

SIZES = (10, 100, 1_000, 10_000, 100_000)
LISTED = SIZES[2:]
STORAGES = ("memory", "sqlite")
_PAGE = 1_000
_KEYS = 64


def _name(storage: str, what: str, size: int) -> str:
    return f"{storage}: {what} at {size:,}"


@contextmanager
def _growth(effort: Effort, servers: Servers) -> Iterator[Mapping[str, Contender]]:
    contenders: dict[str, Contender] = {}
    for storage in STORAGES:
        url = servers.url(storage)
        for size in SIZES:
            namespace, entries = f"bench.growth{size}", min(size, effort.most)
            with as_client(servers):
                _fill(url, namespace, entries)
            keys = [f"key{number * entries // _KEYS}" for number in range(_KEYS)]  # all over the namespace
            for what, requests in (("get", traffic.gets), ("set", traffic.sets)):
                prepared = requests(url, keys=keys, namespace=namespace)
                measure = under_load(effort, servers, storage, prepared, connections=8)
                contenders[_name(storage, what, size)] = partial(_microseconds, measure)
    yield contenders


def _microseconds(rate: Contender, seconds: float) -> float:
    return 1e6 / rate(seconds)


def _fill(url: str, namespace: str, size: int) -> None:
    proxy = RemoteStorageProxy[Any](namespace, url=url, timeout=60)
    for start in range(0, size, _PAGE * 10):
        proxy.update({f"key{n}": {"result": n} for n in range(start, min(start + _PAGE * 10, size))})


@contextmanager
def _listing(effort: Effort, servers: Servers) -> Iterator[Mapping[str, Contender]]:
    contenders: dict[str, Contender] = {}
    for storage in STORAGES:
        together = Several(_listed(servers, storage, effort.most))
        for size in LISTED:
            for what in ("page", "grown"):
                contenders[_name(storage, what, size)] = together.contender(_name(storage, what, size))
    yield contenders


def _listed(servers: Servers, storage: str, most: int) -> Callable[[], Mapping[str, float]]:
    """Milliseconds a page of keys, and KiB by which turning all of them raised the server's memory."""

    def measure() -> Mapping[str, float]:
        figures: dict[str, float] = {}
        with servers.fresh(storage) as server, as_client(servers):
            for size in LISTED:
                namespace = f"bench.listing{size}"
                _fill(server.url, namespace, min(size, most))
                page, grown = _turned(server, namespace)
                figures |= {_name(storage, "page", size): page, _name(storage, "grown", size): grown}
        return figures

    return measure


def _turned(server: Serving, namespace: str) -> tuple[float, float]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        _turn(client, namespace)  # what the first page allocates, it allocates once
        server.forget_peak()
        before = server.resident_bytes()
        started, pages = time.perf_counter(), 0
        page: str | None = ""
        while page is not None:
            page = _turn(client, namespace, page)
            pages += 1
        spent = time.perf_counter() - started
        return spent / pages * 1e3, (server.peak_bytes() - before) / 1_024


def _turn(client: httpx.Client, namespace: str, page: str = "") -> str | None:
    params: dict[str, Any] = {"limit": _PAGE} | ({"page": page} if page else {})
    answer = client.get(f"/registry/{namespace}/items", params=params)
    following: str | None = json.loads(answer.raise_for_status().content).get("next")
    return following


def _against_a_hundred(storage: str, what: str) -> Question:
    most, few = _name(storage, what, SIZES[-1]), _name(storage, what, 100)

    def answer(numbers: Numbers) -> float:
        return numbers[most] / numbers[few]

    return Question(f"{most} / at 100", "", answer, (at_most(1.1),))


BENCHMARKS = (
    Benchmark(
        "growth",
        f"One request to a namespace of 10 to {SIZES[-1]:,} entries, 8 connections",
        "µs",
        tuple(_against_a_hundred(storage, what) for storage in STORAGES for what in ("get", "set")),
        _growth,
    ),
    Benchmark(
        "listing",
        f"Turning all pages of {_PAGE:,} of a namespace: a page, and by how much the server's memory grew",
        "ms, KiB",
        tuple(
            question
            for storage in STORAGES
            for question in (
                figure(_name(storage, "page", SIZES[-1]), "ms"),
                figure(_name(storage, "grown", SIZES[-1]), "KiB", at_most(8_192)),
            )
        ),
        _listing,
    ),
)
