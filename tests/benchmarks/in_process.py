"""What a request costs our server itself: its ASGI application called directly, no uvicorn, no socket."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from typing import Any

from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from tests.benchmarks import traffic
from tests.benchmarks.machine import BenchmarkError
from tests.benchmarks.measure import Benchmark, Contender, Effort, figure, ratio
from tests.benchmarks.peers.asgi import App, bare_asgi, plain_starlette
from tests.benchmarks.servers import Servers

_CALLS = 200
"""Requests whose scopes are made before a stretch is timed: making them is uvicorn's work."""

Fields = tuple[tuple[bytes, bytes], ...]
MakeScope = Callable[[], dict[str, Any]]


@contextmanager
def _contenders(effort: Effort, _servers: Servers) -> Iterator[Mapping[str, Contender]]:
    logging.getLogger("connexion").setLevel(logging.ERROR)  # as our command line does
    backend = MemoryBackend()
    _finish(backend.open())
    caller = partial(_Caller, effort)
    product = create_app(ServerSettings(), backend)
    starlette, bare = plain_starlette(), bare_asgi()
    for app in (product, starlette, bare):
        caller(app, _post(), 200, key="read").call()
    version = f'"{backend.epoch}.1"'.encode()
    yield {
        "GET": caller(product, _get(), 200),
        "GET starlette": caller(starlette, _get(), 200),
        "GET bare": caller(bare, _get(), 200),
        "SET": caller(product, _post(), 200),
        "SET starlette": caller(starlette, _post(), 200),
        "SET bare": caller(bare, _post(), 200),
        "304": caller(product, _get(version), 304),
        "404": caller(product, _get(key=b"nobody"), 404),
    }


def _scope(method: str, path: str, query: bytes, fields: Fields) -> MakeScope:
    host = ((b"host", b"127.0.0.1:8001"), (b"user-agent", b"benchmark"), (b"accept", b"*/*"))
    return lambda: {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8001),
        "client": ("127.0.0.1", 50_000),
        "scheme": "http",
        "root_path": "",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [*host, *fields],
        "state": {},
    }


def _get(version: bytes | None = None, key: bytes = b"read") -> MakeScope:
    fields: Fields = () if version is None else ((b"if-none-match", version),)
    return _scope("GET", traffic.GET_PATH, b"key=" + key, fields)


def _post() -> MakeScope:
    length = b"%d" % len(traffic.body("written", 1))
    fields = ((b"content-type", b"application/json"), (b"content-length", length))
    return _scope("POST", traffic.SET_PATH, b"", fields)


class _Caller:
    """Calls an application; a `Contender` that gives microseconds per call.

    Nothing in these applications waits, so a call runs to its end without an event loop.
    """

    def __init__(
        self, effort: Effort, app: App, make_scope: MakeScope, expected: int, key: str = "written"
    ) -> None:
        self._effort = effort
        self._app = app
        self._make_scope = make_scope
        self._expected = expected
        self._bodies = cycle([traffic.body(key, 1), traffic.body(key, 2)])
        self._sent: list[dict[str, Any]] = []

    def __call__(self, seconds: float) -> float:
        calls, spent = 0, 0.0
        while spent < seconds:
            scopes = [self._make_scope() for _ in range(_CALLS)]
            started = self._effort.time()
            for scope in scopes:
                _finish(self._app(scope, self._receive, self._send))  # type: ignore[arg-type]
            spent += self._effort.time() - started
            calls += _CALLS
            self._check()
        return spent / calls * 1e6

    def call(self) -> None:
        _finish(self._app(self._make_scope(), self._receive, self._send))  # type: ignore[arg-type]
        self._check()

    def _check(self) -> None:
        status = self._sent[0]["status"]
        self._sent.clear()
        if status != self._expected:
            raise BenchmarkError(f"answered {status}, not {self._expected}")

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": next(self._bodies), "more_body": False}

    async def _send(self, message: dict[str, Any]) -> None:
        self._sent.append(message)


def _finish(call: Coroutine[Any, Any, object]) -> None:
    try:
        call.send(None)
    except StopIteration:
        return
    raise BenchmarkError("a call waited for something")


BENCHMARKS = (
    Benchmark(
        "in-process",
        "One request to the ASGI application itself, memory storage",
        "µs a call",
        (
            ratio("GET", "GET starlette"),
            ratio("GET", "GET bare"),
            ratio("SET", "SET starlette"),
            ratio("SET", "SET bare"),
            figure("304", "µs"),
            figure("404", "µs"),
        ),
        _contenders,
        slices=10,
    ),
)
