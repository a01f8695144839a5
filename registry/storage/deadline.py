"""One deadline for all the network steps of a call.

httpx bounds each step: a server that sends a byte now and then, or interim answers without end, keeps a call
going for as long as it likes. Below httpx's pool every read and write gets only the time that the call has
left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore


class _Current(threading.local):
    """When the call that this thread is making has to be over; a call stays on its thread."""

    deadline: float = float("inf")


_current = _Current()


def set_deadline(deadline: float) -> None:
    """From now on the network steps of this thread end at ``deadline``, of `time.monotonic`."""
    _current.deadline = deadline


def _left() -> float | None:
    left = _current.deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the timeout of the whole call has passed")
    return None if left == float("inf") else left


class DeadlineBackend(httpcore.NetworkBackend):
    """Connections whose every step ends at its thread's deadline."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._backend.connect_tcp(host, port, timeout, local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Not the stream's own write: it gives the same time to each of its sends.
        socket = self._stream.get_extra_info("socket")
        rest = memoryview(buffer)
        try:
            while rest:
                socket.settimeout(_left())
                rest = rest[socket.send(rest) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left()  # of the call; what is given is for the whole handshake
        given = left if timeout is None or (left is not None and left < timeout) else timeout
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, given))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()
