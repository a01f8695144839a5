"""``registry watch``, in a process of its own as people run it: until Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.commands.conftest import SPACE, assert_mistake
from tests.server.processes import command, environment


@pytest.fixture
def watching(storage, url, tmp_path):
    """``watching(*options)``: the running command, from before anything was stored."""
    running = []
    storage["before"] = 0
    start = storage.entry("before").etag

    def watch(*options):
        process = subprocess.Popen(
            [*command("watch", SPACE, "--since", start, *options)],
            env=environment(tmp_path, REGISTRY_SERVER_URL=url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield watch
    for process in running:
        process.kill()
        process.communicate()


def test_a_line_for_each_change_until_ctrl_c(storage, watching):
    process = watching()
    storage["lr"] = 0.1
    del storage["lr"]
    storage.clear()

    lines = [process.stdout.readline().split() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert [line[2:] for line in lines] == [["set", "lr"], ["delete", "lr"], ["clear"]]
    assert (process.returncode, out, err) == (130, "", "")


def test_an_object_on_a_line_for_scripts(storage, watching):
    process = watching("--json")
    storage["a\x1b[31m\nb"] = 1

    line = process.stdout.readline()

    told = json.loads(line)
    assert told["op"] == "set"
    assert told["key"] == "a\x1b[31m\nb"
    assert told["cursor"] == storage.entry(told["key"]).etag
    assert told["digest"] == storage.entry(told["key"]).digest
    assert "\x1b" not in line


def test_names_cannot_command_the_terminal(storage, watching):
    process = watching()
    storage["a\x1b[31m\nb"] = 1

    assert process.stdout.readline().rstrip().endswith(r"a\x1b[31m\nb")


def test_what_is_no_cursor_is_a_mistake(run):
    assert_mistake(run("watch", SPACE, "--since", "yesterday"), "Not a cursor")


def test_a_cursor_of_another_store_is_told(run, storage, watching, url, tmp_path):
    process = subprocess.Popen(
        command("watch", SPACE, "--since", "another.7"),
        env=environment(tmp_path, REGISTRY_SERVER_URL=url),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert "resync" in process.stdout.readline()
    finally:
        process.kill()
        process.communicate()
