"""The command line as a whole: what each command's help teaches, how mistakes end, and real processes."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import typer

from registry.cli import app
from tests.commands.conftest import SPACE, assert_mistake
from tests.server.processes import command

OPTIONS = {
    "ls": ["--prefix", "--server", "--json", "REGISTRY_SERVER_URL", "http://localhost:8001"],
    "get": ["--server", "--json"],
    "set": ["--create", "--server", "@FILE", "JSON"],
    "rm": ["--all", "--yes", "-y", "--server"],
    "namespaces": ["--prefix", "--server", "--json"],
    "stats": ["--server", "--json"],
    "watch": ["--since", "--server", "--json"],
    "versions": ["--server", "--json"],
    "alias": ["--by", "--server", "--json"],
    "deprecate": ["--removal", "--alternative", "--reason", "--undo", "--server", "--json"],
    "freeze": ["--output", "-o", "--check", "--server", "--json"],
    "backup": ["--storage", "--force", "--json", "REGISTRY_SERVER_STORAGE"],
    "restore": ["--storage", "--force", "--json", "REGISTRY_SERVER_STORAGE"],
    "export": ["--output", "-o", "--prefix", "--server", "--json"],
    "import": ["--dry-run", "--on-conflict", "--prefix", "--to-namespace", "--server", "--json"],
    "key new": ["--file"],
    "key list": ["--file"],
    "key rotate": ["--file", "registry resign"],
    "key remove": ["--file"],
    "conformance": ["--only", "--baseline", "--restart-cmd", "--html", "REGISTRY_SERVER_TOKEN"],
    "resign": ["--server", "REGISTRY_SERVER_URL", "http://localhost:8001"],
    "doctor": ["--server", "--json", "MODULE:CLASS", "REGISTRY_SERVER_URL"],
    "token new": ["--scope", "--expires", "--tokens", "--storage", "REGISTRY_SERVER_TOKENS"],
    "token list": ["--tokens", "--storage", "--json"],
    "token revoke": ["--tokens", "--storage"],
    "serve": [
        "--host",
        "--port",
        "--storage",
        "--allowed-host",
        "--tokens",
        "--require-auth",
        "--tls-cert",
        "--tls-key",
        "--trusted-proxy",
        "--audit-log",
        "--workers",
        "--debug",
        "--chaos",
        "REGISTRY_SERVER_STORAGE",
    ],
}


def commands(
    group: typer.main.click.Group, before: tuple[str, ...] = ()
) -> dict[str, typer.main.click.Command]:
    """Every command, by the words that call it."""
    found = {}
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            found |= commands(one, (*before, name))
        else:
            found[" ".join((*before, name))] = one
    return found


COMMANDS = commands(typer.main.get_command(app))


def test_every_command_is_taught_here():
    assert COMMANDS.keys() == OPTIONS.keys()


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_says_what_it_does_and_shows_its_options(run, name, flag):
    ran = run(*name.split(), flag)

    said = " ".join(ran.out.replace("│", " ").split())
    assert ran.code == 0
    assert f"Usage: registry {name}" in said
    assert (COMMANDS[name].help or "").split("\n")[0] in said
    for option in OPTIONS[name]:
        assert option in said, said


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_is_explained(name):
    for parameter in COMMANDS[name].params:
        assert getattr(parameter, "help", None), parameter.name


def test_root_lists_the_commands(run):
    ran = run("--help")

    said = ran.out
    for name in OPTIONS:
        assert f" {name.split()[0]} " in said


def test_group_without_a_command_shows_its_commands(run):
    ran = run("key")

    assert all(name in ran.out + ran.err for name in ("new", "list", "rotate", "REGISTRY_SIGNING_KEY_FILE"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lst",), ["No such command 'lst'"]),
        (("ls",), ["Missing argument"]),
        (("get", SPACE), ["Missing argument"]),
        (("set", SPACE, "k"), ["Missing argument"]),
        (("ls", SPACE, "--jsno"), ["No such option: --jsno", "--json"]),
        (("set", SPACE, "k", "1", "--crate"), ["--crate"]),
        (("key", "make"), ["No such command 'make'"]),
    ],
    ids=str,
)
def test_slip_of_the_fingers_points_to_the_help(run, arguments, words):
    assert_mistake(run(*arguments), *words, "-h' for help")


def process(
    home, *arguments: str, stdin: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **variables},
        cwd=home,
        timeout=60,
    )


def into_a_full_file(home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with an output that takes nothing."""
    with open("/dev/full", "w") as full:
        return subprocess.run(
            command(*arguments),
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=dict(os.environ),
            cwd=home,
            timeout=60,
        )


class TestProcesses:
    def test_pipe_from_one_to_the_other(self, run, home, storage):
        storage["config"] = {"name": "é😀", "lr": 0.1}

        printed = process(home, "get", SPACE, "config")
        taken = process(home, "set", SPACE, "copy", "-", stdin=printed.stdout)

        assert (printed.returncode, taken.returncode) == (0, 0), taken.stderr
        assert storage["copy"] == storage["config"]

    def test_listing_of_a_thousand_through_a_pipe_is_one_row_each(self, run, home, storage):
        storage.update({f"name{number}": number for number in range(1_500)})

        listed = process(home, "ls", SPACE)
        told = process(home, "ls", SPACE, "--json")

        assert len(listed.stdout.splitlines()) == 1_501
        assert [entry["key"] for entry in json.loads(told.stdout)] == list(storage)

    def test_reader_that_leaves_early_gets_no_traceback(self, run, home, storage):
        storage.update({f"name{number}": number for number in range(1_500)})

        with subprocess.Popen(
            command("ls", SPACE, "--json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ),
            cwd=home,
        ) as listing:
            assert listing.stdout is not None and listing.stderr is not None
            listing.stdout.close()
            said = listing.stderr.read().decode()

        assert "Traceback" not in said

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no file that is always full")
    @pytest.mark.parametrize("arguments", [("ls", SPACE), ("ls", SPACE, "--json"), ("--help",)], ids=str)
    def test_output_that_cannot_be_written_is_one_message(self, run, home, storage, arguments):
        storage["k"] = 1

        ended = into_a_full_file(home, *arguments)

        assert ended.returncode == 2
        assert ended.stderr == "Cannot write what it says: No space left on device\n"

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no file that is always full")
    def test_token_that_nobody_saw_is_not_kept(self, run, home):
        first = into_a_full_file(home, "token", "new", "ann", "--tokens", "t.tokens")
        before = (home / "t.tokens").exists()
        run("token", "new", "bob", "--tokens", "t.tokens")
        second = into_a_full_file(home, "token", "new", "ann", "--tokens", "t.tokens")

        assert not before
        for ended in (first, second):
            assert ended.returncode == 2
            assert ended.stderr.startswith("The token cannot be printed: No space left on device; it was not")
        assert [row[1] for row in run("token", "list", "--tokens", "t.tokens").rows] == ["bob"]

    def test_interrupt_while_it_loads_is_no_traceback(self, home):
        """As Ctrl-C right after the start: the first module that the command line imports is interrupted."""
        (home / "typer.py").write_text("raise KeyboardInterrupt")
        path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])

        ended = process(home, "ls", SPACE, PYTHONPATH=path)

        assert (ended.returncode, ended.stderr) == (130, "")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("get", SPACE, "missing"), "Key not found: 'missing'"),
            (("ls", SPACE, "--server", "http://127.0.0.1:1"), "Cannot connect"),
            (("set", SPACE, "k", "{"), "The value is not JSON"),
        ],
        ids=str,
    )
    def test_mistake_ends_with_2_and_says_why_on_standard_error(self, run, home, arguments, words):
        ended = process(home, *arguments)

        assert ended.returncode == 2
        assert ended.stdout == ""
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_output_that_cannot_hold_a_character_is_no_failure(self, run, home, storage):
        """A terminal of another encoding gets what it can show."""
        storage["emoji"] = "😀"

        for arguments in (("ls", SPACE), ("get", SPACE, "emoji"), ("get", SPACE, "😀")):
            ended = process(home, *arguments, PYTHONIOENCODING="latin-1")

            assert "Traceback" not in ended.stderr
        told = process(home, "get", SPACE, "emoji", PYTHONIOENCODING="latin-1").stdout
        assert json.loads(told) == "😀"


class TestStreamsThatAreClosed:
    """A process may be started without standard streams; Python has None in their place."""

    @pytest.mark.parametrize("arguments", [("ls", SPACE), ("--help",), ("key", "list"), ("doctor",)], ids=str)
    @pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
    def test_a_command_says_a_line_or_nothing(self, run, home, storage, arguments, closed):
        storage["k"] = 1
        redirections = " ".join(f"{descriptor}>&-" for descriptor in closed)

        ended = subprocess.run(
            ["sh", "-c", f'"$@" {redirections}', "sh", *command(*arguments)],
            capture_output=True,
            encoding="utf-8",
            env=dict(os.environ),
            cwd=home,
            timeout=60,
        )

        assert "Traceback" not in ended.stderr
        if 1 in closed:
            assert ended.returncode != 0
            assert 2 in closed or ended.stderr.strip()


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf"])
@pytest.mark.parametrize("way", ["file", "input"])
def test_a_byte_order_mark_is_no_part_of_a_value(run, home, storage, way, mark):
    raw = mark + b'{"lr": 0.1}'
    (home / "value.json").write_bytes(raw)
    place = "@value.json" if way == "file" else "-"

    ended = subprocess.run(
        command("set", SPACE, "marked", place),
        input=raw,
        capture_output=True,
        env=dict(os.environ),
        cwd=home,
        timeout=60,
    )

    assert ended.returncode == 0, ended.stderr
    assert storage["marked"] == {"lr": 0.1}
