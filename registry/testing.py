"""Help for testing code that uses registries: a throw-away server, and registries put back as they were.

With pytest nothing has to be imported: the fixtures of `registry.pytest_plugin` are there once this
distribution is installed. The server needs the extra ``server``.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final, Self

from registry.base import Registry
from registry.errors import ServerUnreachableError
from registry.extras import install
from registry.storage.base import MappingStorage
from registry.storage.local import ThreadSafeLocalStorage

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0

_GREETING = re.compile(rb"registry server on (http://\S+)")


class ServerProcess:
    """A registry server in a process of its own, on loopback. A context manager that starts and stops it.

    Args:
        storage: storage URL; nothing is kept unless given.
        port: 0 for a free one, which `restart` then keeps.
        options: further options of ``python -m registry``.
        environment: further variables for it.
    """

    def __init__(
        self,
        storage: str = "memory:",
        *,
        port: int = 0,
        options: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.host: Final = "127.0.0.1"
        self.port = port
        self._storage = storage
        self._options = options
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._said = b""

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``; known once it has started."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id, of the running or the last process."""
        assert self._process is not None, "not started yet"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """What it has printed since it was last started."""
        return self._printed().decode(errors="replace")

    def start(self) -> Self:
        """Start it and return once it answers; one that runs is stopped first.

        Raises:
            ServerUnreachableError: it ended, or did not listen within 30 s; with what it printed.
        """
        self._end(signal.SIGTERM)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the process has ended
        command = [sys.executable, "-m", "registry", "--host", self.host, "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, "--storage", self._storage, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self._environment},
        )
        self.port = int(self._awaited_address().rpartition(":")[2])
        return self

    def _awaited_address(self) -> str:
        """The address that it prints once its sockets take connections."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            ended = self._process.poll() is not None
            if found := _GREETING.search(self._printed()):
                return found.group(1).decode()
            if ended:
                break
            time.sleep(0.01)
        self.kill()
        raise ServerUnreachableError(
            f"The registry server did not start: {'; '.join(self.output.splitlines())}",
            suggestions=[install("server")],
            context={"storage": self._storage},
        )

    def _printed(self) -> bytes:
        if self._output is not None:
            size = os.fstat(self._output.fileno()).st_size
            self._said = os.pread(self._output.fileno(), size, 0)
        return self._said

    def stop(self) -> int:
        """Ask it to stop (SIGTERM), wait, and return its exit code; kills it after 10 s."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Kill it (SIGKILL) and return its exit code."""
        return self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(how)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        self._close_output()
        return code

    def _close_output(self) -> None:
        self._printed()
        if self._output is not None:
            self._output.close()
            self._output = None

    def restart(self) -> Self:
        """Stop it, if it runs, and start it again on the same port and storage."""
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def local_registries(root: type[Any] = Registry) -> Iterator[type[Registry[Any]]]:
    """Every registry class of this process that keeps its artifacts in this process's memory.

    A ``storage=`` that is a dictionary counts; another mapping may be a database, and is nobody's to empty.
    """
    for cls in root.__subclasses__():
        if _is_in_memory(cls._repository):
            yield cls
        yield from local_registries(cls)


def _is_in_memory(storage: object) -> bool:
    if not isinstance(storage, ThreadSafeLocalStorage | MappingStorage):
        return False
    return isinstance(storage.view.table, dict)


@contextmanager
def restored_registries() -> Iterator[None]:
    """Within the block the local registries may be changed at will; then each holds what it held before."""
    before = {cls: (dict(cls._storage().items()), dict(cls._own)) for cls in local_registries()}
    try:
        yield
    finally:
        for cls in local_registries():
            artifacts, own = before.get(cls, ({}, {}))
            cls._storage().clear()
            cls._storage().update(artifacts)
            cls._own.clear()
            cls._own.update(own)
