"""``registry doctor``: exit codes, what it finds, and what it leaves alone."""

from __future__ import annotations

import json
import os
import sys

import pytest

from registry.envelope.form import Envelope, encode_base64
from registry.envelope.reference import Reference, write
from registry.storage.remote import RemoteStorageProxy
from registry.testing import ServerProcess
from registry_server.access.scopes import parse_scope
from registry_server.access.token_file import add_token
from registry_server.access.tokens import make_token
from tests.commands.conftest import SPACE, assert_mistake
from tests.server.processes import SOURCES
from tests.unit.registries.artifacts import mse

MODULE = """
from registry import FunctionalRegistry

print("printed by the module")

class Common(FunctionalRegistry, logic_namespace="research.common"):
    pass

class Losses(FunctionalRegistry, logic_namespace="research.losses", parent=Common):
    pass

class Local(FunctionalRegistry, parent=Losses):
    pass

Local.register_lazy("gone", "columnar.codecs:dump")
Local.register_lazy("typo", "json:dmps")
Local.add_alias("l2", "mse")
"""


@pytest.fixture
def module(home):
    """A module of the working directory that defines registries."""
    (home / "diagnosed.py").write_text(MODULE)
    yield "diagnosed"
    sys.modules.pop("diagnosed", None)
    while str(home) in sys.path:
        sys.path.remove(str(home))


@pytest.fixture
def diagnose(run):
    """``diagnose(*arguments)``: the exit code, and what ``--json`` says."""

    def diagnose(*arguments):
        ran = run("doctor", *arguments, "--json")
        return ran.code, json.loads(ran.out)

    return diagnose


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """The address of a server that wants a token."""
    file = str(tmp_path_factory.mktemp("locked") / "t.tokens")
    add_token(file, make_token("somebody", [parse_scope("*:read")], expires_at=None)[0])
    with ServerProcess(options=("--tokens", file), environment={"PYTHONPATH": SOURCES}) as server:
        yield server.url


def wrong(diagnosis):
    return [found["text"] for found in diagnosis["findings"] if found["verdict"] == "wrong"]


def about(diagnosis, what):
    return [found for found in diagnosis["findings"] if found["about"] == what]


class TestWithoutAName:
    def test_settings_keys_and_server_are_told_with_their_sources(self, run, diagnose, url):
        os.environ["REGISTRY_SERVER_TIMEOUT"] = "7"
        code, told = diagnose()

        assert (code, told["usable"]) == (0, True)
        sources = {found["facts"]["variable"]: found["facts"] for found in about(told, "setting")}
        assert sources["REGISTRY_SERVER_URL"]["source"] == "environment"
        assert sources["REGISTRY_SERVER_TIMEOUT"]["value"] == "7.0"
        assert sources["REGISTRY_ON_DUPLICATE"] == {
            "variable": "REGISTRY_ON_DUPLICATE",
            "value": "error",
            "source": "default",
        }
        answers, ready, version, capabilities = about(told, "server")
        assert answers["facts"] == {"url": url, "source": "environment"}
        assert ready["facts"]["ready"] is True
        assert version["facts"]["version"] == version["facts"]["own_version"]
        assert "core" in capabilities["facts"]["profiles"]

    def test_no_key_file_is_made(self, diagnose, storage, home):
        storage["config"] = 1
        storage._set("mse", Envelope("pickle", encode_base64(write(Reference("json", "dumps"))), "base64"))
        diagnose(SPACE, "mse")

        assert not list(home.rglob("signing.keys"))

    def test_the_token_is_not_shown(self, run, url):
        os.environ["REGISTRY_SERVER_TOKEN"] = "s3cret"
        for ran in (
            run("doctor", "--server", url),
            run("doctor", SPACE, "mse", "--server", url, "--json"),
            run("doctor", "--server", "http://127.0.0.1:1"),
        ):
            assert "s3cret" not in ran.out + ran.err
            assert "set, and not shown" in ran.out

    def test_a_server_that_does_not_answer(self, diagnose):
        code, told = diagnose("--server", "http://127.0.0.1:1")

        assert code == 1
        assert wrong(told) == [about(told, "server")[0]["text"]]
        assert "Cannot connect" in told["summary"]
        assert about(told, "server")[0]["facts"]["source"] == "given"

    @pytest.mark.parametrize("token", [None, "wrong"])
    def test_a_server_that_does_not_take_the_token(self, diagnose, locked, token):
        if token:
            os.environ["REGISTRY_SERVER_TOKEN"] = token
        for arguments in ((), (SPACE,), (SPACE, "mse")):
            code, told = diagnose(*arguments, "--server", locked)

            assert code == 1
            (refused,) = wrong(told)
            assert "answered 401" in refused and told["summary"].endswith(refused)
            assert [found["verdict"] for found in about(told, "server")] == ["ok", "ok", "wrong"]

    def test_a_setting_that_cannot_be_understood(self, diagnose):
        os.environ["REGISTRY_SERVER_TIMEOUT"] = "soon"
        code, told = diagnose()

        assert code == 1
        assert "REGISTRY_SERVER_TIMEOUT is 'soon'" in wrong(told)[0]

    def test_a_misspelt_variable_is_noted(self, diagnose):
        os.environ["REGISTRY_SERVER_ULR"] = "http://elsewhere"
        code, told = diagnose()

        (noted,) = [found for found in about(told, "setting") if found["verdict"] == "note"]
        assert code == 0
        assert noted["suggestions"][0] == "REGISTRY_SERVER_URL"

    def test_a_key_file_that_others_can_read(self, diagnose, home):
        keys = home / "keys"
        keys.write_text("# nothing\n")
        keys.chmod(0o644)
        os.environ["REGISTRY_SIGNING_KEY_FILE"] = str(keys)
        code, told = diagnose()

        assert code == 1
        assert about(told, "keys")[0]["verdict"] == "wrong"


class TestNamespaces:
    def test_a_name_that_is_there_and_can_be_used(self, diagnose, storage):
        storage["mse"] = mse
        code, told = diagnose(SPACE, "mse")

        (name,), (value,) = about(told, "name"), about(told, "value")
        assert code == 0
        assert name["facts"]["kind"] == "function"
        assert name["facts"]["signed_by"] in about(told, "keys")[0]["facts"]["keys"]
        assert value["facts"] == {"module": mse.__module__, "qualname": "mse"}

    def test_a_json_value_is_not_printed(self, run, storage):
        storage["config"] = {"password": "hunter2"}
        ran = run("doctor", SPACE, "config")

        assert ran.code == 0
        assert "hunter2" not in ran.out
        assert "a JSON value" in ran.out

    def test_near_names_of_one_that_is_not(self, diagnose, storage):
        storage["mse"] = 1
        code, told = diagnose(SPACE, "mes")

        assert code == 1
        assert "Did you mean 'mse'?" in wrong(told)[0]
        assert told["findings"][-1]["suggestions"] == ["mse"]

    def test_an_empty_namespace_names_the_one_that_was_meant(self, diagnose, storage):
        storage["mse"] = 1
        code, told = diagnose("research.loses", "mse")

        assert code == 1
        (empty,) = about(told, "namespace")
        assert (empty["facts"]["entries"], empty["suggestions"]) == (0, [SPACE])

    def test_a_signature_by_a_key_that_is_not_held(self, diagnose, storage, home):
        storage["mse"] = mse
        os.environ["XDG_CONFIG_HOME"] = str(home / "another")
        code, told = diagnose(SPACE, "mse")

        assert code == 1
        assert "which is not held here" in wrong(told)[0]

    def test_an_entry_that_somebody_moved(self, diagnose, storage):
        storage["mse"] = mse
        storage._set("mae", storage.entry("mse").envelope)
        code, told = diagnose(SPACE, "mae")

        assert code == 1
        assert "signature" in wrong(told)[0]

    def test_a_value_of_another_python(self, diagnose, storage):
        storage["f"] = lambda: 1
        envelope = storage.entry("f").envelope
        meta = {**envelope.meta, "python": "cpython-2.7"}
        keyring = storage.policy.keyring()
        storage._set("f", keyring.sign(envelope._replace(meta=meta), namespace=SPACE, key="f"))
        code, told = diagnose(SPACE, "f")

        assert code == 1
        assert "cpython-2.7" in wrong(told)[0]

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            (None, "there is no module 'written_elsewhere'"),
            ("def f(:\n", "is broken: SyntaxError"),
            ("import columnar\n\ndef f(): ...\n", "imports 'columnar' in line 1"),
            ("def fs(): ...\n", "has no 'f'. Did you mean 'fs'?"),
        ],
        ids=["missing", "broken", "needs another", "renamed"],
    )
    def test_a_reference_that_cannot_be_imported_here(
        self, diagnose, storage, tmp_path, monkeypatch, source, words
    ):
        marker = tmp_path / "ran"
        monkeypatch.syspath_prepend(tmp_path)
        if source is not None:
            ran = f"\nopen({str(marker)!r}, 'w')\n"
            (tmp_path / "written_elsewhere.py").write_text(source + ran)
        raw = encode_base64(write(Reference("written_elsewhere", "f")))
        meta = {"codec": "reference", "kind": "function", "module": "written_elsewhere", "qualname": "f"}
        envelope = Envelope("pickle", raw, "base64", meta)
        storage._set("f", storage.policy.keyring().sign(envelope, namespace=SPACE, key="f"))
        code, told = diagnose(SPACE, "f")

        assert code == 1
        assert words in wrong(told)[0]
        assert not marker.exists(), "nothing that is inspected is run"

    def test_a_value_is_not_decoded(self, diagnose, storage, tmp_path):
        class Trap:
            def __reduce__(self):
                return open, (str(tmp_path / "ran"), "w")

        import cloudpickle

        from registry.envelope.by_value import PYTHON_TAG

        raw = encode_base64(cloudpickle.dumps(Trap()))
        envelope = Envelope("pickle", raw, "base64", {"codec": "cloudpickle", "python": PYTHON_TAG})
        storage._set("trap", storage.policy.keyring().sign(envelope, namespace=SPACE, key="trap"))
        code, told = diagnose(SPACE, "trap")

        assert code == 0
        assert "pickled by value" in about(told, "value")[0]["text"]
        assert not (tmp_path / "ran").exists()


class TestClasses:
    def test_parents_are_walked_to_the_first_that_has_the_name(self, diagnose, module, url):
        RemoteStorageProxy("research.common", url=url)["mse"] = mse
        code, told = diagnose(f"{module}:Local", "l2")

        assert code == 0, told
        texts = [found["text"] for found in told["findings"]]
        assert any("'l2' is an alias of 'mse' in Local" in text for text in texts)
        assert any("'mse' is in research.common" in text for text in texts)
        assert len(about(told, "keys")) == 1 and len(about(told, "server")) == 4

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("gone", "there is no module 'columnar'"),
            ("typo", "json has no 'dmps'. Did you mean 'dumps'"),
            ("gne", "is not in Local or Losses or Common. Did you mean 'gone'?"),
        ],
    )
    def test_what_is_not_found_says_why(self, diagnose, module, name, words):
        code, told = diagnose(f"{module}:Local", name)

        assert code == 1
        assert words in wrong(told)[-1]
        assert words in told["summary"]

    def test_all_of_a_registry_is_looked_at_without_a_name(self, diagnose, module):
        code, told = diagnose(f"{module}:Local")

        assert code == 1
        assert len(wrong(told)) == 2  # both lazies
        assert [found["facts"]["registry"] for found in about(told, "namespace")] == ["Losses", "Common"]

    def test_what_the_module_prints_is_none_of_the_answer(self, run, module):
        ran = run("doctor", f"{module}:Losses", "--json")

        assert json.loads(ran.out)["asked"] == "Losses"
        assert "printed by the module" in ran.err

    def test_a_module_that_cannot_be_imported_is_the_finding(self, diagnose, home):
        (home / "diagnosed_broken.py").write_text("raise RuntimeError('no GPU here')")
        code, told = diagnose("diagnosed_broken:Losses", "mse")

        assert code == 1
        assert "RuntimeError: no GPU here" in wrong(told)[0]

    def test_a_local_name_needs_no_server(self, diagnose, module):
        os.environ["REGISTRY_SERVER_URL"] = "http://127.0.0.1:1"
        code, told = diagnose(f"{module}:Local", "typo")

        assert (code, about(told, "server")) == (1, [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("not_a_namespace",), "Invalid namespace"),
        (("json:dumps",), "json:dumps is no registry class"),
        (("json:",), "A lazy artifact is named by"),
        (("diagnosed:Loses", "mse"), "is no registry class"),
        (("diagnosed:Losses", "mse", "--server", "http://127.0.0.1:1"), "--server is for a namespace"),
    ],
    ids=str,
)
def test_wrong_usage_exits_2(run, module, arguments, words):
    assert_mistake(run("doctor", *arguments), words)


def test_a_table_for_people_with_the_summary_last(run, storage):
    storage["mse"] = 1
    ran = run("doctor", SPACE, "mes")

    assert ran.code == 1
    assert ran.lines[-1] == "'mes' in research.losses: 'mes' is not in research.losses. Did you mean 'mse'?"
    assert any(line.split()[:2] == ["wrong", "name"] for line in ran.lines)
    assert any("suggestion: mse" in line for line in ran.lines)
