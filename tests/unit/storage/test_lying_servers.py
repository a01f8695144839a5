"""Whatever a server answers, the caller sees an error of `registry.errors`, or a value."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from registry import FunctionalRegistry, SchemeRegistry, ValidationError
from registry.storage.server import RegistryServer

ROUNDS = 25
"""Answers that are falsified for each call."""

VALUES = (None, True, -1, 7, 1.5, "", "x", "\x1b[31m\u202e", [], [1], {}, {"x": 1}, "9" * 300, [[]] * 3)

KEYS = ("config", "mse", "champion", "missing")


def mse(a: float, b: float) -> float:
    return (a - b) ** 2


class Liar:
    """Passes requests on to a real server, and falsifies one thing in each answer."""

    def __init__(self, behind: str) -> None:
        self.random = random.Random(0)
        self._behind = httpx.Client(base_url=behind)
        liar = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fields = {
                    n: v for n, v in self.headers.items() if n.lower() not in ("host", "content-length")
                }
                real = liar._behind.request(self.command, self.path, headers=fields, content=body)
                status, headers, raw = liar.falsified(real)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                if status not in (204, 304):
                    self.wfile.write(raw)

            do_GET = do_POST = do_PUT = do_DELETE = _answer

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._behind.close()

    def falsified(self, real: httpx.Response) -> tuple[int, dict[str, str], bytes]:
        status, raw = real.status_code, real.content
        headers = {n: v for n, v in real.headers.items() if n in ("content-type", "etag")}
        way = self.random.choice(("field",) * 7 + ("status", "header", "text"))
        if way == "status":
            status = self.random.choice((200, 201, 204, 304, 400, 401, 404, 409, 412, 413, 418, 500))
        elif way == "header":
            name = self.random.choice(("content-type", "etag"))
            headers[name] = self.random.choice(("", "text/html", '"', "W/x", "application/json; charset=x"))
        elif way == "text" or not raw:
            raw = self.random.choice((b"", b"null", b"[]", b"{", b"\xff", b'"x"', b"[" * 3_000, b"1e999"))
        else:
            try:
                document = json.loads(raw)
            except ValueError:
                return status, headers, raw
            raw = json.dumps(self._changed(document)).encode()
        return status, headers, raw

    def _changed(self, document: Any) -> Any:
        places: list[tuple[Any, Any]] = []

        def visit(part: Any) -> None:
            for key in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
                places.append((part, key))
                visit(part[key])

        visit(document)
        if not places:
            return self.random.choice(VALUES)
        part, key = self.random.choice(places)
        if self.random.random() < 0.3:
            del part[key]
        else:
            part[key] = self.random.choice(VALUES)
        return document


@pytest.fixture
def liar(live_server_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Liar]:
    monkeypatch.setenv("REGISTRY_SERVER_TIMEOUT", "2")

    class Honest(FunctionalRegistry, logic_namespace="unit.lies", server=live_server_url):
        pass

    class Configs(SchemeRegistry, logic_namespace="unit.lies", server=live_server_url):
        pass

    Honest.register_artifact("mse", mse)
    Configs.register_artifact("config", {"lr": 0.1})
    Honest.move_alias("champion", "mse")
    liar = Liar(live_server_url)
    yield liar
    liar.close()


def watched(registry: Any) -> None:
    with registry.changes(timeout=0.05) as changes:
        for _ in changes:
            break


async def awaited_items(registry: Any) -> list[Any]:
    return [item async for item in registry.aitems()]


CALLS: dict[str, Callable[[Any], Any]] = {
    "get": lambda r: [r.get_artifact(key) for key in KEYS],
    "get with a default": lambda r: [r.get_artifact(key, None) for key in KEYS],
    "get many": lambda r: r._repository.get_many(KEYS),
    "get many again": lambda r: [r._repository.get_many(KEYS) for _ in range(3)],
    "prefetch": lambda r: r.prefetch(KEYS),
    "items": lambda r: list(r.items()),
    "iterate": list,
    "in": lambda r: ["mse" in r, "missing" in r],
    "len": len,
    "register": lambda r: r.register_artifact("new", mse),
    "register again": lambda r: r.register_artifact("mse", mse),
    "update": lambda r: r.update_artifact("mse", mse),
    "unregister": lambda r: r.unregister_identifier("new"),
    "move alias": lambda r: r.move_alias("champion", "mse"),
    "get alias": lambda r: r.get_alias("champion"),
    "versions": lambda r: r.versions("mse"),
    "publish": lambda r: r.publish_version("mse", mse),
    "describe": lambda r: r.describe(),
    "explain": lambda r: [str(r.explain(key)) for key in KEYS],
    "deprecate": lambda r: r.deprecate("mse", reason="old"),
    "batch": lambda r: r.safe_register_batch({"a": mse, "b": mse}),
    "watch": watched,
    "awaited get": lambda r: asyncio.run(r.aget_artifact("mse")),
    "awaited items": lambda r: asyncio.run(awaited_items(r)),
    "awaited list": lambda r: asyncio.run(r.alist_identifiers()),
    "awaited register": lambda r: asyncio.run(r.aregister_artifact("mse", mse)),
    "namespaces": lambda r: list(RegistryServer(r._repository._connection.url).namespaces()),
    "capabilities": lambda r: RegistryServer(r._repository._connection.url).capabilities(),
    "stats": lambda r: RegistryServer(r._repository._connection.url).stats(),
    "ready": lambda r: RegistryServer(r._repository._connection.url).ready(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_false_answer_is_an_error_of_ours_or_a_value(call: Callable[[Any], Any], liar: Liar) -> None:
    for seed in range(ROUNDS):
        liar.random.seed(seed)

        class Registry(FunctionalRegistry, logic_namespace="unit.lies", server=liar.url):
            pass

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken and deprecated entries
            try:
                call(Registry)
            except ValidationError as error:
                assert str(error).replace("\n", "").isprintable(), seed
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
