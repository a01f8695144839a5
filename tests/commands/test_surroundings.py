"""Commands without a standard stream, a home or an address of use: a line, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.commands.conftest import SPACE
from tests.commands.test_root import COMMANDS
from tests.server.processes import command

SECRET = "hunter2"
ARGUMENTS = {
    "ls": [SPACE],
    "get": [SPACE, "k"],
    "set": [SPACE, "k", "1"],
    "rm": [SPACE, "k"],
    "namespaces": [],
    "stats": [],
    "watch": [SPACE],
    "versions": [SPACE, "k"],
    "alias": [SPACE, "a", "k"],
    "deprecate": [SPACE, "k"],
    "freeze": [SPACE, "--output", "x.lock"],
    "export": [SPACE, "--output", "x.export"],
    "import": ["missing.export"],
    "key new": ["--file", "new.keys"],
    "key list": ["--file", "missing.keys"],
    "key rotate": ["--file", "missing.keys"],
    "key remove": ["x", "--file", "missing.keys"],
    "resign": [SPACE],
    "doctor": [SPACE],
    "conformance": ["http://127.0.0.1:1"],
    "token new": ["ann", "--tokens", "x.tokens"],
    "token list": ["--tokens", "x.tokens"],
    "token revoke": ["x", "--tokens", "x.tokens"],
    "backup": ["x.backup", "--storage", "sqlite:///missing.db"],
    "restore": ["missing.backup", "--storage", "sqlite:///missing.db"],
    "serve": ["--storage", "nonsense://x"],
}
OF_A_SERVER = [name for name in ARGUMENTS if name not in ("serve", "backup", "restore", "conformance")]
HOMELESS = """
import os, pwd, sys
def unknown(*_):
    raise KeyError("getpwuid(): uid not found")
pwd.getpwuid = unknown
for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
sys.argv[0] = "registry"
from registry.__main__ import main
main()
"""


def ended(home, arguments, *, closed: int | None = None, **variables: str):
    """The command in a process of its own, one of whose standard streams may be closed."""
    return subprocess.run(
        arguments,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        env={**os.environ, "REGISTRY_SERVER_URL": "http://127.0.0.1:1", **variables},
        cwd=home,
        timeout=120,
        preexec_fn=None if closed is None else lambda: os.close(closed),
    )


def test_every_command_is_here():
    assert COMMANDS.keys() == ARGUMENTS.keys()


@pytest.mark.parametrize("closed", [0, 1, 2], ids=["stdin", "stdout", "stderr"])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_closed_stream_is_no_traceback(home, name, closed):
    ran = ended(home, command(*name.split(), *ARGUMENTS[name]), closed=closed)

    assert ran.returncode in (0, 1, 2)
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["key", "list", "--help"]], ids=str)
def test_what_cannot_be_printed_is_one_line(home, arguments):
    ran = ended(home, command(*arguments), closed=1)

    assert ran.returncode == 2
    assert ran.stderr == "Cannot write what it says: Bad file descriptor\n"


def test_listing_without_an_output_is_one_line(run, home, storage):
    storage["k"] = 1

    ran = ended(home, command("ls", SPACE), closed=1, REGISTRY_SERVER_URL=os.environ["REGISTRY_SERVER_URL"])

    assert (ran.returncode, ran.stderr) == (2, "Cannot write what it says: Bad file descriptor\n")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_user_without_a_home_or_a_name_is_no_traceback(home, name):
    ran = ended(home, [sys.executable, "-c", HOMELESS, *name.split(), *ARGUMENTS[name]])

    assert ran.returncode in (0, 1, 2)
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("address", ["x", "http://", "http://h:x", "ftp://h", ",", "http://[::1", "\x1b[31m"])
def test_a_useless_address_is_a_line(home, address):
    ran = ended(home, command("ls", SPACE), REGISTRY_SERVER_URL=address)

    assert ran.returncode == 2
    assert ran.stderr.startswith("Not a server's address: ")
    assert "\x1b" not in ran.stderr


@pytest.mark.parametrize("name", OF_A_SERVER)
def test_a_password_in_the_address_is_refused_and_not_shown(home, run, name):
    os.environ["REGISTRY_SERVER_URL"] = f"http://ann:{SECRET}@127.0.0.1:1"

    ran = run(*name.split(), *ARGUMENTS[name])

    assert SECRET not in ran.out + ran.err
    if "--server" in {option for one in COMMANDS[name].params for option in one.opts}:
        assert ran.code == 2
        assert "use a token: REGISTRY_SERVER_TOKEN" in ran.err


BOM = b"\xef\xbb\xbf"


class TestByteOrderMarks:
    def test_of_a_value(self, run, home, storage):
        (home / "v.json").write_bytes(BOM + b'{"lr": 1}')

        assert run("set", SPACE, "file", "@v.json").code == 0
        assert run("set", SPACE, "piped", "-", stdin=BOM + b'{"lr": 1}').code == 0
        assert storage["file"] == storage["piped"] == {"lr": 1}

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
    def test_of_another_encoding(self, run, home, encoding):
        (home / "v.json").write_bytes("1".encode(encoding))

        ran = run("set", SPACE, "k", "@v.json")

        assert ran.code == 2
        assert "The value is not UTF-8" in ran.err

    def test_of_an_export(self, run, home, storage):
        storage["k"] = 1
        run("export", SPACE, "-o", "x.export")
        marked = home / "x.export"
        marked.write_bytes(BOM + marked.read_bytes())
        storage.clear()

        assert run("import", "x.export").code == 0
        assert storage["k"] == 1

    def test_of_a_lock_file(self, run, home, storage):
        storage["k"] = 1
        run("freeze", SPACE, "-o", "x.lock")
        marked = home / "x.lock"
        marked.write_bytes(BOM + marked.read_bytes())

        assert run("freeze", SPACE, "-o", "x.lock", "--check").code == 0

    def test_of_a_key_file(self, run, home):
        run("key", "new", "--file", "x.keys")
        ids = run("key", "list", "--file", "x.keys").out
        marked = home / "x.keys"
        marked.write_bytes(BOM + marked.read_bytes())

        assert run("key", "list", "--file", "x.keys").out == ids


def test_a_server_serves_without_an_output(home):
    """As a daemon does."""
    with subprocess.Popen(
        command("serve", "--port", "0", "--storage", "memory:"),
        stderr=subprocess.PIPE,
        cwd=home,
        env=dict(os.environ),
        preexec_fn=lambda: os.close(1),
    ) as serving:
        with pytest.raises(subprocess.TimeoutExpired):
            serving.wait(5)
        serving.terminate()
        assert serving.stderr is not None
        said = serving.stderr.read().decode()

    assert serving.returncode == 0
    assert "Traceback" not in said
