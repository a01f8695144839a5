"""A connection of its own to a server, for requests that wait: whoever waits can be interrupted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

import httpcore

from registry.errors import ServerUnreachableError
from registry.storage.connection import PAGE_ENTRIES, Address, Body, Connection
from registry.storage.deadline import DeadlineBackend
from registry.storage.http import RegistryHttpClient, Transport
from registry.storage.servers import Servers
from registry_client.api.entries import list_items
from registry_client.api.watch import watch_namespace, watch_namespaces
from registry_client.types import UNSET

MARGIN_SECONDS: Final = 5.0
"""How much longer than it was asked to wait a server may take before it counts as gone."""


class Line(Connection):
    """A server, or several of one store: one thread waits for it, and others may end the wait.

    Every call has a deadline, given by `timeout`.

    Args:
        address: the server's; looked up in the environment when this is made, and kept.
    """

    def __init__(self, address: Address, token: str | None = None) -> None:
        super().__init__(Address(url=Connection(address).servers.text), token)
        self.seconds = MARGIN_SECONDS
        self._network = _InterruptibleBackend()
        self._transports: dict[str, Transport] = {}

    @property
    def timeout(self) -> float:
        """Seconds that the next call may take."""
        return self.seconds

    def http_client(self, servers: Servers) -> RegistryHttpClient:
        return RegistryHttpClient(
            servers,
            timeout=lambda: self.seconds,
            token=self._current_token,
            transport=self._transport,
            waits=True,
            sleep=self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        if self._network.interrupted.wait(seconds):
            raise ServerUnreachableError(
                f"The wait for registry server {self.url} was interrupted",
                suggestions=["ask again"],
                context={"server": self.servers.text},
            )

    def _transport(self, url: str) -> Transport:
        if url not in self._transports:
            self._transports[url] = Transport(url, self._network)
        return self._transports[url]

    def page(self, namespace: str, page: str | None) -> dict[str, Any]:
        """A page of a namespace's entries, with their values."""
        return self.raw(list_items, namespace, limit=PAGE_ENTRIES, page=UNSET if page is None else page)

    def watch_many(self, cursors: Mapping[str, str], wait: int) -> dict[str, Any]:
        """The answer of ``POST /watch``."""
        return self.raw(watch_namespaces, body=Body(cursors=dict(cursors), wait=wait))

    def watch(self, namespace: str, since: str | None, wait: int) -> dict[str, Any]:
        """The answer of ``GET /registry/{namespace}/watch``."""
        return self.raw(watch_namespace, namespace, since=UNSET if since is None else since, wait=wait)

    def arm(self) -> None:
        """Let calls go through again after `interrupt`."""
        self._network.interrupted.clear()

    def interrupt(self) -> None:
        """End the call under way, and any that comes before `arm`, with an exception."""
        self._network.interrupt()

    def close(self) -> None:
        """Let go of the connections. For the thread that waits, or when it waits no more."""
        for transport in self._transports.values():
            transport.close()


def position(connection: Connection, namespace: str) -> dict[str, Any]:
    """The answer of ``GET /registry/{namespace}/watch`` that tells the cursor of this moment."""
    return connection.raw(watch_namespace, namespace, wait=0)


class _InterruptibleBackend(DeadlineBackend):
    """Connections that another thread can end, whatever they wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupted = threading.Event()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        with self._lock:
            self._sockets.add(stream.get_extra_info("socket"))
            interrupted = self.interrupted.is_set()
        if interrupted:
            stream.close()
            raise httpcore.ConnectError("interrupted")
        return _Interruptible(stream, self)

    def interrupt(self) -> None:
        # Not close(): a thread that waits in recv would not notice, and the number could be another's soon.
        with self._lock:
            self.interrupted.set()
            sockets = list(self._sockets)
        for one in sockets:
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # of the socket, also where TLS is around it


class _Interruptible(httpcore.NetworkStream):
    """A stream that begins nothing new once it is interrupted: what waits already is woken by the socket."""

    def __init__(self, stream: httpcore.NetworkStream, backend: _InterruptibleBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._backend.interrupted.is_set():
            raise httpcore.WriteError("interrupted")
        self._stream.write(buffer, timeout)

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        with self._backend._lock:
            self._backend._sockets.add(stream.get_extra_info("socket"))
        return _Interruptible(stream, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()
