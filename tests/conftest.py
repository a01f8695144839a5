"""What tests of every folder share: servers, in processes of their own and in this one.

`live_server`, `start_server` and `live_server_url` are for whoever needs real sockets, processes and signals;
`client` is hundreds of times cheaper. Nothing of the server is imported before a test asks for it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from tests.contract.redis_process import RedisProcess
    from tests.postgresql.server import PostgresServer
    from tests.server.processes import LiveServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, made once for each worker; a test takes a schema of it, ``.new_schema()``.

    It is not to be stopped: a test that needs that makes a `PostgresServer` of its own.
    """
    from tests.postgresql.server import PostgresServer

    server = PostgresServer()
    try:
        yield server.create()
    finally:
        server.remove()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., LiveServer]]:
    """``start_server(storage, *options, host=...)``: as many servers as a test likes, killed when it ends.

    ``storage`` is SQLite in a file of the test's folder where it is not given.
    """
    from tests.server.processes import LiveServer

    servers: list[LiveServer] = []

    def start(storage: str | None = None, *options: str, host: str = "127.0.0.1") -> LiveServer:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        server = LiveServer(folder, storage or f"sqlite:///{folder}/registry.db", *options, host=host)
        servers.append(server.start())
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def live_server(start_server: Callable[..., LiveServer], request: pytest.FixtureRequest) -> LiveServer:
    """A server in a process of its own: ``.url .host .port .stop() .kill() .restart()``.

    On SQLite in the test's folder, so that a restart finds what was stored. Another storage by
    ``@pytest.mark.parametrize("live_server", ["memory:"], indirect=True)``.
    """
    return start_server(getattr(request, "param", None))


@pytest.fixture
def live_server_url(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """`live_server`'s address, also in ``REGISTRY_SERVER_URL``: registries of this process find it."""
    monkeypatch.setenv("REGISTRY_SERVER_URL", live_server.url)
    return live_server.url


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisProcess]:
    """A Redis-compatible server of this test process, with room for a store for each test.

    It syncs each write, on a file system in memory where there is one: tests write one by one, and would
    wait for the disk most of the time. Tests of what a killed server has kept start one of their own.
    """
    from tests.contract.redis_process import RedisProcess

    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="registry-redis-", dir=in_memory) as folder:
        process = RedisProcess(Path(folder)).start()
        yield process
        process.kill()


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RedisProcess]]:
    """``start_redis(**settings)``: Redis-compatible servers of a test's own, killed when it ends."""
    from tests.contract.redis_process import RedisProcess

    processes: list[RedisProcess] = []

    def start(**settings: str) -> RedisProcess:
        folder = tmp_path / f"redis{len(processes)}"
        folder.mkdir(exist_ok=True)
        processes.append(RedisProcess(folder, **settings))
        return processes[-1].start()

    yield start
    for process in processes:
        process.kill()


@pytest.fixture(scope="session")
def application() -> tuple[Any, Any]:
    """The ASGI application and its memory storage; made once: compiling the specification costs 0.4 s."""
    from registry_server.app import create_app
    from registry_server.settings import ServerSettings
    from registry_server.storage.memory import MemoryBackend

    backend = MemoryBackend()
    return create_app(ServerSettings(), backend), backend


@pytest.fixture
async def client(application: tuple[Any, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of a server in this process, whose memory storage is empty."""
    import httpx

    app, backend = application
    await backend.open()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost:8001"
    ) as client:
        yield client
    await backend.close()
