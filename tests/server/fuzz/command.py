"""Schemathesis, as a command in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.server.processes import ROOT, LiveServer, environment
from tests.server.wire import operations

CASES_OF_A_RUN = 250
"""Schemathesis keeps what it sent until it ends: 2,000 bodies are 2 GB."""

OPERATIONS = [definition["operationId"] for _, _, definition in operations()]


def schemathesis(home: Path, server: LiveServer, *options: str) -> subprocess.CompletedProcess[str]:
    """What it says of a server; exit code 0 is no finding. ``home`` is an empty folder of its own."""
    settings = ["--config-file", str(ROOT / "tests/server/fuzz/schemathesis.toml")]
    where = [str(ROOT / "openapi.yaml"), "--url", server.url]
    how = ["--checks", "all", "--no-color", "--output-sanitize", "false", "--generation-database", "none"]
    return subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *settings, "run", *where, *how, *options],
        capture_output=True,
        text=True,
        env=environment(home, SCHEMATHESIS_HOOKS="tests.server.fuzz.hooks"),
        cwd=home,
    )


def runs_of(cases: int) -> Iterator[list[str]]:
    """The options of runs that together make so many cases of each operation."""
    for name in OPERATIONS:
        for _ in range(0, cases, CASES_OF_A_RUN):
            yield ["-n", str(min(cases, CASES_OF_A_RUN)), "--include-operation-id", name]
