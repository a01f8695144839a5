"""The server in Go. ``make test-clients`` runs this file; ``make test`` does not: it needs no Go."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alternatives.contract import FOLDER, AlternativeContract, running


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = tmp_path_factory.mktemp("go") / "server"
    built_in(FOLDER / "go", program)
    with running([str(program), "-port", "0"]) as url:
        yield url


class TestServerInGo(AlternativeContract):
    """Asked what our server is asked."""


def built_in(folder: Path, program: Path) -> None:
    for command in (["go", "vet", "."], ["go", "build", "-o", str(program), "."]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
