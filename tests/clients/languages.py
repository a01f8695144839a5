"""The languages: what each needs to be installed, and the commands that its page in docs/clients shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

EVERY_CLIENT: Final = frozenset(
    {
        "sets and gets",
        "keys travel as they are",
        "creates once",
        "replaces the version it read",
        "is told that nothing changed",
        "pages",
        "watches",
        "is told that a watch has to start anew",
        "batches",
        "reads problems",
        "reads what python wrote",
        "writes for python",
        "digests are those of the vectors",
        "malformed envelopes are refused",
        "signatures are those of the vectors",
        "references are those of the vectors",
    }
)
"""The tests that each language has, by these names in its own spelling: one that is not run is a failure."""


@dataclass(frozen=True)
class Language:
    """How a client is generated, built and tested.

    Args:
        name: of its folder, its page and its namespace.
        title: as its users write it.
        needs: programs to find, with the version to ask for and what to do where one is missing.
        commands: run in its folder, one after the other; the last runs the tests.
        passed: matches a test that passed in what the last command prints, with its name in the first group.
        failed: the same for one that failed.
        own: tests that only this language has.
    """

    name: str
    title: str
    needs: dict[str, str]
    commands: tuple[str, ...]
    passed: re.Pattern[str]
    failed: re.Pattern[str]
    own: frozenset[str] = frozenset()

    @property
    def folder(self) -> Path:
        return ROOT / "tests" / "clients" / self.name

    @property
    def tests(self) -> frozenset[str]:
        return EVERY_CLIENT | self.own


LANGUAGES: Final = (
    Language(
        "typescript",
        "TypeScript",
        {
            "node": "Node.js 20 or newer, from Debian's nodejs or nodejs.org",
            "npm": "npm, which comes with Node.js",
        },
        (
            "npm ci",
            "npx openapi-typescript ../../../openapi.yaml --default-non-nullable false"
            " --output generated/registry.ts",
            "npx tsc",
            "node --test --test-reporter=tap build/test/*.test.js",
        ),
        re.compile(r"^ok \d+ - (.+)$", re.MULTILINE),
        re.compile(r"^not ok \d+ - (.+)$", re.MULTILINE),
        frozenset({"a config is checked before it is stored"}),
    ),
    Language(
        "go",
        "Go",
        {"go": "Go 1.26 or newer, from go.dev"},
        (
            "go tool oapi-codegen -config oapi-codegen.yaml ../../../openapi.yaml",
            "go vet ./...",
            "go test -count=1 -v .",
        ),
        re.compile(r"^--- PASS: Test(\w+)", re.MULTILINE),
        re.compile(r"^--- FAIL: Test(\w+)", re.MULTILINE),
    ),
    Language(
        "rust",
        "Rust",
        {"cargo": "Rust 1.88 or newer, from rustup.rs"},
        ("cargo test --no-fail-fast",),
        re.compile(r"^test (\w+) \.\.\. ok$", re.MULTILINE),
        re.compile(r"^test (\w+) \.\.\. FAILED$", re.MULTILINE),
    ),
)


def plain(name: str) -> str:
    """``TestSetsAndGets`` and ``sets_and_gets`` as words."""
    return re.sub(r"(?<=[a-zA-Z])(?=[A-Z])", " ", name.replace("_", " ")).lower()
