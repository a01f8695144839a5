"""Servers over one store of each kind, as a test of faults needs them: killed, stopped and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from tests.contract.redis_process import RedisProcess
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
        keeps_epoch: whether a storage that was killed goes on in its epoch.
    """

    def __init__(
        self, kind: str, folder: Path, *, servers: int = 1, module: str = "registry", faults: str = ""
    ):
        self.kind = kind
        self.storage: Storage | None = None
        self._removes: Callable[[], object] = lambda: None
        url = self._make(folder)
        self.servers = []
        for number in range(servers):
            home = folder / f"server{number}"
            home.mkdir()
            options = (faults,) if faults else ()
            self.servers.append(LiveServer(home, url, *options, module=module))
        self.keeps_epoch = kind != "redis"

    def _make(self, folder: Path) -> str:
        if self.kind == "redis":
            place = folder / "redis"
            place.mkdir()
            redis = RedisStorage(place)
            redis.start()
            self.storage, self._removes = redis, redis.kill
            return f"redis://127.0.0.1:{redis.port}/0"
        if self.kind == "postgresql":
            return self._make_postgresql()
        return f"sqlite:///{folder}/registry.db"

    def _make_postgresql(self) -> str:
        from tests.faults.postgresql import PostgresqlStorage

        storage = PostgresqlStorage()
        self._removes = storage.remove
        storage.create()
        self.storage = storage
        return storage.new_schema()

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def end(self) -> None:
        """End what was started; of what did not start, nothing."""
        for server in self.servers:
            if hasattr(server, "process"):
                server.process.send_signal(signal.SIGCONT)
                server.kill()
        self._removes()

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
        began = time.monotonic()
        await asyncio.to_thread(server.start)
        await until_serving(server.port)
        return time.monotonic() - began

    async def kill_storage(self) -> float:
        """Kill the storage and start it again; seconds from when it is back until all servers serve."""
        assert self.storage is not None
        await asyncio.to_thread(self.storage.kill)
        await asyncio.to_thread(self.storage.start)
        began = time.monotonic()
        for port in self.ports:
            await until_serving(port)
        return time.monotonic() - began


async def until_serving(port: int) -> None:
    with Client(port) as client:
        async with asyncio.timeout(PATIENCE):
            while not await client.ready():
                await asyncio.sleep(0.02)


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


Fault = Callable[[int], Awaitable[float]]
"""Does its harm for the so manieth time; seconds until all was well again."""
