"""Commands of a user without a home directory: one error that says what to set, and no traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.server.processes import environment

# A user id without an entry, as containers have it: only HOME could say where the home is.
NOBODY = """
import os, pwd, sys

def unknown(key):
    raise KeyError(key)

pwd.getpwuid = pwd.getpwnam = unknown
from registry.__main__ import main
sys.argv = ["registry", *sys.argv[1:]]
main()
"""

AT_HOME = ("--storage", "sqlite:///~/x.db")
COMMANDS = [
    ["serve", "--port", "0"],
    ["serve", "--port", "0", *AT_HOME],
    ["--port", "0"],
    ["token", "new", "ann"],
    ["token", "new", "ann", *AT_HOME],
    ["token", "list"],
    ["token", "revoke", "x"],
    ["backup", "x.db"],
    ["backup", "x.db", *AT_HOME],
    ["restore", "x.db"],
    ["restore", "x.db", *AT_HOME],
    ["key", "list"],
    ["key", "new"],
    ["key", "rotate"],
    ["key", "remove", "x"],
]


@pytest.mark.parametrize("home", [None, "relative", "/proc/none"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_home_a_command_says_what_to_do(command, home, tmp_path):
    variables = environment(tmp_path)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "USER", "LOGNAME"):
        variables.pop(name, None)
    if home is not None:
        variables["HOME"] = home

    said = subprocess.run(
        [sys.executable, "-c", NOBODY, *command],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert said.returncode == 2, said.stdout + said.stderr
    assert "Traceback" not in said.stderr
    assert "None" not in said.stderr
    if home is None:
        assert "home directory" in said.stderr
