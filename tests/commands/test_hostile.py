"""Whoever can write to a server chooses names, values and meta: a terminal shows them and obeys none."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess

import pytest

from registry.commands import terminal
from registry.errors import RegistryError
from tests.commands.conftest import SPACE, Ran
from tests.server.processes import command

TEXTS = [
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[31m",
    "\x9b31m",
    "\x90+q\x9c",
    "a\rb",
    "a\nb",
    "a\tb",
    "a\bb",
    "\x00",
    "\x7f",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\u2028",
    "\u200b",
    "\U000e0041",
    "[red]x[/red]",
    "[/]",
    "[link=http://x.example]y[/link]",
    ":bug:",
    "\\[red]",
    "😀",
    "--all",
]


def obeyed(text: str) -> set[str]:
    """The characters of an output that a terminal would not just show."""
    return {c for c in text if not c.isprintable()} - {"\n"}


def stored(storage, text):
    """An entry of code whose every text is ``text``."""

    def function(): ...

    envelope = storage.prepare(text, function)
    forged = {"kind": text, "module": text, "qualname": text, text: text}
    storage._set(text, envelope._replace(meta={**envelope.meta, **forged}))


@pytest.fixture(params=TEXTS, ids=ascii)
def text(request, storage):
    """A hostile text, stored as the name and the meta of an entry."""
    stored(storage, request.param)
    return request.param


def shown(text: str) -> str:
    """How it has to appear: itself, but for what is not printable."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class TestNames:
    def test_listing_shows_every_text_as_it_is(self, run, text):
        ran = run("ls", SPACE)

        assert obeyed(ran.out) == set()
        assert ran.out.count(shown(text)) >= 3

    def test_facts_of_an_entry(self, run, text):
        ran = run("get", SPACE, "--", text)

        assert obeyed(ran.out) == set()
        assert ran.out.count(shown(text)) >= 3

    @pytest.mark.parametrize("asked", [("ls",), ("get", "--json")])
    def test_json_tells_it_exactly(self, run, text, asked):
        name, *options = asked
        ran = run(name, SPACE, "--json") if name == "ls" else run(name, SPACE, *options, "--", text)

        assert obeyed(ran.out) == set()
        assert f'"key": {json.dumps(text)}' in json.dumps(ran.json)

    def test_storing_and_removing(self, run, text):
        for ran in (run("set", SPACE, "--", text, "1"), run("rm", SPACE, "--", text)):
            assert ran.code == 0, ran.err
            assert obeyed(ran.out) == set()
            assert shown(text) in ran.out

    def test_what_is_taken(self, run, text):
        ran = run("set", SPACE, "--create", "--", text, "1")

        assert ran.code == 2
        assert obeyed(ran.err) == set()

    def test_what_was_not_signed_by_us(self, run, text):
        ran = run("resign", SPACE)

        assert ran.code == 1
        assert obeyed(ran.out) == set()
        assert f"left as it is: {shown(text)}: " in ran.out

    def test_near_names(self, run, text):
        ran = run("get", SPACE, "--", text + "~")

        assert ran.code == 2
        assert obeyed(ran.err) == set()


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
class TestValues:
    def test_value_is_printed_as_the_json_it_is(self, run, storage, text):
        storage["k"] = {text: [text]}

        ran = run("get", SPACE, "k")

        assert obeyed(ran.out) == set()
        assert ran.json == {text: [text]}

    def test_listing_shows_the_beginning(self, run, storage, text):
        storage["k"] = text

        assert obeyed(run("ls", SPACE).out) == set()

    def test_prefix_is_shown_back(self, run, text):
        for ran in (run("ls", SPACE, f"--prefix={text}"), run("namespaces", f"--prefix={text}")):
            assert obeyed(ran.out + ran.err) == set()

    def test_errors_of_a_server_are_one_line_each(self, text):
        error = RegistryError(text, suggestions=[text], context={text: text})

        said = terminal.explained(error).split("\n")

        assert len(said) == 3
        assert not any(map(obeyed, said))

    def test_numbers_of_a_server(self, run, monkeypatch, text):
        numbers = {"storage": text, text: 1, "namespace_sizes": {text: 1}}
        monkeypatch.setattr("registry.storage.server.RegistryServer.stats", lambda self: dict(numbers))

        ran = run("stats")

        assert obeyed(ran.out) == set()
        assert ran.out.count(shown(text.replace("_", " "))) >= 3


def in_a_terminal(home, *arguments: str, **variables: str) -> Ran:
    """The command in a process whose standard streams are a terminal: nothing is filtered on the way."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **variables},
        cwd=home,
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # Linux says so when the other side has closed
        while part := os.read(ours, 65_536):
            said += part
    os.close(ours)
    return Ran(process.wait(30), said.decode().replace("\r\n", "\n"), "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("ls", SPACE),
        ("ls", SPACE, "--json"),
        ("get", SPACE, "k"),
        ("get", SPACE, "nothing\x1b[31m"),
        ("set", SPACE, "\x1b[31m", "1"),
        ("rm", SPACE, "\x1b]0;owned\x07"),
    ],
    ids=ascii,
)
def test_a_real_terminal_gets_no_command(run, home, storage, arguments):
    storage["\x1b]0;owned\x07"] = "\x1b[31m\x9b31m"
    storage["k"] = ["\x9b31m", "\x7f"]

    ran = in_a_terminal(home, *arguments)

    assert ran.code == (2 if "nothing" in str(arguments) else 0), ran.out
    assert ran.out
    assert obeyed(ran.out) == set()


def test_long_name_is_whole_in_a_narrow_terminal(run, home, storage):
    """Broken into lines, not cut: it is what `registry get` has to be given."""
    storage["n" * 300] = 1

    assert in_a_terminal(home, "ls", SPACE, COLUMNS="80", TERM="xterm").out.count("n") >= 300


def test_colours_are_ours_alone(run, home, storage):
    """In a terminal that has colours the head is bold, and there is no other command."""
    storage["[red]x\x1b[31m"] = 1

    ran = in_a_terminal(home, "ls", SPACE, NO_COLOR="", TERM="xterm-256color")

    assert "\x1b[1m" in ran.out
    assert obeyed(ran.out.replace("\x1b[1m", "").replace("\x1b[0m", "")) == set()
    assert "[red]x\\x1b[31m" in ran.out
