"""What an independent server has to be, as tests; a subclass says how it is started."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.alternatives.questions import QUESTIONS, Question

FOLDER = Path(__file__).resolve().parent


@contextmanager
def running(command: list[str]) -> Iterator[str]:
    """The URL of a server that says it in its first line."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        found = re.search(r"http://\S+", greeting)
        assert found, f"it did not start, and said {greeting!r}"
        yield found[0]
    finally:
        process.terminate()
        process.communicate(timeout=10)


class AlternativeContract:
    """The module of a subclass has the fixture ``url``, of its own scope."""

    @pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
    def test_answers_as_our_server_does(
        self, question: Question, answers: dict[str, tuple[object, object]]
    ) -> None:
        ours, theirs = answers[question.name]

        assert theirs == ours

    def test_claims_what_it_was_written_for(self, url: str) -> None:
        assert httpx.get(f"{url}/capabilities").json()["profiles"] == ["core", "conditional", "batch"]

    def test_answers_404_where_it_offers_no_such_profile(self, url: str) -> None:
        response = httpx.get(f"{url}/registry/a/watch")

        assert (response.status_code, response.json()["code"]) == (404, "not_found")

    if importlib.util.find_spec("registry.conformance"):

        def test_conforms(self, url: str) -> None:
            command = [sys.executable, "-m", "registry.conformance", url]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)

            assert done.returncode == 0, done.stdout + done.stderr
