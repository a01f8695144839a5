"""Load balancers in front of servers on loopback: as ``docs/deploy`` sets them up, and one of ours."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from itertools import cycle
from pathlib import Path

from tests.server.processes import ROOT

DEPLOY = ROOT / "docs" / "deploy"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StandIn:
    """Gives each connection to the next server that accepts one, and ends it with that server's.

    It knows no HTTP: to its clients a killed server is a connection that breaks off.
    """

    name = "TCP"

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

    def counts_on_all(self) -> bool:
        return True

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


class Program(ABC):
    """A balancer's own program with its configuration of ``docs/deploy``; only its addresses are others.

    Attributes:
        name: of the program.
        port: where it listens.
    """

    name: str
    process: subprocess.Popen[bytes]

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.port = free_port()
        self._folder = folder
        self._ports = ports

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Program:
        with self.log.open("wb") as log:
            command = [program(self.name), *self._options()]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until_listening(self.port, self.process, self.log)
        return self

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def counts_on_all(self) -> bool:
        """Whether there is no server that it would rather not ask."""
        return True

    @property
    def log(self) -> Path:
        return self._folder / f"{self.name}.log"

    @abstractmethod
    def _options(self) -> list[str | Path]: ...

    def _configuration(self, file: str) -> str:
        return on_loopback((DEPLOY / file).read_text(), self.port, self._ports)


class HaProxy(Program):
    name = "haproxy"

    def _options(self) -> list[str | Path]:
        file = self._folder / "haproxy.cfg"
        file.write_text(self._configuration(file.name))
        return ["-db", "-f", file]

    def counts_on_all(self) -> bool:
        said = dict(re.findall(r"Server registry/(\w+) is (UP|DOWN)", self.log.read_text()))
        return "DOWN" not in said.values()


class Nginx(Program):
    name = "nginx"

    def _options(self) -> list[str | Path]:
        file = self._folder / "nginx.conf"
        file.write_text(self._configuration(file.name).replace("http {", f"http {{\n{self._places()}", 1))
        return ["-e", "stderr", "-g", f"daemon off; pid {self._folder}/pid;", "-c", file]

    def _places(self) -> str:
        """Where it keeps what is large: not where an installed one does, which is root's."""
        kinds = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
        return "".join(f"    {kind}_temp_path {self._folder}/{kind};\n" for kind in kinds)


def until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once somebody listens; a failure with the log where the process has ended."""
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            raise AssertionError(log.read_text())


def program(name: str) -> str:
    """Where it is; a failure that says how to install it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    assert found, f"{name} is not installed, and this test is about it: apt-get install {name}"
    return found


def on_loopback(configuration: str, port: int, servers: list[int]) -> str:
    """A configuration of ``docs/deploy`` with the documented addresses replaced, and no more."""
    ports = {f"10.0.0.1{number}": port for number, port in enumerate(servers, 1)}
    found, count = re.subn(
        r"\b(10\.0\.0\.1\d):8001\b", lambda one: f"127.0.0.1:{ports[one[1]]}", configuration
    )
    assert count % len(servers) == 0
    return found.replace("*:8001", f"127.0.0.1:{port}")
