"""A signing key that leaked is rotated out by the commands of ``docs/operations.md`` while programs run."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from registry.envelope import keyfile
from tests.server.processes import command, environment

OWNER = """
from registry import FunctionalRegistry

class Losses(FunctionalRegistry, logic_namespace="research.losses"):
    pass

def half(x):
    return x / 2

def double(x):
    return 2 * x

Losses.register_artifact(half)
Losses.register_artifact(double)
print("registered")
"""

READER = """
import sys, threading
from registry import FunctionalRegistry, UntrustedError

class Losses(FunctionalRegistry, logic_namespace="research.losses"{cache}):
    pass

stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
reads, refused, wrong = 0, 0, 0
while not stop.is_set():
    try:
        wrong += Losses.get_artifact("double")(4) != 8
        reads += 1
    except UntrustedError:
        refused += 1
    if reads == 10:
        print("ready", flush=True)
    stop.wait(0.01)
print(reads > 10, refused, wrong)
"""

ATTACKER = """
from registry import FunctionalRegistry

class Losses(FunctionalRegistry, logic_namespace="research.losses"):
    pass

def double(x):
    print("stolen")

Losses.update_artifact("double", double)
print("written")
"""

FRESH = """
from registry import FunctionalRegistry

class Losses(FunctionalRegistry, logic_namespace="research.losses"):
    pass

for name in ("half", "double"):
    try:
        print(name, Losses.get_artifact(name)(4))
    except Exception as error:
        print(name, type(error).__name__)
"""


@pytest.fixture
def team(tmp_path):
    """The team's key file, and the copy that somebody else has."""
    key_file = tmp_path / "team.keys"
    keyfile.create_key_file(str(key_file))
    leaked = tmp_path / "leaked.keys"
    shutil.copy2(key_file, leaked)
    return {"REGISTRY_SIGNING_KEY_FILE": str(key_file)}, {"REGISTRY_SIGNING_KEY_FILE": str(leaked)}


@pytest.fixture
def run(tmp_path, live_server, team):
    """``run("key", "rotate")``: the exit code and output of a command of the team."""

    def ran(*arguments: str) -> tuple[int, str]:
        env = environment(tmp_path / "home", REGISTRY_SERVER_URL=live_server.url, **team[0])
        done = subprocess.run(command(*arguments), env=env, cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return ran


def test_a_leaked_key_is_rotated_out_while_programs_run(team, run, run_script, start_script):
    ours, leaked = team
    assert run_script(OWNER, **ours) == ["registered"]
    assert run("freeze", "research.losses")[0] == 0
    old = keyfile.list_keys(ours["REGISTRY_SIGNING_KEY_FILE"])[0].id
    readers = [start_script(READER.format(cache=cache), **ours) for cache in ("", ", cache=True")]
    for reader in readers:
        assert reader.process.stdout.readline() == "ready\n"

    assert run("freeze", "research.losses", "--check")[0] == 0  # nobody has used it yet
    code, said = run("key", "rotate")
    assert (code, "signs from now on" in said) == (0, True)
    code, said = run("resign", "research.losses")
    assert (code, "2 of 2 entries" in said) == (0, True)
    assert run("key", "remove", old)[0] == 0

    assert run_script(FRESH, **ours) == ["half 2.0", "double 8"]
    for reader in readers:
        reader.go()
        assert reader.lines() == ["True 0 0"], "every read went on"

    assert run_script(ATTACKER, **leaked) == ["written"]
    assert run_script(FRESH, **ours) == ["half 2.0", "double UnknownSigningKeyError"]


def test_running_programs_refuse_what_the_leaked_key_signs_and_go_on_when_it_is_mended(
    team, run, run_script, start_script, until
):
    """The key was used before anybody knew: it goes first, and what it signed is not signed again."""
    ours, leaked = team
    run_script(OWNER, **ours)
    run("freeze", "research.losses")
    old = keyfile.list_keys(ours["REGISTRY_SIGNING_KEY_FILE"])[0].id
    run("key", "rotate")
    run("resign", "research.losses")
    reader = start_script(READER.format(cache=""), **ours)
    assert reader.process.stdout.readline() == "ready\n"

    assert run("key", "remove", old)[0] == 0
    assert run_script(ATTACKER, **leaked) == ["written"]

    code, said = run("freeze", "research.losses", "--check")
    assert (code, "double" in said) == (1, True)
    assert run_script(FRESH, **ours) == ["half 2.0", "double UnknownSigningKeyError"]
    code, said = run("resign", "research.losses")
    assert (code, "left as it is: double" in said) == (1, True)

    mend = OWNER.replace("Losses.register_artifact(double)", 'Losses.update_artifact("double", double)')
    assert run_script(mend, **ours) == ["registered"]
    assert run_script(FRESH, **ours) == ["half 2.0", "double 8"]
    reader.go()
    answered, refused, wrong = reader.lines()[-1].split()
    assert (answered, wrong) == ("True", "0"), "nothing of the attacker's ever ran"
    assert int(refused) > 0
