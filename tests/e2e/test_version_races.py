"""Processes that publish, move and deprecate under one name at one moment."""

from __future__ import annotations

import pytest

from registry import FunctionalRegistry

PROCESSES = 6
EACH = 4

HEAD = """
import sys
from registry import FunctionalRegistry

class Losses(FunctionalRegistry, logic_namespace="research.losses"): ...

def numbered(number):
    def loss(x):
        return x * number
    return loss

len(Losses)  # connected, imported and warm
print("ready", flush=True)
sys.stdin.readline()
"""

PUBLISHER = (
    HEAD
    + """
for number in range({each}):
    number += {number} * {each}
    print(Losses.publish_version("loss", numbered(number)), number)
"""
)

MOVER = (
    HEAD
    + """
for step in range({each}):
    target = f"loss@{{1 + ({number} + step) % 3}}"
    Losses.move_alias("champion", target, by="mover {number}, step " + str(step))
    print(Losses["champion"](1))
"""
)

DEPRECATOR = (
    HEAD
    + """
Losses.deprecate("loss@1", reason="process {number}")
Losses.move_alias("champion", "loss@1", by="{number}")
print(sorted(v.number for v in Losses.versions("loss")))
"""
)


@pytest.fixture
def losses(live_server, start_script, monkeypatch, tmp_path):
    """The processes' registry as this process sees it, with their key."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    class Losses(FunctionalRegistry, logic_namespace="research.losses", server=live_server.url):
        pass

    return Losses


def publish(losses, count):
    for number in range(1, count + 1):
        losses.publish_version("loss", lambda x, number=number: x * number)


def test_each_of_many_publishers_gets_numbers_of_its_own_and_none_is_lost(race, losses):
    printed = race([PUBLISHER.format(number=number, each=EACH) for number in range(PROCESSES)])

    published = {key: int(number) for lines in printed for key, number in map(str.split, lines)}
    total = PROCESSES * EACH
    assert sorted(published) == sorted(f"loss@{number}" for number in range(1, total + 1))
    assert {key: losses[key](1) for key in published} == published
    assert [version.number for version in losses.versions("loss")] == list(range(1, total + 1))


def test_publishers_of_the_same_artifact_agree_on_one_version(race, losses):
    printed = race([PUBLISHER.format(number=0, each=1)] * PROCESSES)

    assert printed == [["loss@1 0"]] * PROCESSES
    assert list(losses) == ["loss@1"]


def test_every_move_of_racing_movers_is_in_the_history_and_continues_the_one_before(race, losses):
    publish(losses, 3)

    printed = race([MOVER.format(number=number, each=EACH) for number in range(PROCESSES)])

    alias = losses.get_alias("champion")
    steps = [(move.previous, move.target) for move in alias.history]
    assert steps[0][0] is None
    assert [before for before, _ in steps[1:]] == [target for _, target in steps[:-1]]
    assert all(before != target for before, target in steps)
    assert alias.target == steps[-1][1]
    assert len({move.by for move in alias.history}) == len(alias.history)
    assert losses["champion"](1) == int(alias.target.removeprefix("loss@"))
    assert {int(line) for lines in printed for line in lines} <= {1, 2, 3}


def test_a_mover_that_is_not_told_of_the_others_still_counts_once(race, losses):
    """Each process moves to a version that only it moves to, so nobody's move can be somebody else's."""
    publish(losses, PROCESSES)
    source = MOVER.replace("1 + ({number} + step) % 3", "{number} + 1")

    race([source.format(number=number, each=1) for number in range(PROCESSES)])

    history = losses.get_alias("champion").history
    assert sorted(move.target for move in history) == [f"loss@{n}" for n in range(1, PROCESSES + 1)]
    assert sorted(move.by for move in history) == [f"mover {n}, step 0" for n in range(PROCESSES)]


def test_deprecating_and_moving_at_once_loses_neither(race, losses):
    publish(losses, 2)
    digest = losses._storage().entry("loss@1").digest

    printed = race([DEPRECATOR.format(number=number) for number in range(PROCESSES)])

    (first, second) = losses.versions("loss")
    assert printed == [["[1, 2]"]] * PROCESSES
    assert first.deprecation.reason in {f"process {number}" for number in range(PROCESSES)}
    assert second.deprecation is None
    assert first.digest == digest
    assert len(losses.get_alias("champion").history) == 1
