"""The servers of a run: ours as a user starts it, and the peers, on the same core."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.benchmarks.serving import ROOT, Serving, environment, serving

__all__ = ["ROOT", "Servers", "Serving", "environment"]

OURS = ("memory", "sqlite", "tokens")
"""By storage; ``tokens`` is in memory too, and asks for a token."""

_SERVE = ("-m", "registry", "serve", "--host", "127.0.0.1", "--port", "0", "--storage")


class Servers:
    """The servers by name, each started when it is first asked for, all stopped by `close`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._started: dict[str, Serving] = {}
        self._token = ""

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._started.clear()
        self._stack.close()

    def url(self, name: str) -> str:
        """The URL of one of `OURS` or of a peer of `tests.benchmarks.peers`."""
        return self._server(name).url

    def cpu_seconds(self, name: str) -> float:
        """How long the server has computed since it started.

        Raises:
            BenchmarkError: the system does not tell, as only Linux does.
        """
        return self._server(name).cpu_seconds()

    @property
    def token(self) -> str:
        """What ``tokens`` asks for; a token that may do everything."""
        self._server("tokens")
        return self._token

    @contextmanager
    def fresh(self, name: str) -> Iterator[Serving]:
        """A new server, stopped at the end of the block: for what an older one's memory would blur."""
        with ExitStack() as stack, serving(*self._command(name, stack)) as server:
            yield server

    def _server(self, name: str) -> Serving:
        if name not in self._started:
            command = self._command(name, self._stack)
            self._started[name] = self._stack.enter_context(serving(*command))
        return self._started[name]

    def _command(self, name: str, stack: ExitStack) -> tuple[str, ...]:
        if name == "memory":
            return (*_SERVE, "memory:")
        if name not in OURS:
            return ("-m", "tests.benchmarks.peers", name)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="registry-bench-"))
        if name == "sqlite":
            return (*_SERVE, f"sqlite:///{folder}/bench.db")
        self._token = _new_token(f"{folder}/tokens.json")
        return (*_SERVE, "memory:", "--tokens", f"{folder}/tokens.json")


def _new_token(path: str) -> str:
    words = ("-m", "registry", "token", "new", "benchmark", "--scope", "*:admin", "--tokens", path)
    made = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment(), check=True, capture_output=True, text=True
    )
    return made.stdout.split()[0]
