from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.server.processes import environment

WAIT_SECONDS = 60
READY = "ready\n"


class Script:
    """A Python script in a process of its own, in an empty home."""

    def __init__(self, path: Path, arguments: tuple[str, ...], env: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(path), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(env),
            cwd=path.parent,
        )

    def go(self) -> None:
        """Let a script that reads a line from its standard input go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def lines(self) -> list[str]:
        """What it printed, once it has ended well."""
        out, err = self.process.communicate(timeout=WAIT_SECONDS)
        assert self.process.returncode == 0, err
        return out.splitlines()


@pytest.fixture
def start_script(tmp_path, live_server) -> Callable[..., Script]:
    """``start_script(source, *arguments, home=, server=, **environment)``: a running `Script`.

    Every script of a test has the same, at first empty, home; each may have a folder of its own.
    """
    running: list[Script] = []

    def start(
        source: str | Path, *arguments: str, home: str = "home", folder: str = "scripts", **variables: str
    ) -> Script:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        if isinstance(source, str):
            path = place / f"script{len(running)}.py"
            path.write_text(source)
        else:
            path = source
        (tmp_path / home).mkdir(exist_ok=True)
        env = environment(tmp_path / home, REGISTRY_SERVER_URL=live_server.url, **variables)
        # An empty home: nothing of whoever runs the tests reaches a script.
        env = {name: text for name, text in env.items() if not name.startswith("XDG_")}
        running.append(Script(path, arguments, env))
        return running[-1]

    yield start
    for script in running:
        script.process.kill()
        script.process.communicate()


@pytest.fixture
def run_script(start_script) -> Callable[..., list[str]]:
    """As `start_script`, waits for the end and returns the printed lines."""
    return lambda *arguments, **options: start_script(*arguments, **options).lines()


@pytest.fixture
def race(start_script) -> Callable[..., list[list[str]]]:
    """``race(sources)``: what each script printed; all let go at one moment, when each has said ``ready``."""

    def run(sources: list[str]) -> list[list[str]]:
        racers = [start_script(source) for source in sources]
        for racer in racers:
            assert racer.process.stdout.readline() == READY
        for racer in racers:
            racer.go()
        return [racer.lines() for racer in racers]

    return run


def until(condition: Callable[[], Any], *, seconds: float = 30) -> None:
    """Return once ``condition`` holds; a failure if it does not within the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        os.sched_yield()


@pytest.fixture(name="until")
def _until() -> Callable[..., None]:
    return until


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """An empty home for this process too."""
    monkeypatch.setenv("HOME", str(tmp_path / "own"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name in list(os.environ):
        if name.startswith("REGISTRY_"):
            monkeypatch.delenv(name)
