"""Many who wait: how soon a write reaches all long polls, what they cost, what others notice of them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import quantiles
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import uvloop

from tests.benchmarks import traffic
from tests.benchmarks.machine import LOAD_CORES, BenchmarkError, pinned
from tests.benchmarks.measure import Benchmark, Contender, Effort, Question, at_most, figure
from tests.benchmarks.servers import Servers, Serving

COUNTS = (10, 100, 1_000, 2_000, 10_000)
_TARGETED = 2_000
_PATIENCE = 60.0
_WAIT = 55
"""Seconds, the longest there is: no poll ends by itself while it is measured."""

_AT_ONCE = 64
"""Connections being made at a time, below the backlog of a listening socket."""

_HEALTH_BEFORE = 20


class _Once(asyncio.Protocol):
    """A kept-alive connection: one request, the moment of its whole answer, and the next."""

    def __init__(self) -> None:
        self._received = b""
        self.answered: asyncio.Future[tuple[float, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by isinstance
        self._closed = asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        self.transport.abort()
        await self._closed

    def send(self, request: bytes) -> asyncio.Future[tuple[float, bytes]]:
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answered

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _CONTENT_LENGTH.search(head)
        if separator and length and len(body) >= int(length[1]):
            assert self.answered is not None
            self.answered.set_result((time.perf_counter(), self._received))
            self._received = b""

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(BenchmarkError("the server closed a connection that waited"))


_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


class _Crowd:
    """Watchers of one namespace at one server, and what a write does to them."""

    def __init__(self, server: Serving) -> None:
        address = urlsplit(server.url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._netloc = address.netloc
        self._server = server
        self._at_first = server.resident_bytes()
        self._numbers = 0

    async def measure(self, watchers: int) -> dict[str, float]:
        """Seconds and bytes: how one write reaches all, and what they hold while they wait."""
        loop = asyncio.get_running_loop()
        _, writer = await loop.create_connection(_Once, self._host, self._port)
        _, prober = await loop.create_connection(_Once, self._host, self._port)
        polls = await self._gather(watchers)
        try:
            cursor = await self._write(writer)
            waiting = [poll.send(self._get(f"/watch?since={cursor}&wait={_WAIT}")) for poll in polls]
            await self._settled(prober, watchers)
            held = self._server.resident_bytes() - self._at_first
            probes = [await self._probed(prober) for _ in range(_HEALTH_BEFORE)]
            before = self._server.on_cpu_seconds()
            late, during = await self._told(writer, prober, waiting)
            computed = self._server.on_cpu_seconds() - before
        finally:
            await asyncio.gather(*[connection.close() for connection in (*polls, writer, prober)])
        return {
            "p50": _share(late, 50),
            "p99": _share(late, 99),
            "all": max(late),
            "computing": computed,
            "health p99": _share(probes + during, 99),
            "bytes each": held / watchers,
        }

    async def _gather(self, watchers: int) -> list[_Once]:
        loop = asyncio.get_running_loop()
        polls: list[_Once] = []
        while len(polls) < watchers:
            some = min(_AT_ONCE, watchers - len(polls))
            made = [loop.create_connection(_Once, self._host, self._port) for _ in range(some)]
            polls += [protocol for _, protocol in await asyncio.gather(*made)]
        return polls

    async def _settled(self, prober: _Once, watchers: int) -> None:
        """Until the server says that all of them wait."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            _, answer = await prober.send(self._request("GET /metrics"))
            said = re.search(rb"^registry_watchers (\S+)$", answer, re.MULTILINE)
            if said and float(said[1]) >= watchers:
                return
            if time.monotonic() > deadline:
                raise BenchmarkError(f"only {said and said[1]!r} of {watchers} watchers came to wait")
            await asyncio.sleep(0.02)

    async def _told(
        self, writer: _Once, prober: _Once, waiting: list[asyncio.Future[tuple[float, bytes]]]
    ) -> tuple[list[float], list[float]]:
        """After a write: how late each watcher was told; and how long /health took meanwhile."""
        sent = time.perf_counter()
        await self._write(writer)
        told = asyncio.gather(*waiting)
        probes = []
        while not told.done():
            probes.append(await self._probed(prober))
        answers = await asyncio.wait_for(told, _PATIENCE)
        if not all(b'"op":"set"' in answer for _, answer in answers):
            raise BenchmarkError("a watcher was told something else than the write")
        return [moment - sent for moment, _ in answers], probes

    async def _probed(self, prober: _Once) -> float:
        started = time.perf_counter()
        moment, _ = await prober.send(self._request("GET /health"))
        return moment - started

    async def _write(self, writer: _Once) -> str:
        self._numbers += 1
        text = traffic.body("value", self._numbers)
        fields = f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        _, answer = await writer.send(self._request(f"POST {traffic.SET_PATH}", fields) + text)
        return str(json.loads(answer.partition(b"\r\n\r\n")[2])["cursor"])

    def _get(self, rest: str) -> bytes:
        return self._request(f"GET /registry/{traffic.NAMESPACE}{rest}")

    def _request(self, line: str, fields: str = "") -> bytes:
        return f"{line} HTTP/1.1\r\nHost: {self._netloc}\r\n{fields}\r\n".encode()


def _share(numbers: list[float], percent: int) -> float:
    return quantiles(numbers, n=100, method="inclusive")[percent - 1] if len(numbers) > 1 else numbers[0]


class Several:
    """Contenders that one measurement answers together: it is made for the first that asks in a round."""

    def __init__(self, measure: Callable[[], Mapping[str, float]]) -> None:
        self._measure = measure
        self._left: dict[str, float] = {}

    def contender(self, name: str) -> Contender:
        def answer(_seconds: float) -> float:
            if name not in self._left:
                self._left = dict(self._measure())
            return self._left.pop(name)

        return answer


_FIGURES: Mapping[str, float] = {
    **dict.fromkeys(("p50", "p99", "all", "computing", "health p99"), 1e3),
    "bytes each": 1 / 1_024,
}
"""What is told of each crowd, and what makes milliseconds and KiB of it."""


@contextmanager
def _watchers(effort: Effort, servers: Servers) -> Iterator[Mapping[str, Contender]]:
    def measure() -> Mapping[str, float]:
        # A server for each round: what the crowds before made it allocate would hide what these do.
        with servers.fresh("memory") as server, pinned(LOAD_CORES):
            traffic.fill(server.url)
            _warm(server.url)
            return uvloop.run(_crowds(server, effort.most))

    together = Several(measure)
    yield {
        _name(figure_name, watchers): together.contender(_name(figure_name, watchers))
        for watchers in COUNTS
        for figure_name in _FIGURES
    }


def _name(figure_name: str, watchers: int) -> str:
    return f"{figure_name} at {watchers:,}"


async def _crowds(server: Serving, most: int) -> dict[str, float]:
    """One crowd after the other, each larger: what a smaller one left allocated is a part of its share."""
    crowd = _Crowd(server)
    figures: dict[str, float] = {}
    for watchers in COUNTS:
        measured = await crowd.measure(min(watchers, most))
        figures |= {_name(name, watchers): measured[name] * factor for name, factor in _FIGURES.items()}
    return figures


def _warm(url: str) -> None:
    """What a first request allocates is no watcher's."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        for path in ("/health", "/metrics", f"/registry/{traffic.NAMESPACE}/watch"):
            client.get(path).raise_for_status()


def _asked() -> list[Question]:
    told = f"at {_TARGETED:,}"
    questions: list[Any] = [
        figure(f"p99 {told}", "ms", at_most(300)),
        figure(f"computing {told}", "ms"),
        figure(f"health p99 {told}", "ms", at_most(50)),
        figure(f"bytes each {told}", "KiB", at_most(24)),
    ]
    for watchers in COUNTS:
        questions += [
            figure(f"{name} at {watchers:,}", unit)
            for name, unit in (
                ("p99", "ms"),
                ("computing", "ms"),
                ("health p99", "ms"),
                ("bytes each", "KiB"),
            )
            if watchers != _TARGETED
        ]
    return questions


BENCHMARKS = (
    Benchmark(
        "watchers",
        "One write and all who wait for it on one server process; /health, and memory, meanwhile",
        "ms, KiB",
        tuple(_asked()),
        _watchers,
    ),
)
