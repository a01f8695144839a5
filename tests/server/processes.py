"""A registry server in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = os.pathsep.join(str(ROOT / folder) for folder in (".", "server", "generated"))
STOP_SECONDS = 15


def command(*arguments: str, module: str = "registry") -> list[str]:
    """``python -m registry`` of the interpreter that runs the tests."""
    return [sys.executable, "-m", module, *arguments]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """This process's environment without its ``REGISTRY_*``, in an empty home, for this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    homes = {"HOME": home, "XDG_DATA_HOME": home / "data", "XDG_CONFIG_HOME": home / "config"}
    return {**kept, **{name: str(path) for name, path in homes.items()}, "PYTHONPATH": SOURCES, **variables}


class LiveServer:
    """A server on a free port of ``host``, from `start` on.

    Attributes:
        host: where it listens.
        port: where it listens; the same one after `restart`. 0 before the first start.
        storage: its ``--storage``; empty for the default.
        greeting: the lines that it printed on starting.
        said: the lines that it printed on stopping; after `stop` or `kill`.
        log: what it wrote to standard error, over all its lives.
        process: the running process.
    """

    process: subprocess.Popen[str]

    def __init__(
        self, folder: Path, storage: str, *options: str, host: str = "127.0.0.1", module: str = "registry"
    ) -> None:
        self.host, self.port, self.storage = host, 0, storage
        self._module = module
        self.greeting: list[str] = []
        self.said: list[str] = []
        self._folder = folder
        self._options = options
        self._log = folder / "server.log"

    @property
    def url(self) -> str:
        """Its address, ``http://host:port``; https where it says so."""
        scheme = "https" if self.greeting and "https://" in self.greeting[0] else "http"
        return f"{scheme}://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def start(self) -> LiveServer:
        """Start it and return once it listens; a server that cannot start fails the test with its log."""
        where = ["--host", self.host, "--port", str(self.port)]
        if self.storage:
            where += ["--storage", self.storage]
        with self._log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command(*where, *self._options, module=self._module),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(self._folder),
                cwd=self._folder,
            )
        assert self.process.stdout is not None
        # The socket listens before the first line is printed, so nobody who read it is refused.
        self.greeting = [self.process.stdout.readline(), self.process.stdout.readline()]
        address = re.search(r"https?://\S+:(\d+)", self.greeting[0])
        if address is None:
            self.kill()
            raise AssertionError(f"the server did not start: {self.greeting} {self.log}")
        self.port = int(address[1])
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop, wait until it has, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self._ended()

    def kill(self) -> None:
        """End it without a warning, as a power cut does."""
        self.process.kill()
        self._ended()

    def restart(self) -> None:
        """Stop it, if it runs, and start it again on the same port and storage."""
        self.stop()
        self.start()

    def _ended(self) -> int:
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.said = self.process.stdout.read().splitlines()
            self.process.stdout.close()
        return self.process.wait(STOP_SECONDS)
