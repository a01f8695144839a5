"""One server for all of these tests, emptied before each; commands run in this process through `main`."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from registry.storage.remote import RemoteStorageProxy
from registry.storage.server import RegistryServer
from registry.testing import ServerProcess
from tests.server.processes import SOURCES, environment

SPACE = "research.losses"


class Ran(NamedTuple):
    """A command to its end."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, which is one JSON text."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the table it printed, without those of the head."""
        assert self.code == 0, self.err
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.lines[1:]]

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture(scope="session")
def server_process() -> Iterator[ServerProcess]:
    with ServerProcess(environment={"PYTHONPATH": SOURCES}) as server:
        yield server


@pytest.fixture
def url(server_process: ServerProcess) -> str:
    """The address of a server that holds nothing."""
    RegistryServer(server_process.url).clear_all()
    return server_process.url


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account where nothing is set up: no key, no variable; a wide terminal without colours."""
    settings = environment(tmp_path, COLUMNS="200", NO_COLOR="1", TERM="dumb")
    monkeypatch.setattr(os, "environ", settings)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(home, url, monkeypatch, capsys):
    """``run(*arguments, stdin=b"...")``: the command as `registry` runs it, against the empty server."""
    from registry.cli import main

    os.environ["REGISTRY_SERVER_URL"] = url

    def run(*arguments: str, stdin: bytes = b"") -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["registry", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        with pytest.raises(SystemExit) as exited:
            main()
        return Ran(int(exited.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def storage(home, url) -> RemoteStorageProxy[Any]:
    """What the commands' tests put in place and look at: `SPACE`, as a program sees it."""
    return RemoteStorageProxy(SPACE, url=url)


def assert_mistake(ran: Ran, *words: str, suggests: str = "") -> None:
    """Exit code 2, nothing on standard output, and one message: what, why and what to do next."""
    assert ran.code == 2, ran
    assert ran.out == ""
    assert "Traceback" not in ran.err
    said = " ".join(ran.err.replace("│", " ").split())
    for word in words:
        assert word in said, said
    if suggests:
        assert any(suggests in line for line in ran.err.splitlines() if line.startswith("  suggestion: ")), (
            ran.err
        )
