"""Load balancers in front of servers on loopback: HAProxy, as ``docs/deploy`` sets it up, and one of ours."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import threading
from contextlib import suppress
from itertools import cycle
from pathlib import Path

from tests.server.processes import ROOT

DEPLOY = ROOT / "docs" / "deploy"
INSTALL = "HAProxy is not installed, and this test is about it: apt-get install haproxy"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StandIn:
    """Gives each connection to the next server that accepts one, and ends it with that server's.

    It knows no HTTP: to its clients a killed server is a connection that breaks off.
    """

    def __init__(self, ports: list[int]) -> None:
        self.port = 0
        self._turn = cycle(ports)
        self._count = len(ports)
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> StandIn:
        self._thread.start()
        assert self._listening.wait(30)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with asyncio.TaskGroup() as connections:

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writers.append(writer)
                opened.append(connections.create_task(self._connected(reader, writer)))

            writers: list[asyncio.StreamWriter] = []
            opened: list[asyncio.Task[None]] = []
            server = await asyncio.start_server(accept, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._listening.set()
            await self._stop.wait()
            server.close()
            for task in opened:
                task.cancel()
        for writer in writers:  # also of those that were cancelled before they began
            writer.transport.abort()
        await asyncio.sleep(0)  # which is when their sockets are closed

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await self._connect()
        both = [writer] if behind is None else [writer, behind[1]]
        try:
            if behind is not None:
                ways = {
                    asyncio.ensure_future(_copy(reader, behind[1])),
                    asyncio.ensure_future(_copy(behind[0], writer)),
                }
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
        finally:
            for one in both:
                one.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in range(self._count):
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", next(self._turn))
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()


class HaProxy:
    """HAProxy with the configuration of ``docs/deploy``; only its addresses are others."""

    process: subprocess.Popen[bytes]

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.port = free_port()
        self._folder = folder
        self._ports = ports

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> HaProxy:
        program = haproxy()
        file = self._folder / "haproxy.cfg"
        file.write_text(on_loopback((DEPLOY / "haproxy.cfg").read_text(), self.port, self._ports))
        with (self._folder / "haproxy.log").open("wb") as log:
            self.process = subprocess.Popen([program, "-db", "-f", file], stdout=log, stderr=log)
        until_listening(self.port, self.process, self._folder / "haproxy.log")
        return self

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once somebody listens; a failure with the log where the process has ended."""
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            raise AssertionError(log.read_text())


def haproxy() -> str:
    """The program; a failure that says how to install it."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    assert program, INSTALL
    return program


def on_loopback(configuration: str, port: int, servers: list[int]) -> str:
    """A configuration of ``docs/deploy`` with the documented addresses replaced, and no more."""
    left = iter(servers)
    found, count = re.subn(
        r"\b10\.0\.0\.1\d:8001\b", lambda _: f"127.0.0.1:{next(left)}", configuration, count=len(servers)
    )
    assert count == len(servers)
    return found.replace("*:8001", f"127.0.0.1:{port}")
