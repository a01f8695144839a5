"""Registry classes of a script, which functions of that script use and take along by value."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry import FunctionalRegistry, RemoteStorageProxy
from registry.envelope import by_value
from registry.errors import SerializationError

CHECKOUT = Path(__file__).parents[3]

WRITER = """
from typing import ParamSpec, TypeVar
from registry import FunctionalRegistry
P, R = ParamSpec("P"), TypeVar("R")
class Base(FunctionalRegistry[P, R], base=True): pass
class Losses(Base[[int], int], strict=True, logic_namespace="research.losses"): pass

@Losses.register_artifact
def double(x: int) -> int: return 2 * x

@Losses.register_artifact
def both(x: int) -> int: return Losses["double"](x) + Losses["triple"](x)

@Losses.register_artifact
def registry(x: int) -> int: return Losses, Base
"""
READER = """
from registry import FunctionalRegistry
from registry.errors import DuplicateKeyError
class Mine(FunctionalRegistry, logic_namespace="research.losses"): pass
Mine.register_artifact("triple", lambda x: 3 * x)
print(Mine["both"](1))

Losses, Base = Mine["registry"](0)
print(Losses is not Mine, Losses.__name__, Losses._strict, sorted(Losses), Losses["double"](4))
print(Base[[str], str].__origin__ is Base, issubclass(Losses, Base))
with Losses.overriding(double=lambda x: 0): print(Losses["double"](4))
Losses.register_artifact("one", lambda x: 1)
print(Mine["one"](0), Losses["one"](0))

def double(x: int) -> int: return -x
try: Losses.register_artifact(double)
except DuplicateKeyError: print("the other process registered it, not this one")
"""


@pytest.fixture
def run(live_server_url, tmp_path):
    def start(source: str) -> str:
        script = tmp_path / "script.py"
        script.write_text(source)
        ended = subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "generated")))},
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return start


def test_a_shared_registry_arrives_as_a_registry_of_the_same_namespace(run):
    run(WRITER)

    assert run(READER).splitlines() == [
        "5",
        "True Losses True ['both', 'double', 'registry', 'triple'] 8",
        "True True",
        "0",
        "1 1",
        "the other process registered it, not this one",
    ]


def test_registering_what_uses_a_registry_again_is_nothing_new(run):
    run(WRITER)
    run(WRITER)  # the same identities in another process; a different artifact would raise


def of_main(registry: type) -> type:
    registry.__module__ = "__main__"
    return registry


@pytest.mark.parametrize("keywords", [{}, {"storage": {}}])
def test_a_registry_of_one_process_does_not_travel(keywords):
    class Losses(FunctionalRegistry, **keywords):
        pass

    of_main(Losses)

    def uses(x):
        return Losses["mse"](x)

    with pytest.raises(
        SerializationError, match=r"uses cannot be sent by value because of \S+Losses"
    ) as caught:
        by_value.encode(uses)
    assert "logic_namespace=" in caught.value.suggestions[0]


def test_what_only_this_process_knows_of_a_shared_registry_stays_here(run, tmp_path):
    """Its token, what it registered itself, and the stand-ins of a test."""
    storage = RemoteStorageProxy("research.losses", token="secret")

    class Losses(FunctionalRegistry, storage=storage):
        pass

    of_main(Losses)
    Losses.register_artifact("length", len)
    with Losses.overriding(mse=len):
        raw = by_value.encode(lambda: Losses)
    (tmp_path / "raw").write_bytes(raw)

    assert b"secret" not in raw
    printed = run(
        "from registry.envelope import by_value\n"
        f"with open({str(tmp_path / 'raw')!r}, 'rb') as file: losses = by_value.decode(file.read())()\n"
        "print(losses._own, losses._view.table, list(losses), losses['length']([1]))"
    )
    assert printed == "{} {} ['length'] 1\n"


def test_a_registry_that_comes_back_is_the_one_that_left():
    storage = RemoteStorageProxy("research.losses", "nowhere.invalid", 9, token="secret")

    class Losses(FunctionalRegistry, storage=storage):
        pass

    returned = by_value.decode(by_value.encode(lambda: of_main(Losses)))()

    assert returned is Losses
    assert returned._repository is storage
