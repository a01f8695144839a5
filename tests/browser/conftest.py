"""A headless Chromium, and a server whose pages it reads.

``make browser`` runs these tests; ``make test`` does not: a fresh machine has no browser.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from registry.testing import ServerProcess
from tests.browser.png import Picture
from tests.server.processes import SOURCES

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=800,600",
]


class Browser:
    """One Chromium for each page, in a profile of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def dom(self, address: str) -> str:
        """The document after it was loaded and its scripts, had it any, have run."""
        return self._run(address, "--dump-dom").decode()

    def screenshot(self, address: str, *options: str) -> Picture:
        """The page as it looks."""
        file = self._folder / "page.png"
        self._run(address, f"--screenshot={file}", *options)
        return Picture(file.read_bytes())

    def _run(self, address: str, *options: str) -> bytes:
        profile = f"--user-data-dir={self._folder / 'profile'}"
        command = [self._program, *OPTIONS, profile, *options, address]
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout


@pytest.fixture(scope="session")
def chromium() -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail(
            "these tests need Chromium: .ci/browser installs it, or apt-get install chromium", pytrace=False
        )
    return program


@pytest.fixture
def browser(chromium: str, tmp_path: Path) -> Browser:
    return Browser(chromium, tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    """A client of a server in a process of its own."""
    with (
        ServerProcess(environment={"PYTHONPATH": SOURCES}) as process,
        httpx.Client(base_url=process.url) as client,
    ):
        yield client
