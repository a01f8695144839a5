"""``make demo`` on half of its grid: it ends with its tables, and they agree, also with the server killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.server.processes import ROOT, environment

POINTS = 16
DEMO_SECONDS = 100


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An account that both runs use: what the first left is no obstacle to the second."""
    return tmp_path_factory.mktemp("home")


def run_demo(home: Path, *options: str) -> str:
    """What the demo printed; it ended well and left no process behind."""
    process = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "docs/examples/digits/demo.py"),
            "--quick",
            "--data",
            str(home),
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=environment(home, COLUMNS="200", TERM="dumb"),
        cwd=home,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=DEMO_SECONDS)
        assert process.returncode == 0, said
        await_end_of_group(process.pid)
    finally:
        kill_group(process.pid)
    return said


def await_end_of_group(group: int) -> None:
    deadline = time.monotonic() + 10
    while group_lives(group):
        assert time.monotonic() < deadline, "the demo left a process behind"
        time.sleep(0.01)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def kill_group(group: int) -> None:
    if group_lives(group):
        os.killpg(group, signal.SIGKILL)


def tables(said: str) -> list[list[list[str]]]:
    """The rows of each table, best result first, as lists of their cells."""
    parts = said.split("┡")[1:]
    return [
        [
            [cell.strip() for cell in line.split("│")[1:-1]]
            for line in part.splitlines()
            if line.startswith("│")
        ]
        for part in parts
    ]


@pytest.mark.parametrize("options", [(), ("--kill-server",)], ids=["undisturbed", "server killed"])
def test_four_workers_share_a_search_and_its_results_outlive_the_server(home, options):
    said = run_demo(home, *options)

    best, after_restart = tables(said)
    assert ("server killed" in said) == bool(options)
    assert f"published 2 losses, 3 models and a grid of {POINTS} points" in said
    assert [len(best), len(after_restart)] == [10, 3]
    assert after_restart == best[:3]
    assert best == sorted(best, key=lambda row: float(row[2]))
    assert best[0][0] == "SoftmaxRegression"
    assert 0.05 < float(best[0][2]) < 0.2
    counted = re.findall(r"^(\d+) results, by (\d) workers$", said, re.MULTILINE)
    assert [int(results) for results, _ in counted] == [POINTS, POINTS]
    assert 1 <= int(counted[0][1]) <= 4
    assert {row[4] for row in best} <= {"1", "2", "3", "4"}
