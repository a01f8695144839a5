"""``registry versions | alias | deprecate | freeze``."""

from __future__ import annotations

import json
import types

import pytest

from registry import SchemeRegistry
from registry.versions.deprecation import Deprecation
from tests.commands.conftest import SPACE, assert_mistake


@pytest.fixture
def configs(storage, url):
    """Two versions of a config, as a program publishes them."""
    configs = types.new_class("Configs", (SchemeRegistry,), {"logic_namespace": SPACE, "server": url})
    for lr in (0.1, 0.2):
        configs.publish_version("base", {"lr": lr})
    return configs


class TestVersions:
    def test_lists_them_the_oldest_first(self, run, configs):
        configs.deprecate("base@1", alternative="base@2")

        ran = run("versions", SPACE, "base")

        assert ran.lines[0].split() == ["Version", "Origin", "Digest", "Changed", "Deprecated"]
        assert [(row[0], row[1], row[4:]) for row in ran.rows] == [
            ("base@1", "a JSON value", ["deprecated: use 'base@2'"]),
            ("base@2", "a JSON value", []),
        ]

    def test_json(self, run, configs, storage):
        (first, second) = run("versions", SPACE, "base", "--json").json

        assert [first["number"], second["number"]] == [1, 2]
        assert second["key"] == "base@2"
        assert second["digest"] == storage.entry("base@2").digest
        assert second["deprecation"] is None

    def test_without_versions_it_says_so_with_near_names(self, run, configs):
        assert_mistake(run("versions", SPACE, "bse"), "'bse'", "has no versions", suggests="base")

    def test_a_version_has_none(self, run, configs):
        assert_mistake(run("versions", SPACE, "base@1"), "is a version itself", suggests="'base'")


class TestAlias:
    def test_moves_and_shows_the_history_the_newest_first(self, run, configs):
        assert run("alias", SPACE, "champion", "base@1", "--by", "ann").out.startswith(
            f"champion leads to base@1 in {SPACE} at "
        )
        run("alias", SPACE, "champion", "base@2", "--by", "bob")

        ran = run("alias", SPACE, "champion")

        assert ran.lines[0].split() == ["Moved", "By", "From", "To"]
        assert [row[1:] for row in ran.rows] == [["bob", "base@1", "base@2"], ["ann", "base@1"]]
        assert configs["champion"] == {"lr": 0.2}

    def test_json_is_what_stands_in_the_entry(self, run, configs, storage):
        moved = run("alias", SPACE, "champion", "base@1", "--json").json
        shown = run("alias", SPACE, "champion", "--json").json

        assert moved == shown == {"alias": "champion", **json.loads(storage.entry("champion").envelope.data)}
        assert shown["history"][0]["from"] is None

    def test_a_slip_in_the_target_has_near_names(self, run, configs):
        assert_mistake(run("alias", SPACE, "champion", "base@3"), "base@3", suggests="base@2")

    def test_an_artifact_is_none(self, run, configs):
        assert_mistake(run("alias", SPACE, "base@1"), "is an artifact, not an alias")

    def test_ls_and_get_show_it_as_one(self, run, configs):
        run("alias", SPACE, "champion", "base@1")

        rows = {row[0]: row[1:3] for row in run("ls", SPACE).rows}
        (entry,) = run("ls", SPACE, "--prefix", "champion", "--json").json

        assert rows["champion"] == ["alias", "of base@1"]
        assert (entry["kind"], entry["alias_of"]) == ("alias", "base@1")
        assert run("get", SPACE, "champion").json["target"] == "base@1"


class TestDeprecate:
    def test_says_it_and_takes_it_back(self, run, configs, storage):
        said = run("deprecate", SPACE, "base@1", "--removal", "2027-06-01", "--alternative", "base@2")

        assert said.out == "base@1 is deprecated, to be removed on 2027-06-01: use 'base@2'\n"
        expected = Deprecation("2027-06-01", "base@2")
        assert Deprecation.of_meta(storage.entry("base@1").envelope.meta) == expected

        assert run("deprecate", SPACE, "base@1", "--undo").out == "base@1 is not deprecated\n"
        assert storage.entry("base@1").envelope.meta is None

    def test_json(self, run, configs):
        assert run("deprecate", SPACE, "base@1", "--reason", "diverges", "--json").json == {
            "key": "base@1",
            "deprecated": {"removal": "", "alternative": "", "reason": "diverges"},
        }
        assert run("deprecate", SPACE, "base@1", "--undo", "--json").json["deprecated"] is None

    def test_ls_shows_it(self, run, configs):
        run("deprecate", SPACE, "base@1", "--alternative", "base@2")

        kinds = {row[0]: row[1] for row in run("ls", SPACE).rows}
        entries = {entry["key"]: entry["deprecated"] for entry in run("ls", SPACE, "--json").json}

        assert kinds == {"base@1": "json, deprecated", "base@2": "json"}
        assert entries["base@1"]["alternative"] == "base@2"
        assert entries["base@2"] is None

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("base@1", "--removal", "soon"), ["removal is a date"]),
            (("base@9",), ["base@9"]),
            (("base@1", "--undo", "--reason", "why"), ["--undo takes it back"]),
        ],
    )
    def test_mistakes(self, run, configs, arguments, words):
        assert_mistake(run("deprecate", SPACE, *arguments), *words)


class TestFreeze:
    def test_writes_a_file_and_finds_nothing_changed(self, run, configs, home):
        assert run("freeze", SPACE).out == "froze 2 entries in registry.lock\n"
        assert json.loads((home / "registry.lock").read_text())["namespaces"][SPACE].keys() == {
            "base@1",
            "base@2",
        }
        assert run("freeze", "--check").out == "the server has what is in registry.lock\n"

    def test_json(self, run, configs):
        assert run("freeze", SPACE, "research.other", "-o", "a.lock", "--json", "--allow-empty").json == {
            "path": "a.lock",
            "namespaces": [SPACE, "research.other"],
            "entries": 2,
        }
        assert run("freeze", "--check", "-o", "a.lock", "--json").json == []

    def test_check_lists_what_differs_and_exits_1(self, run, configs, storage):
        run("freeze", SPACE)
        storage["new"] = 1
        del storage["base@1"]
        run("alias", SPACE, "champion", "base@2")

        ran = run("freeze", "--check")
        asked = run("freeze", SPACE, "--check", "--json")

        assert ran.code == asked.code == 1
        assert [line.split() for line in ran.lines[1:]] == [
            [SPACE, "base@1", "gone"],
            [SPACE, "new", "new"],
            [SPACE, "champion", "new"],
            ["1", "gone,", "2", "new"],
        ]
        assert [(each["key"], each["state"]) for each in json.loads(asked.out)] == [
            ("base@1", "gone"),
            ("new", "new"),
            ("champion", "new"),
        ]

    def test_nothing_to_freeze_is_a_mistake(self, run):
        assert_mistake(run("freeze"), "Say which namespaces", suggests="registry namespaces")

    def test_a_file_that_is_none_is_a_mistake(self, run, home):
        (home / "registry.lock").write_text("{")

        assert_mistake(run("freeze", "--check"), "registry.lock is not a lock file")
        assert_mistake(run("freeze", "--check", "-o", "missing.lock"), "Cannot read")


def test_set_does_not_replace_a_version(run, configs, storage):
    assert_mistake(run("set", SPACE, "base@1", "7"), "is taken", suggests="versions are never replaced")
    assert run("set", SPACE, "base@1", '{"lr": 0.1}').code == 0
    assert run("set", SPACE, "base@3", "7").code == 0
    assert storage["base@3"] == 7
