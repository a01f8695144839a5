"""``registry ls | get | set | rm | namespaces | stats``: what they do, for people and for scripts."""

from __future__ import annotations

import json

import pytest

from registry.storage.server import RegistryServer
from tests.commands.conftest import SPACE, assert_mistake


def mse(y_true, y_pred):
    """A function of a module that could be imported."""
    return (y_true - y_pred) ** 2


class TestLs:
    def test_lists_in_the_order_of_registration(self, run, storage):
        storage["zeta"] = {"lr": 0.1}
        storage["alpha"] = [1, 2]
        storage["mse"] = mse

        assert [row[:3] for row in run("ls", SPACE).rows] == [
            ["zeta", "json", '{"lr": 0.1}'],
            ["alpha", "json", "[1, 2]"],
            ["mse", "function", f"{mse.__module__}.mse"],
        ]

    def test_head_names_the_columns(self, run, storage):
        storage["a"] = 1

        assert run("ls", SPACE).lines[0].split() == ["Name", "Kind", "Value", "Bytes", "Changed"]

    def test_long_name_is_whole_and_its_row_one_line_in_a_pipe(self, run, storage):
        storage["n" * 1_000] = 1

        assert [row[0] for row in run("ls", SPACE).rows] == ["n" * 1_000]

    def test_prefix_chooses(self, run, storage):
        storage.update({"adam": 1, "adamw": 2, "sgd": 3})

        assert [row[0] for row in run("ls", SPACE, "--prefix", "adam").rows] == ["adam", "adamw"]

    def test_bytes_are_those_of_the_value(self, run, storage):
        storage["emoji"] = "😀"
        storage["mse"] = mse

        assert run("ls", SPACE).rows[0][3] == "6"
        assert {row["key"]: row["size"] for row in run("ls", SPACE, "--json").json}["emoji"] == 6

    def test_json_has_all_that_is_known_without_decoding(self, run, storage):
        storage["mse"] = mse

        (entry,) = run("ls", SPACE, "--json").json

        assert entry["key"] == "mse"
        assert entry["kind"] == "function"
        assert entry["qualname"] == "mse"
        assert entry["signed_by"] and ":" not in entry["signed_by"]
        assert entry["etag"] == storage.entry("mse").etag
        assert entry["digest"] == storage.entry("mse").digest

    @pytest.mark.parametrize("options", [(), ("--prefix", "x")])
    def test_empty_namespace_says_so(self, run, options):
        ran = run("ls", SPACE, *options)

        assert ran.code == 0
        assert ran.out.startswith(f"{SPACE} holds nothing")

    def test_empty_namespace_is_an_empty_array_for_scripts(self, run):
        assert run("ls", SPACE, "--json").json == []

    def test_meta_does_not_pass_for_facts_of_the_server(self, run, storage):
        """Whoever writes an entry writes its meta; its key, digest and signer are not theirs to say."""
        envelope = storage.prepare("mse", mse)
        forged = {name: "forged" for name in ("key", "signed_by", "revision", "etag", "digest", "updated_at")}
        storage._set("mse", envelope._replace(meta={**envelope.meta, **forged}))

        (entry,) = run("ls", SPACE, "--json").json
        shown = run("get", SPACE, "mse").out

        assert entry["key"] == "mse"
        assert "forged" not in {value for name, value in entry.items() if name in forged}
        assert "forged" not in shown


class TestGet:
    @pytest.mark.parametrize(
        "value", [{"lr": 0.1, "layers": [1, 2]}, "text", None, True, 12345678901234567890]
    )
    def test_json_value_is_printed_as_json(self, run, storage, value):
        storage["value"] = value

        assert run("get", SPACE, "value").json == value

    def test_function_is_described_not_run(self, run, storage):
        storage["mse"] = mse

        said = dict(line.split("  ", 1) for line in run("get", SPACE, "mse").lines)
        said = {name.strip(): value.strip() for name, value in said.items()}

        assert said["kind"] == "function"
        assert said["module"] == mse.__module__
        assert said["key"] == "mse"

    def test_by_value_is_never_decoded(self, run, storage, tmp_path):
        storage["trap"] = Trap(tmp_path / "touched")

        described = run("get", SPACE, "trap")
        listed = run("ls", SPACE)

        assert "instance" in described.out
        assert "trap" in listed.out
        assert not (tmp_path / "touched").exists()

    def test_json_option_adds_the_envelope(self, run, storage):
        storage["lr"] = 0.5

        answer = run("get", SPACE, "lr", "--json").json

        assert answer["envelope"] == {"type": "json", "data": "0.5", "encoding": "json"}
        assert answer["key"] == "lr"

    def test_missing_name_suggests_near_ones(self, run, storage):
        storage["cross_entropy"] = 1

        assert_mistake(
            run("get", SPACE, "cross_entrpy"),
            "Key not found: 'cross_entrpy'",
            SPACE,
            suggests="cross_entropy",
        )

    def test_missing_name_without_near_ones_suggests_the_listing(self, run):
        assert_mistake(run("get", SPACE, "x"), "Key not found", suggests=f"registry ls {SPACE}")


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


class TestSet:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ('{"lr": 0.001}', {"lr": 0.001}),
            ('"adam"', "adam"),
            ("[1, null, true]", [1, None, True]),
            ("-5", -5),
            ("-1.5e-3", -0.0015),
        ],
    )
    def test_stores_what_the_argument_spells(self, run, storage, text, value):
        ran = run("set", SPACE, "config", text)

        assert ran.code == 0, ran.err
        assert f"config is stored in {SPACE} at http" in ran.out
        assert storage["config"] == value

    def test_negative_number_stands_before_options_too(self, run, storage):
        assert run("set", SPACE, "config", "-5", "--create").code == 0
        assert storage["config"] == -5

    def test_replaces_what_stands_there(self, run, storage):
        storage["config"] = 1

        assert run("set", SPACE, "config", "2").code == 0
        assert storage["config"] == 2

    def test_dash_reads_what_is_piped_in(self, run, storage):
        assert run("set", SPACE, "config", "-", stdin='{"name": "é"}\n'.encode()).code == 0
        assert storage["config"] == {"name": "é"}

    def test_at_reads_a_file(self, run, storage, home):
        (home / "config.json").write_text('{"lr": 1}', encoding="utf-8")

        assert run("set", SPACE, "config", "@config.json").code == 0
        assert storage["config"] == {"lr": 1}

    def test_create_stores_under_a_free_name(self, run, storage):
        assert run("set", SPACE, "config", "1", "--create").code == 0
        assert storage["config"] == 1

    def test_create_of_the_same_again_is_fine(self, run, storage):
        storage["config"] = 1

        assert run("set", SPACE, "config", "1", "--create").code == 0

    def test_create_of_a_taken_name_changes_nothing_and_names_the_owner(self, run, storage):
        storage["config"] = mse

        assert_mistake(
            run("set", SPACE, "config", "2", "--create"),
            "'config'",
            "is taken",
            "test_entries.py",
            suggests="leave out --create",
        )
        assert storage["config"] is mse

    @pytest.mark.parametrize(
        "text",
        ["adam", "{'lr': 1}", "NaN", "", "1 2", '{"a": 1, "a": 2}', '"\\ud800"', "[" * 100 + "]" * 100],
    )
    def test_what_is_not_json_is_refused_with_an_example(self, run, storage, text):
        assert_mistake(run("set", SPACE, "config", text), "The value is not JSON", suggests="in quotes")
        assert len(storage) == 0

    def test_missing_file_is_named(self, run):
        assert_mistake(
            run("set", SPACE, "config", "@missing.json"),
            "Cannot read missing.json: No such file",
            suggests="@",
        )

    def test_folder_is_no_file(self, run, home):
        assert_mistake(run("set", SPACE, "config", f"@{home}"), "Cannot read", "directory")

    @pytest.mark.parametrize("source", ["-", "@bytes"])
    def test_what_is_not_text_is_refused(self, run, home, source):
        (home / "bytes").write_bytes(b"\xff\xfe")

        assert_mistake(run("set", SPACE, "config", source, stdin=b"\xff\xfe"), "The value is not UTF-8")

    @pytest.mark.parametrize("source", ["-", "@large"])
    def test_too_large_a_value_is_refused(self, run, home, source):
        """One character beyond the limit; cut at a byte it would not be UTF-8 either."""
        large = b'"' + "é".encode() * (4 * 1024 * 1024) + b'"'
        (home / "large").write_bytes(large)

        assert_mistake(run("set", SPACE, "config", source, stdin=large), "larger than")

    def test_empty_name_is_refused(self, run):
        assert_mistake(run("set", SPACE, "", "1"), "at least one character")


class TestRm:
    def test_removes_what_it_is_told_and_says_so(self, run, storage):
        storage.update({"a": 1, "b": 2, "c": 3})

        ran = run("rm", SPACE, "a", "c")

        assert ran.lines == ["removed a", "removed c"]
        assert list(storage) == ["b"]

    def test_missing_name_stops_it_after_what_it_said(self, run, storage):
        storage.update({"alpha": 1, "beta": 2})

        ran = run("rm", SPACE, "alpha", "betta", "beta")

        assert ran.out == "removed alpha\n"
        assert_mistake(ran._replace(out=""), "Key not found: 'betta'", suggests="beta")
        assert list(storage) == ["beta"]

    def test_without_names_changes_nothing(self, run, storage):
        storage["a"] = 1

        assert_mistake(
            run("rm", SPACE), "Say which names to remove, or --all", suggests=f"registry ls {SPACE}"
        )
        assert len(storage) == 1

    def test_names_and_all_contradict_each_other(self, run, storage):
        storage.update({"a": 1, "b": 2})

        assert_mistake(run("rm", SPACE, "a", "--all", "--yes"), "names", "--all")
        assert len(storage) == 2

    @pytest.mark.parametrize("answer", [b"n\n", b"\n", b""])
    def test_all_asks_and_takes_nothing_but_yes(self, run, storage, answer):
        storage.update({"a": 1, "b": 2})

        ran = run("rm", SPACE, "--all", stdin=answer)

        assert ran.code == 1
        assert f"Remove all 2 artifacts of {SPACE}" in ran.out
        assert "Traceback" not in ran.err
        assert len(storage) == 2

    def test_all_removes_when_told_yes(self, run, storage):
        storage.update({"a": 1, "b": 2})

        assert "removed 2 artifacts" in run("rm", SPACE, "--all", stdin=b"y\n").out
        assert len(storage) == 0

    def test_yes_does_not_ask(self, run, storage):
        storage.update({"a": 1, "b": 2})

        assert run("rm", SPACE, "--all", "--yes").lines == ["removed 2 artifacts"]
        assert len(storage) == 0


class TestNamespaces:
    def test_lists_by_name_with_their_sizes(self, run):
        for namespace, count in (("b.two", 2), ("a.one", 1)):
            for number in range(count):
                assert run("set", namespace, f"k{number}", "1").code == 0

        assert run("namespaces").rows == [["a.one", "1"], ["b.two", "2"]]
        assert run("namespaces", "--json").json == [
            {"namespace": "a.one", "entries": 1},
            {"namespace": "b.two", "entries": 2},
        ]
        assert run("namespaces", "--prefix", "b.").rows == [["b.two", "2"]]

    def test_nothing_says_so(self, run):
        assert run("namespaces").lines == ["No namespace holds anything yet"]
        assert run("namespaces", "--json").json == []

    def test_nothing_with_a_prefix_says_that_it_is_about_the_prefix(self, run, storage):
        storage["a"] = 1

        assert "begins with 'x'" in run("namespaces", "--prefix", "x").out


class TestStats:
    def test_shows_numbers_and_the_largest_namespaces(self, run, storage):
        storage.update({str(number): number for number in range(1_200)})

        said = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in run("stats").lines}

        assert said["total entries"] == "1,200"
        assert said[f"in {SPACE}"] == "1,200"

    def test_json_is_what_the_server_answers(self, run, storage, url):
        storage["a"] = 1

        numbers = run("stats", "--json").json

        assert numbers.keys() == RegistryServer(url).stats().keys()
        assert numbers["namespace_sizes"] == {SPACE: 1}


COMMANDS = [
    ("ls", SPACE),
    ("get", SPACE, "k"),
    ("set", SPACE, "k", "1"),
    ("set", SPACE, "k", "1", "--create"),
    ("rm", SPACE, "k"),
    ("rm", SPACE, "--all", "--yes"),
    ("namespaces",),
    ("stats",),
    ("resign", SPACE),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
class TestEachCommand:
    def test_server_that_is_away_is_one_message_with_a_next_step(self, run, command):
        assert_mistake(
            run(*command, "--server", "http://127.0.0.1:1"),
            "Cannot connect to registry server http://127.0.0.1:1",
            suggests="python -m registry",
        )

    @pytest.mark.parametrize("address", ["localhost:8001", "ftp://host", "http://", "http://h\udcff"])
    def test_what_is_no_address_is_told(self, run, command, address):
        assert_mistake(run(*command, "--server", address), "Not a server's address", suggests="http://")

    def test_variable_that_is_no_number_is_named(self, run, command, monkeypatch):
        monkeypatch.setenv("REGISTRY_SERVER_TIMEOUT", "soon")

        assert_mistake(run(*command), "REGISTRY_SERVER_TIMEOUT is 'soon'", suggests="unset")


@pytest.mark.parametrize("command", [one for one in COMMANDS if SPACE in one], ids=" ".join)
@pytest.mark.parametrize("name", ["research_losses", "a..b", "", "../etc", "a b", "\x1b[31m", "\udcff"])
def test_what_is_no_namespace_is_told_before_anything_is_asked(run, command, name):
    away = ("--server", "http://127.0.0.1:1")

    assert_mistake(run(*[name if part == SPACE else part for part in command], *away), "Invalid namespace: ")


@pytest.mark.parametrize("command", [("ls", SPACE), ("namespaces",)], ids=" ".join)
def test_prefix_that_is_no_text_is_not_blamed_on_the_server(run, command):
    assert_mistake(run(*command, "--prefix", "\udcff"), "prefix")


def test_get_prints_what_set_takes(run):
    value = {"nested": [1, 2.5, None, True, "é😀\u2028\x7f"], "": {}}

    assert run("set", SPACE, "k", json.dumps(value)).code == 0
    assert run("set", SPACE, "copy", run("get", SPACE, "k").out).code == 0
    assert run("get", SPACE, "copy").json == value
