"""One program prints the same, byte for byte, wherever its registries keep what is registered."""

from __future__ import annotations

import re

import pytest

from tests.server.processes import ROOT

PROGRAM = ROOT / "docs" / "examples" / "same_everywhere.py"

PLACE = re.compile(r"\b(?:Losses|Models|Configs)( \((?:UserDict|everywhere\.\w+ at http://[^)]+)\))")
"""A registry in a message, with where it keeps its artifacts."""

pytestmark = pytest.mark.parametrize("live_server", ["memory:"], indirect=True)


def without_place(line: str) -> str:
    return PLACE.sub(lambda found: found[0].removesuffix(found[1]), line).replace("'location', ", "")


def test_local_shared_and_a_users_mapping_print_the_same(start_script):
    running = {place: start_script(PROGRAM, place) for place in ("local", "mapping", "shared")}
    printed = {place: script.lines() for place, script in running.items()}

    assert len(printed["local"]) > 50
    assert list(map(without_place, printed["mapping"])) == printed["local"]
    assert list(map(without_place, printed["shared"])) == printed["local"]
    assert any("everywhere.losses at http://" in line for line in printed["shared"])
