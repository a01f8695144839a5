"""The product's main job: named in one process, used in another, safely, with nothing configured."""

from __future__ import annotations

import json
import urllib.request

import pytest

REGISTRIES = """
from registry import FunctionalRegistry, SchemeRegistry, TypeRegistry

class Losses(FunctionalRegistry, logic_namespace="research.losses"): ...
class Models(TypeRegistry, logic_namespace="research.models"): ...
class Configs(SchemeRegistry, logic_namespace="research.config"): ...
"""

WRITER = (
    REGISTRIES
    + """
import textwrap
import statistics

K = 3

def helper(x):
    return x + 1

@Losses.register_artifact
def scaled(x):
    "Of this script, and of a global of it."
    return helper(x) * K

Losses.register_artifact("mean", statistics.fmean)
Losses.register_artifact("square", lambda x: x * x)

@Models.register_artifact
class Counter:
    start = 10

    def __init__(self, step=1):
        self.step = step
        self.count = self.start

    def up(self):
        self.count += self.step
        return self

    @property
    def doubled(self):
        return self.count * 2

    @staticmethod
    def name():
        return "counter"

    @classmethod
    def of(cls, step):
        return cls(step)

Configs.register_artifact("sgd", {"lr": 0.001, "betas": [0.9, 0.999], "nesterov": None})
print("registered")
"""
)

READER = (
    REGISTRIES
    + """
import sys
assert "statistics" not in sys.modules

print(sorted(Losses), sorted(Models), sorted(Configs))
print(Losses.get_artifact("scaled")(4))
assert "statistics" not in sys.modules
print(Losses.get_artifact("mean")([1, 2, 3]))
print(Losses.get_artifact("square")(7))
Counter = Models["Counter"]
counter = Counter.of(5).up()
print(Counter.__name__, counter.doubled, counter.name(), isinstance(counter, Counter), Counter(2).up().count)
config = Configs.get_artifact("sgd")
print(config == {"lr": 0.001, "betas": [0.9, 0.999], "nesterov": None}, list(config))
print(Losses["scaled"].__doc__)
"""
)

READ = [
    "['mean', 'scaled', 'square'] ['Counter'] ['sgd']",
    "15",
    "2.0",
    "49",
    "Counter 30 counter True 12",
    "True ['lr', 'betas', 'nesterov']",
    "Of this script, and of a global of it.",
]


def revisions(server):
    found = {}
    for namespace in ("research.losses", "research.models", "research.config"):
        with urllib.request.urlopen(f"{server.url}/registry/{namespace}/items") as answer:
            page = json.load(answer)
        found[namespace] = (page["cursor"], {item["key"]: item["revision"] for item in page["items"]})
    return found


@pytest.fixture
def script(tmp_path):
    """Script A; a test may edit it, and it stays the same file."""
    path = tmp_path / "train.py"
    path.write_text(WRITER)
    return path


def test_what_one_process_named_another_uses_with_nothing_configured(run_script, script):
    assert run_script(script) == ["registered"]

    assert run_script(READER) == READ


def test_what_was_named_outlives_its_process_and_its_server(run_script, script, live_server):
    run_script(script)
    live_server.restart()

    assert run_script(READER) == READ


def test_the_same_script_again_changes_nothing(run_script, script, live_server):
    run_script(script)
    before = revisions(live_server)

    for _ in range(2):
        assert run_script(script) == ["registered"]

    assert revisions(live_server) == before


def test_the_same_script_from_another_folder_or_commented_changes_nothing(run_script, script, live_server):
    run_script(script)
    before = revisions(live_server)
    script.write_text(WRITER.replace("K = 3\n", "K = 3  # as in the paper\n\n"))

    assert run_script(script) == ["registered"]
    assert run_script(WRITER, folder="elsewhere") == ["registered"]

    assert revisions(live_server) == before


def test_an_edited_global_is_another_function_and_the_error_names_both_and_the_way_out(
    start_script, run_script, script, live_server
):
    run_script(script)
    before = revisions(live_server)
    line = WRITER.splitlines().index("@Losses.register_artifact") + 1
    script.write_text(
        WRITER.replace("K = 3\n", "K = 4\n").replace("import textwrap\n", "import textwrap\n\n\n")
    )

    failed = start_script(script)
    _, traceback = failed.process.communicate(timeout=60)

    assert failed.process.returncode == 1
    assert "registry.errors.DuplicateKeyError" in traceback
    assert "Losses (research.losses at http://" in traceback
    assert f"already has 'scaled', registered from __main__.scaled ({script}:{line})" in traceback
    assert f"offered now from __main__.scaled ({script}:{line + 2})" in traceback
    assert "replace it: Losses.update_artifact('scaled', ...) or on_duplicate='replace'" in traceback
    assert revisions(live_server) == before


def test_an_edited_script_replaces_where_it_is_told_to(run_script, script):
    run_script(script)
    script.write_text(WRITER.replace("K = 3\n", "K = 4\n"))

    assert run_script(script, REGISTRY_ON_DUPLICATE="replace") == ["registered"]

    assert run_script(READER)[1] == "20"


STRANGER = (
    REGISTRIES
    + """
import builtins, pickle, sys
from registry import UntrustedError
import registry.envelope.by_value as by_value
import registry.envelope.reference as reference

def decoded(*arguments, **keywords):
    raise SystemExit("a byte was decoded")

by_value.decode = reference.resolve = pickle.loads = pickle.Unpickler = pickle._loads = decoded

for registry, name in [(Losses, "square"), (Losses, "scaled"), (Losses, "mean"), (Models, "Counter")]:
    for ask in (lambda: registry.get_artifact(name), lambda: registry.get_artifact(name, None),
                lambda: registry[name], lambda: list(registry.items())):
        try:
            ask()
        except UntrustedError as error:
            reason = type(error).__name__
            assert error.suggestions, error
        else:
            raise SystemExit(f"{name} was not refused")
    print(name, reason)
assert "statistics" not in sys.modules and "cloudpickle" not in sys.modules
print(Configs.get_artifact("sgd")["lr"])
print(list(Losses), list(Models), list(Configs), len(Losses), "square" in Losses)
print(Losses.get_artifact("missing", "default"))
"""
)

REFUSED = [
    "square UnknownSigningKeyError",
    "scaled UnknownSigningKeyError",
    "mean UnknownSigningKeyError",
    "Counter UnknownSigningKeyError",
    "0.001",
    "['scaled', 'mean', 'square'] ['Counter'] ['sgd'] 3 True",
    "default",
]


def test_a_process_with_another_key_file_decodes_no_byte_of_code_and_reads_the_rest(
    run_script, script, tmp_path
):
    from registry.envelope.keyfile import create_key_file

    create_key_file(str(tmp_path / "others.keys"))
    run_script(script)

    assert run_script(STRANGER, REGISTRY_SIGNING_KEY_FILE=str(tmp_path / "others.keys")) == REFUSED


def test_another_account_decodes_no_byte_of_code_and_reads_the_rest(run_script, script):
    run_script(script)

    assert run_script(STRANGER, home="another") == REFUSED


def test_accounts_that_share_a_key_file_share_their_code(run_script, script, tmp_path):
    from registry.envelope.keyfile import create_key_file

    create_key_file(str(tmp_path / "team.keys"))
    shared = {"REGISTRY_SIGNING_KEY_FILE": str(tmp_path / "team.keys")}

    run_script(script, **shared)

    assert run_script(READER, home="another", **shared) == READ
    assert run_script(STRANGER) == REFUSED


def test_a_file_that_all_may_read_is_no_key_file(start_script, script, tmp_path):
    from registry.envelope.keyfile import create_key_file

    create_key_file(str(tmp_path / "open.keys"))
    (tmp_path / "open.keys").chmod(0o644)

    failed = start_script(script, REGISTRY_SIGNING_KEY_FILE=str(tmp_path / "open.keys"))
    _, traceback = failed.process.communicate(timeout=60)

    assert failed.process.returncode == 1
    assert "SignatureError" in traceback
    assert "chmod 600" in traceback
