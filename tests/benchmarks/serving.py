"""A server in a process of its own: how it is started and stopped, and what the system knows of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.machine import SERVER_CORES, BenchmarkError, pinned

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 10.0

_ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+")
_RESET_PEAK = "5"
"""What Linux takes in ``clear_refs`` for it; see proc(5)."""


def environment() -> dict[str, str]:
    """This process's environment without what would change a server, a client or an import."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("REGISTRY_") and name != "PYTHONDONTWRITEBYTECODE"
    }


class Serving:
    """A running server. All but ``url`` is told on Linux only, elsewhere it raises `BenchmarkError`."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self._proc = Path(f"/proc/{pid}")

    def cpu_seconds(self) -> float:
        """How long the server has computed since it started."""
        user, system = self._read("stat").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def on_cpu_seconds(self) -> float:
        """How long its first thread, the event loop, has computed; to the nanosecond."""
        return int(self._read("schedstat").split()[0]) / 1e9

    def resident_bytes(self) -> int:
        """The memory that it holds."""
        return self._memory("VmRSS")

    def peak_bytes(self) -> int:
        """The most memory that it held since `forget_peak`."""
        return self._memory("VmHWM")

    def forget_peak(self) -> None:
        """Let the peak begin anew from what it holds now."""
        (self._proc / "clear_refs").write_text(_RESET_PEAK)

    def _memory(self, name: str) -> int:
        [line] = [line for line in self._read("status").splitlines() if line.startswith(f"{name}:")]
        return int(line.split()[1]) * 1_024

    def _read(self, name: str) -> str:
        try:
            return (self._proc / name).read_text()
        except OSError:
            raise BenchmarkError("only Linux tells this of a server; of its CPU: use --clock wall") from None


@contextmanager
def serving(*arguments: str) -> Iterator[Serving]:
    """Run Python with ``arguments``, a server that prints its URL, and stop it at the end.

    Raises:
        BenchmarkError: it does not start; with its words.
    """
    with tempfile.TemporaryFile() as output:
        with pinned(SERVER_CORES):
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=environment(), stdout=output, stderr=output
            )
        try:
            yield Serving(_address(process, output.fileno()), process.pid)
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
