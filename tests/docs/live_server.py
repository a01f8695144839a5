"""A registry server in a process of its own, as somebody who types the command gets it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]

START_SECONDS = 60.0
_LISTENS = re.compile(r"registry server on (?P<url>http://\S+:(?P<port>\d+))")


class LiveServer:
    """A running server.

    Attributes:
        url: where it said that it listens, with a name that reaches it from here.
        port: its port.
        greeting: the lines it printed at its start.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", *arguments],
            env=dict(environment),
            cwd=environment["HOME"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.greeting: list[str] = []
        self.port = self._wait_until_it_listens()
        self.url = f"http://localhost:{self.port}"

    def _wait_until_it_listens(self) -> int:
        assert self._process.stdout is not None
        deadline = Timer(START_SECONDS, self._process.kill)
        deadline.start()
        try:
            port = None
            for line in self._process.stdout:
                self.greeting.append(line.rstrip())
                if found := _LISTENS.match(line):
                    port = int(found["port"])
                if line.startswith("data in "):
                    break
        finally:
            deadline.cancel()
        if port is None:
            self._process.wait()
            assert self._process.stderr is not None
            raise AssertionError(f"the server did not start:\n{self._process.stderr.read()}")
        self._answer_within(START_SECONDS, f"http://localhost:{port}")
        return port

    def _answer_within(self, seconds: float, url: str) -> None:
        # It has bound its port before it greets, so this waits for the answer and never polls.
        httpx.get(f"{url}/health", timeout=seconds, trust_env=False).raise_for_status()

    def get(self, path: str) -> Any:
        """The JSON that a GET of ``path`` answers."""
        answer = httpx.get(self.url + path, timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def stop(self) -> None:
        """Stop it as ``kill`` does, and wait for its end."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=30)
        finally:
            self._process.kill()
            self._process.wait()


def bare_environment(home: Path, **variables: str) -> dict[str, str]:
    """An account in which nothing is set up: an empty home, no ``REGISTRY_*``, no XDG directory."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("REGISTRY_", "XDG_")) and name not in ("PYTHONPATH", "PYTHONHOME")
    }
    sources = os.pathsep.join(str(ROOT / folder) for folder in (".", "server", "generated"))
    return {**kept, "HOME": str(home), "PYTHONPATH": sources, **variables}
