"""Servers over one store of each kind, as a test of faults needs them: killed, stopped and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from tests.contract.redis_process import RedisProcess
from tests.faults.proxy import Proxy, Weather
from tests.faults.wire import Client
from tests.server.processes import LiveServer

PATIENCE = 60.0


class Storage(Protocol):
    """A storage server in a process of its own."""

    def kill(self) -> None: ...
    def start(self) -> object: ...
    def connections(self) -> int: ...


class RedisStorage(RedisProcess):
    def connections(self) -> int:
        """How many connections the registry's servers hold."""
        with self.client() as client:
            return [one["name"] for one in client.client_list()].count("registry-server")


class Place:
    """Servers over one store.

    Attributes:
        kind: ``sqlite``, ``redis`` or ``postgresql``.
        servers: they run; one where the store is a file.
        storage: the storage's own process, if it has one.
        processor_seconds: the most that a server took to serve again; what is left when the machine is idle.
        network: what lies between the servers and that process, where it was asked for.
    """

    def __init__(
        self,
        kind: str,
        folder: Path,
        *,
        servers: int = 1,
        network: bool = False,
        module: str = "registry",
        faults: str = "",
    ) -> None:
        self.kind = kind
        self.storage: Storage | None = None
        self.network: Proxy | None = None
        self.processor_seconds = 0.0
        self._behind_proxy = network
        self._ends = ExitStack()
        options = (faults,) if faults else ()
        url = self._make(folder)
        self.servers = []
        for number in range(servers):
            home = folder / f"server{number}"
            home.mkdir()
            self.servers.append(LiveServer(home, url, *options, module=module))

    def _make(self, folder: Path) -> str:
        if self.kind == "redis":
            return self._make_redis(folder / "redis")
        if self.kind == "postgresql":
            return self._make_postgresql()
        return f"sqlite:///{folder}/registry.db"

    def _make_redis(self, folder: Path) -> str:
        folder.mkdir()
        self.storage = redis = RedisStorage(folder)
        self._ends.callback(redis.kill)
        redis.start()
        return f"redis://127.0.0.1:{self._port_for(redis.port)}/0"

    def _make_postgresql(self) -> str:
        from tests.faults.postgresql import PostgresqlStorage

        self.storage = storage = PostgresqlStorage()
        self._ends.callback(storage.remove)
        storage.create()
        return storage.tcp_url(port=self._port_for(storage.port))

    def _port_for(self, port: int) -> int:
        """Where servers reach the storage."""
        if not self._behind_proxy:
            return port
        self.network = self._ends.enter_context(Proxy(port))
        return self.network.port

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def end(self) -> None:
        """End what was started; of what did not start, nothing."""
        for server in self.servers:
            if hasattr(server, "process"):
                server.process.send_signal(signal.SIGCONT)
                server.kill()
        self._ends.close()

    @property
    def ports(self) -> list[int]:
        return [server.port for server in self.servers]

    @property
    def log(self) -> str:
        return "".join(server.log for server in self.servers)

    async def kill_server(self, number: int) -> float:
        """Kill one and start it again; seconds from its start until it serves."""
        server = self.servers[number % len(self.servers)]
        await asyncio.to_thread(server.kill)
        return await self._start_again(server)

    async def restart_server(self, number: int) -> float:
        """Stop one in order, as for an upgrade, and start it again."""
        server = self.servers[number % len(self.servers)]
        assert await asyncio.to_thread(server.stop) == 0
        return await self._start_again(server)

    async def _start_again(self, server: LiveServer) -> float:
        began = time.monotonic()
        await asyncio.to_thread(server.start)
        await until_serving(server.port)
        self.processor_seconds = max(self.processor_seconds, _processor_seconds(server.process.pid))
        return time.monotonic() - began

    async def cut_off(self, weather: Weather, seconds: float) -> float:
        """Let the storage be badly reached for so long; seconds from then until all servers serve."""
        assert self.network is not None
        await asyncio.to_thread(self.network.become, weather)
        await asyncio.sleep(seconds)  # the length of the fault
        await asyncio.to_thread(self.network.become, "fair")
        return await self._all_serving()

    async def kill_storage(self, is_met: Callable[[], bool]) -> float:
        """Kill the storage, and start it again once ``is_met``: a server hides a short absence by waiting.

        Returns:
            Seconds from when it is back until all servers serve.
        """
        assert self.storage is not None
        await asyncio.to_thread(self.storage.kill)
        await until(is_met)
        await asyncio.to_thread(self.storage.start)
        return await self._all_serving()

    async def _all_serving(self) -> float:
        began = time.monotonic()
        for port in self.ports:
            await until_serving(port)
        return time.monotonic() - began


async def until_serving(port: int) -> None:
    with Client(port) as client:
        async with asyncio.timeout(PATIENCE):
            while not await client.ready():
                await asyncio.sleep(0.02)


def _processor_seconds(process: int) -> float:
    """How long a process has computed so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Stopped:
    """A process that gets no time for a while, as one that is swapped out or on a paused machine."""

    def __init__(self, process: int) -> None:
        self._process = process

    def __enter__(self) -> None:
        os.kill(self._process, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        os.kill(self._process, signal.SIGCONT)


async def until(claim: Callable[[], object], patience: float = PATIENCE) -> None:
    """Return once ``claim`` is true."""
    async with asyncio.timeout(patience):
        while not claim():
            await asyncio.sleep(0.01)
