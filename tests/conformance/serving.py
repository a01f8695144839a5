"""The reference over HTTP: a thread for each connection, on a free port of loopback."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.conformance.reference import Reference, Request, Response


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    reference: Reference

    def _serve(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        unread = [length]

        def read_body() -> bytes:
            unread[0] = 0
            return self.rfile.read(length)

        path, _, query = self.path.partition("?")
        fields = {name.lower(): ", ".join(self.headers.get_all(name, ())) for name in self.headers}
        response = self.reference.answer(Request(self.command, path, query, fields, read_body))
        if unread[0]:
            self._drop_body(unread[0])
        self._send(response)

    def _drop_body(self, length: int) -> None:
        """A small body that nobody wanted is read past; after a large one the connection ends."""
        if length <= 1 << 20:
            self.rfile.read(length)
        else:
            self.close_connection = True

    def _send(self, response: Response) -> None:
        body = response.body
        raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        fields = {"content-type": "application/json", **response.fields}
        if body is None:
            del fields["content-type"]
        self.send_response_only(response.status)
        for name, value in fields.items():
            self.send_header(name, value)
        if response.status != 304:
            self.send_header("content-length", str(len(raw)))
        if self.close_connection:
            self.send_header("connection", "close")
        self._headers_buffer.append(b"\r\n")  # type: ignore[attr-defined]  # head and body in one write
        self.wfile.write(b"".join(self._headers_buffer) + raw)  # type: ignore[attr-defined]
        self._headers_buffer = []

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none; anything else fails the check that meets it."""


@contextmanager
def serving(reference: Reference, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server that is ``reference``; on https with ``tls``."""
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"reference": reference}))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
