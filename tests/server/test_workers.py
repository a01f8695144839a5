"""``registry serve --workers``: several processes, one server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from registry import RemoteStorageProxy
from registry.storage.server import RegistryServer
from tests.server.processes import LiveServer, command, environment

PATIENCE = 60.0


def until(claim: Callable[[], object]) -> None:
    """Return once ``claim()`` is true; a failure if it is not in time."""
    waiting, deadline = threading.Event(), time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < deadline, "waited too long"
        waiting.wait(0.05)


def workers_of(server: LiveServer) -> set[int]:
    """The processes that a server has started and that run."""
    found = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return {int(process) for process in found}


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def server(start_server, start_redis) -> LiveServer:
    redis = start_redis()
    started = start_server(f"redis://127.0.0.1:{redis.port}/0", "--workers", "3")
    until(lambda: len(workers_of(started)) == 3)
    started.process.stdout.readline()  # how many workers there are
    return started


def test_they_serve_one_registry_and_greet_once(server):
    storages = [RemoteStorageProxy("research.losses", url=server.url) for _ in range(8)]
    for number, storage in enumerate(storages):
        storage[f"key{number}"] = number

    for _ in range(20):  # each on a connection of its own, so by whichever worker
        assert httpx.get(f"{server.url}/registry/research.losses/length").json()["length"] == 8
    assert server.greeting[0].startswith("registry server on http://127.0.0.1:")
    assert server.stop() == 0
    assert server.said == ["stopped; everything acknowledged is stored"]


def test_connections_are_spread_over_them(server):
    before = {process: sockets_of(process) for process in workers_of(server)}

    connections = [socket.create_connection((server.host, server.port)) for _ in range(60)]
    try:
        until(lambda: all(sockets_of(process) > count for process, count in before.items()))
    finally:
        for connection in connections:
            connection.close()


def sockets_of(process: int) -> int:
    """How many sockets a process holds."""
    folder = Path(f"/proc/{process}/fd")
    return sum(os.readlink(one).startswith("socket:") for one in folder.iterdir() if one.is_symlink())


def test_one_that_is_killed_is_replaced_and_nobody_is_refused(server):
    storage = RemoteStorageProxy("research.losses", url=server.url, timeout=30)
    for number in range(4):
        before = workers_of(server)
        os.kill(min(before), signal.SIGKILL)

        for key in range(10):
            storage.claim(f"key{number}.{key}", key)
        until(lambda before=before: len(workers_of(server)) == 3 and workers_of(server) != before)

    assert len(storage) == 40
    until(lambda: ready(server.url))
    assert "is replaced" in server.log


def test_a_worker_that_is_told_to_stop_is_replaced_too(server):
    before = workers_of(server)
    os.kill(max(before), signal.SIGTERM)

    until(lambda: len(workers_of(server)) == 3 and workers_of(server) != before)
    until(lambda: ready(server.url))


def test_stopping_drains_them_all(server):
    with httpx.Client(base_url=server.url, timeout=60) as client:
        cursor = client.get("/registry/a.b/length").json()["cursor"]
        answers: list[int] = []
        waiting = [
            threading.Thread(
                target=lambda: answers.append(
                    httpx.get(
                        f"{server.url}/registry/a.b/watch?since={cursor}&wait=30", timeout=60
                    ).status_code
                )
            )
            for _ in range(6)
        ]
        workers = workers_of(server)
        before = sum(map(sockets_of, workers))
        for thread in waiting:
            thread.start()
        until(lambda: sum(map(sockets_of, workers)) >= before + len(waiting))
        for _ in range(30):  # by then every worker has read what was sent to it before
            assert httpx.get(f"{server.url}/health", verify=False).status_code == 200

        assert server.stop() == 0

        for thread in waiting:
            thread.join(30)
    assert answers == [200] * len(waiting)
    assert not any(Path(f"/proc/{process}").exists() for process in workers)


def test_workers_whose_supervisor_was_killed_end(server):
    workers = workers_of(server)
    server.kill()

    until(lambda: not any(is_running(process) for process in workers))


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_readiness_of_each_follows_the_storage(start_server, start_redis):
    redis = start_redis()
    server = start_server(f"redis://127.0.0.1:{redis.port}/0", "--workers", "2")
    until(lambda: ready(server.url))

    redis.kill()
    until(lambda: not any(ready(server.url) for _ in range(6)))
    redis.start()

    until(lambda: all(ready(server.url) for _ in range(6)))
    RegistryServer(server.url).health()


# ---- what cannot have workers


def failing(folder: Path, *options: str) -> str:
    """What a server that does not start says."""
    done = subprocess.run(
        command("serve", *options),
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("storage", ["sqlite:///registry.db", "memory:"])
def test_a_storage_of_one_process_is_refused_with_the_next_step(tmp_path, storage):
    said = failing(tmp_path, "--port", "0", "--workers", "2", "--storage", storage)

    assert "--workers 2 needs a storage that processes share" in said
    assert "postgresql://host/database" in said


def test_a_storage_that_cannot_be_opened_is_told_once_and_nothing_stays(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = failing(tmp_path, "--port", "0", "--workers", "2", "--storage", f"redis://127.0.0.1:{port}/0")

    assert said.count("The server cannot start") == 1


def test_a_port_that_another_server_has_is_not_shared_with_it(tmp_path, server):
    said = failing(
        tmp_path,
        "--host",
        "127.0.0.1",
        "--port",
        str(server.port),
        "--workers",
        "2",
        "--storage",
        server.storage,
    )

    assert "Another server may run there" in said
