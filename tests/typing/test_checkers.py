"""mypy and pyright report errors exactly where a line is marked ``# error``, and running refuses the same.

A function ``refused_...`` holds what the checkers refuse and what the registry has to refuse too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from registry import ValidationError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = [path for path in sorted(HERE.glob("*.py")) if not path.name.startswith("test_")]
REFUSED = [
    (path, name)
    for path in PROGRAMS
    for name in re.findall(r"^def (refused_\w+)\(", path.read_text(), flags=re.MULTILINE)
]
SECONDS = 110

Place = tuple[str, int]
"""The name of a file, and a line of it."""


def marked() -> set[Place]:
    return {
        (program.name, number)
        for program in PROGRAMS
        for number, line in enumerate(program.read_text().splitlines(), 1)
        if line.endswith("# error")
    }


def mypy(folder: Path) -> dict[Place, str]:
    """What mypy reports, without the settings of this checkout: as it does for a user."""
    options = ["--strict", "--config-file=", "--output=json", f"--cache-dir={folder}"]
    said = answer_of("mypy", *options, *map(str, PROGRAMS), MYPYPATH=f"{ROOT}:{ROOT / 'generated'}")
    reports = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    errors = [report for report in reports if report["severity"] == "error"]
    return {(Path(error["file"]).name, error["line"]): error["message"] for error in errors}


def pyright(folder: Path) -> dict[Place, str]:
    """What pyright reports; its settings, ``strict`` too, are in ``pyproject.toml``."""
    said = answer_of("pyright", "--outputjson", "--pythonpath", sys.executable)
    errors = [report for report in json.loads(said)["generalDiagnostics"] if report["severity"] == "error"]
    return {
        (Path(error["file"]).name, error["range"]["start"]["line"] + 1): error["message"] for error in errors
    }


def answer_of(checker: str, *options: str, **variables: str) -> str:
    answer = subprocess.run(
        [sys.executable, "-m", checker, *options],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert answer.returncode == 1, answer.stdout + answer.stderr  # it ran, and found errors
    return answer.stdout


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> dict[str, dict[Place, str]]:
    """What each checker says of all programs; each is run once, both at a time."""
    folder = tmp_path_factory.mktemp("cache")
    with ThreadPoolExecutor() as pool:
        running = {checker.__name__: pool.submit(checker, folder) for checker in (mypy, pyright)}
        return {name: future.result() for name, future in running.items()}


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_errors_are_reported_exactly_where_the_programs_say(reports, checker):
    found = reports[checker]

    assert {place: message for place, message in found.items() if place not in marked()} == {}
    assert marked() - set(found) == set()


@cache
def run(program: Path) -> ModuleType:
    """A program of this folder, run: what is well typed is registered."""
    spec = importlib.util.spec_from_file_location(f"typed_{program.stem}", program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("program", "name"), REFUSED, ids=lambda value: getattr(value, "stem", value))
def test_what_the_checkers_refuse_the_registry_refuses(program, name):
    with pytest.raises(ValidationError):
        getattr(run(program), name)()
