"""Running a language's commands, and reading what its own test runner says."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable

from tests.clients.languages import Language, plain

COMMAND_SECONDS = 1800.0
"""How long one command may take: the first build of a client downloads and compiles what it needs."""


def missing_programs(languages: Iterable[Language]) -> list[str]:
    """A line for each program that is not there, with what to install."""
    return [
        f"{program} is not there, which the client in {language.title} needs: install {what}"
        for language in languages
        for program, what in language.needs.items()
        if shutil.which(program) is None
    ]


def run(language: Language, url: str) -> dict[str, bool]:
    """Whether each test passed, by name; one that was not run has not.

    What a command prints is shown only where it fails, or where a test does.
    """
    environment = {**os.environ, "REGISTRY_SERVER_URL": url}
    said = ""
    for command in language.commands:
        print(f"  $ {command}", flush=True)
        status, said = shown_if_it_fails(command, language, environment)
        if status and command != language.commands[-1]:
            return dict.fromkeys(sorted(language.tests), False)
    return outcomes_in(said, language)


def shown_if_it_fails(command: str, language: Language, environment: dict[str, str]) -> tuple[int, str]:
    """Exit status and output of one command."""
    process = subprocess.run(
        command,
        shell=True,
        cwd=language.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=COMMAND_SECONDS,
    )
    if process.returncode:
        print(process.stdout, end="", flush=True)
    return process.returncode, process.stdout


def outcomes_in(said: str, language: Language) -> dict[str, bool]:
    """By name, from what the test runner said. A test that it does not mention has failed."""
    passed = {plain(name) for name in language.passed.findall(said)}
    failed = {plain(name) for name in language.failed.findall(said)}
    return {name: name in passed - failed for name in sorted(language.tests | passed | failed)}
