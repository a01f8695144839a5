"""Servers in processes of their own: ours as a user starts it, and the peers, on the same core."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmarks.machine import SERVER_CORES, BenchmarkError, pinned

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 10.0

_ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+")


def environment() -> dict[str, str]:
    """This process's environment without what would change a server, a client or an import."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("REGISTRY_") and name != "PYTHONDONTWRITEBYTECODE"
    }


class Servers:
    """The servers of a run by name, each started when it is first asked for, all stopped by `close`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._started: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._started.clear()
        self._stack.close()

    def url(self, name: str) -> str:
        """The URL of ours, ``memory`` or ``sqlite``, or of a peer of `tests.benchmarks.peers`."""
        return self._server(name)[1]

    def cpu_seconds(self, name: str) -> float:
        """How long the server has computed since it started.

        Raises:
            BenchmarkError: the system does not tell, as only Linux does.
        """
        try:
            status = Path(f"/proc/{self._server(name)[0]}/stat").read_text()
        except OSError:
            raise BenchmarkError("only Linux tells the CPU time of a server: use --clock wall") from None
        user, system = status.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _server(self, name: str) -> tuple[int, str]:
        if name not in self._started:
            self._started[name] = self._stack.enter_context(_serving(*self._command(name)))
        return self._started[name]

    def _command(self, name: str) -> tuple[str, ...]:
        if name == "memory":
            return (*_OURS, "memory:")
        if name == "sqlite":
            directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="registry-bench-"))
            return (*_OURS, f"sqlite:///{directory}/bench.db")
        return ("-m", "tests.benchmarks.peers", name)


_OURS = ("-m", "registry", "serve", "--host", "127.0.0.1", "--port", "0", "--storage")


@contextmanager
def _serving(*arguments: str) -> Iterator[tuple[int, str]]:
    with tempfile.TemporaryFile() as output:
        with pinned(SERVER_CORES):
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=environment(), stdout=output, stderr=output
            )
        try:
            yield process.pid, _address(process, output.fileno())
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], output: int) -> str:
    """The URL that a server says it listens on."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        said = _ADDRESS.search(os.pread(output, 65_536, 0))
        if said:
            return said.group().decode()
        time.sleep(0.02)
    words = os.pread(output, 65_536, 0).decode(errors="replace").strip()
    raise BenchmarkError(f"{' '.join(map(str, process.args))} did not start:\n{words}")  # type: ignore[arg-type]
