"""Servers that are none, or are not what they say: one canned behaviour each, on a socket."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[socket.socket], None]


def answers(status: str, body: str, *fields: str) -> Behaviour:
    """The same answer to whatever comes."""
    head = "\r\n".join([f"HTTP/1.1 {status}", *fields, f"content-length: {len(body)}", "connection: close"])

    def behave(client: socket.socket) -> None:
        client.recv(65_536)
        client.sendall(f"{head}\r\n\r\n{body}".encode())

    return behave


def hangs(client: socket.socket) -> None:
    """Reads, and never says a word."""
    while client.recv(65_536):
        pass


def drips(client: socket.socket) -> None:
    """Answers a byte at a time, and never comes to an end."""
    client.recv(65_536)
    client.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10000\r\n\r\n")
    while True:
        client.sendall(b" ")
        time.sleep(0.05)


def drips_fields(client: socket.socket) -> None:
    """Never comes to the end of its header fields."""
    client.recv(65_536)
    client.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        client.sendall(b"x")
        time.sleep(0.05)


def resets(client: socket.socket) -> None:
    """Closes with a reset."""
    client.recv(65_536)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def speaks_nonsense(client: socket.socket) -> None:
    """Answers, in no protocol."""
    client.recv(65_536)
    client.sendall(b"220 mail.example ESMTP\r\n")


@contextmanager
def listening(behave: Behaviour) -> Iterator[str]:
    """The address of a server that behaves so on each connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_one(client: socket.socket) -> None:
        with client, suppress(OSError):
            behave(client)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve_one, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
