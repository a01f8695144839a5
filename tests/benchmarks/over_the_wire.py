"""Our server against bare frameworks: the same uvicorn, the same core, the same requests over loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from tests.benchmarks import traffic
from tests.benchmarks.load import generate
from tests.benchmarks.measure import Benchmark, Contender, Effort, at_least, ratio
from tests.benchmarks.servers import Servers

_ALL = ("memory", "tokens", "sqlite", "starlette", "bare")


@contextmanager
def _contenders(
    effort: Effort,
    servers: Servers,
    *,
    names: tuple[str, ...],
    requests: Callable[[str, str | None], list[bytes]],
    connections: int,
) -> Iterator[Mapping[str, Contender]]:
    def contender(name: str) -> Contender:
        url = servers.url(name)
        token = servers.token if name == "tokens" else None
        traffic.fill(url, token)
        return under_load(effort, servers, name, requests(url, token), connections=connections)

    yield {name: contender(name) for name in names}


def under_load(
    effort: Effort, servers: Servers, name: str, requests: list[bytes], *, connections: int
) -> Contender:
    """Requests that a server answers in a second, or in a second of its own computing."""

    def measure(seconds: float) -> float:
        before = servers.cpu_seconds(name) if effort.clock == "cpu" else 0.0
        answers, spent = generate(
            servers.url(name), requests, connections=connections, seconds=seconds, generator=effort.load
        )
        return answers / (servers.cpu_seconds(name) - before if effort.clock == "cpu" else spent)

    return measure


BENCHMARKS = (
    Benchmark(
        "wire-get",
        "GET of a small value over the wire, 8 connections, every request validated",
        "requests/s",
        (
            ratio("memory", "starlette", at_least(1.2)),
            ratio("memory", "bare", at_least(0.8)),
            ratio("tokens", "memory", at_least(0.95)),
            ratio("sqlite", "starlette"),
        ),
        partial(_contenders, names=_ALL, requests=traffic.gets, connections=8),
    ),
    Benchmark(
        "wire-set",
        "SET of a small value over the wire, 8 connections, every request validated",
        "requests/s",
        (
            ratio("memory", "starlette", at_least(1.3)),
            ratio("memory", "bare"),
            ratio("tokens", "memory", at_least(0.95)),
            ratio("sqlite", "starlette"),
        ),
        partial(_contenders, names=_ALL, requests=traffic.sets, connections=8),
    ),
    Benchmark(
        "wire-set-64",
        "SET at 64 connections: durable against in memory",
        "requests/s",
        (ratio("sqlite", "memory", at_least(0.5)),),
        partial(_contenders, names=("memory", "sqlite"), requests=traffic.sets, connections=64),
    ),
)
