"""The lock files cover pyproject.toml and tell nothing about where they were made."""

import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.conftest import ROOT

EVERYTHING = ROOT / ".ci" / "requirements.txt"
SERVER = ROOT / ".ci" / "requirements-server.txt"

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z0-9, -]+\])?==([^\s;]+)(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def pins(lock: Path) -> dict[str, set[Version]]:
    """Return the locked versions by name: several where platforms or Pythons differ."""
    found: dict[str, set[Version]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if match := PIN.match(line):
            found.setdefault(canonicalize_name(match[1]), set()).add(Version(match[2]))
    return found


def direct_requirements(project: dict[str, Any]) -> list[Requirement]:
    written = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(line for extra in project["project"]["optional-dependencies"].values() for line in extra),
        *(line for group in project["dependency-groups"].values() for line in group),
    ]
    return [requirement for requirement in map(Requirement, written) if requirement.name != "namestead"]


def test_lock_holds_a_fitting_version_of_every_direct_requirement(project: dict[str, Any]) -> None:
    locked = pins(EVERYTHING)
    unmet = [
        str(requirement)
        for requirement in direct_requirements(project)
        if not any(
            version in requirement.specifier
            for version in locked.get(canonicalize_name(requirement.name), ())
        )
    ]

    assert unmet == [], "run 'make lock'"


def test_serving_uses_the_versions_that_are_tested() -> None:
    everything = pins(EVERYTHING)

    assert {name: everything.get(name) for name in pins(SERVER)} == pins(SERVER)


@pytest.mark.parametrize("lock", [EVERYTHING, SERVER], ids=["everything", "server"])
def test_lock_is_names_versions_hashes_and_comments_only(lock: Path) -> None:
    lines = lock.read_text(encoding="utf-8").splitlines()
    other = [
        line for line in lines if not (line.lstrip().startswith("#") or PIN.match(line) or HASH.match(line))
    ]

    assert other == []
    assert [line for line in lines if "://" in line] == []
