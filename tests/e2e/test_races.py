"""Eight processes that register under one name at one moment."""

from __future__ import annotations

RACER = """
import sys
from registry import FunctionalRegistry, RegistryError

class Losses(FunctionalRegistry, logic_namespace="research.losses"): ...

NUMBER = {number}

def loss(x):
    return x * NUMBER

len(Losses)  # connected, imported and warm
print("ready", flush=True)
sys.stdin.readline()
try:
    Losses.register_artifact(loss)
    print("won", NUMBER)
except RegistryError as error:
    print("lost", error.context["owner"])
print(Losses["loss"](1))
"""

PROCESSES = 8


def test_of_eight_processes_with_different_functions_one_wins_and_seven_learn_which(race):
    printed = race([RACER.format(number=number) for number in range(PROCESSES)])

    (winner,) = [first.split()[1] for first, _ in printed if first.startswith("won")]
    lost = [first for first, _ in printed if first.startswith("lost")]
    assert len(lost) == PROCESSES - 1
    assert all("__main__.loss (" in line and f"script{winner}.py:9)" in line for line in lost), lost
    assert {result for _, result in printed} == {winner}


def test_eight_processes_with_the_same_function_all_succeed(race):
    printed = race([RACER.format(number=7)] * PROCESSES)

    assert printed == [["won 7", "7"]] * PROCESSES


def test_eight_processes_of_an_empty_home_agree_on_one_key(race, tmp_path):
    """Each of them makes the key file at its first registration, and reads what the others signed."""
    source = RACER.replace("def loss(x)", "def loss{number}(x)").replace(
        "artifact(loss)", "artifact(loss{number})"
    )
    source = source.replace('Losses["loss"]', 'Losses["loss{number}"]')

    race([source.format(number=number) for number in range(PROCESSES)])

    files = [path.name for path in (tmp_path / "home" / ".config" / "namestead").iterdir()]
    assert files == ["signing.keys"]
