"""Servers that do what no registry server does: a socket, a thread, and a script of misbehaviour."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

ETAG = "e.7"


class Request(NamedTuple):
    """A request as it came; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Exchange:
    """One request, and the connection to answer it on."""

    def __init__(self, connection: socket.socket, request: Request, closing: threading.Event) -> None:
        self.connection = connection
        self.request = request
        self.closing = closing

    def send(self, raw: bytes) -> None:
        self.connection.sendall(raw)

    def answer(
        self, status: int, body: bytes = b"", *headers: str, content: str = "application/json"
    ) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", f"Content-Type: {content}", *headers]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def reset(self) -> None:
        """End the connection with RST, so that the peer sees it reset and not closed."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def drip(self, raw: bytes, *, seconds: float) -> None:
        """Send one byte each ``seconds`` until the peer or the test has enough."""
        for byte in raw:
            if self.closing.wait(seconds):
                return
            self.send(bytes([byte]))


Answering = Callable[[Exchange], None]


class BadServer:
    """Treats its first request as the first of ``script`` says, and so on; the last of it stays."""

    def __init__(self, script: Sequence[Answering], *, port: int = 0) -> None:
        self.requests: list[Request] = []
        self._script = script
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop, and wait for every thread: none outlives its test."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(0.1)
        with connection, suppress(OSError):
            while (request := self._read(connection)) is not None:
                self.requests.append(request)
                answering = self._script[min(len(self.requests), len(self._script)) - 1]
                connection.settimeout(10)
                answering(Exchange(connection, request, self._closing))
                connection.settimeout(0.1)

    def _read(self, connection: socket.socket) -> Request | None:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += self._receive(connection)
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)):
            body += self._receive(connection)
        return Request(method, target, headers, body)

    def _receive(self, connection: socket.socket) -> bytes:
        while not self._closing.is_set():
            try:
                part = connection.recv(65_536)
            except TimeoutError:
                continue
            if not part:
                break
            return part
        raise ConnectionError("nobody asks any more")


# ---- ways of answering


def answers(status: int, body: Any = b"", *headers: str, content: str = "application/json") -> Answering:
    """A whole answer; ``body`` as JSON unless it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda exchange: exchange.answer(status, raw, *headers, content=content)


def problem(status: int, code: str, **members: Any) -> Answering:
    document = {"type": f"/problems/{code}", "title": "X", "status": status, "detail": f"It is {code}."}
    return answers(status, {**document, "code": code, **members}, content="application/problem+json")


def entry(envelope: Any, **members: Any) -> dict[str, Any]:
    """The body of a good answer to ``get``."""
    return {
        "value": envelope,
        "revision": 7,
        "etag": ETAG,
        "digest": "sha256:" + "0" * 64,
        "updated_at": "2026-01-01T00:00:00.000Z",
        "cursor": ETAG,
        **members,
    }


def json_envelope(value: Any) -> dict[str, str]:
    return {"type": "json", "data": json.dumps(value), "encoding": "json"}


def stored(digest: str = "sha256:" + "0" * 64) -> dict[str, Any]:
    """The body of a good answer to ``set``."""
    return {
        "status": "success",
        "outcome": "created",
        "key": "mse",
        "revision": 7,
        "etag": ETAG,
        "digest": digest,
        "cursor": ETAG,
    }


def resets(exchange: Exchange) -> None:
    exchange.reset()


def stays_silent(exchange: Exchange) -> None:
    exchange.closing.wait()
