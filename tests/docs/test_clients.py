"""The pages of docs/clients show what `make test-clients` runs."""

from __future__ import annotations

import pytest

from tests.clients.languages import LANGUAGES, Language, plain
from tests.clients.running import missing_programs, outcomes_in
from tests.docs.live_server import ROOT
from tests.docs.markdown import blocks_of

PAGES = ROOT / "docs" / "clients"


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_the_commands_of_a_page_are_those_that_are_run(language: Language) -> None:
    shown = [block.text for block in blocks_of(PAGES / f"{language.name}.md") if block.language == "bash"]

    assert [text.strip().splitlines() for text in shown] == [list(language.commands)]


def test_each_page_is_of_a_language_and_is_in_the_index() -> None:
    index = (PAGES / "README.md").read_text(encoding="utf-8")

    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == {
        language.name for language in LANGUAGES
    }
    assert all(f"[{language.title}]({language.name}.md)" in index for language in LANGUAGES)


def test_names_of_tests_are_the_same_in_every_spelling() -> None:
    assert plain("IsToldThatAWatchEnds") == plain("is_told_that_a_watch_ends") == "is told that a watch ends"


def test_a_test_that_is_not_run_or_fails_is_a_failure() -> None:
    go = next(language for language in LANGUAGES if language.name == "go")
    outcomes = outcomes_in("--- PASS: TestPages (0.00s)\n--- FAIL: TestWatches (0.00s)\n", go)

    assert [name for name, passed in outcomes.items() if passed] == ["pages"]
    assert set(outcomes) == go.tests


def test_a_program_that_is_not_there_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    assert missing_programs([LANGUAGES[-1]]) == [
        "cargo is not there, which the client in Rust needs: install Rust 1.88 or newer, from rustup.rs"
    ]
