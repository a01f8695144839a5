"""Starting and stopping: what it says, where it listens, and what a mistake in the set-up is answered."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from registry.cli import main
from registry_server import cli
from tests.server.processes import LiveServer, command, environment

VALUE = {"type": "json", "data": "1", "encoding": "json"}


def key(text: str) -> dict[str, str]:
    return {"type": "json", "data": f'"{text}"', "encoding": "json"}


def process(folder: Path, *arguments: str, module: str = "registry") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, to its end."""
    return subprocess.run(
        command(*arguments, module=module),
        capture_output=True,
        text=True,
        env=environment(folder, COLUMNS="200", NO_COLOR="1", TERM="dumb"),
        cwd=folder,
        timeout=30,
    )


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """``run(*arguments, **variables)``: the command in this process, to its end: for what cannot start."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        settings = environment(tmp_path, COLUMNS="200", NO_COLOR="1", TERM="dumb", **variables)
        monkeypatch.setattr(os, "environ", settings)
        monkeypatch.setattr(sys, "argv", ["registry", *arguments])
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as exited:
            main()
        code = exited.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


def assert_mistake(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2 and one message that has ``words``; no traceback and no start-up lines."""
    said = " ".join(done.stderr.replace("│", " ").split())
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in said
    for word in words:
        assert word in said


def wait_until_refused(server: LiveServer) -> None:
    """Until it listens no more: it has heeded the signal."""
    while True:
        try:
            socket.create_connection((server.host, server.port), timeout=5).close()
        except OSError:
            return


class TestStarting:
    @pytest.mark.parametrize("live_server", ["memory:"], indirect=True)
    def test_says_where_it_listens_and_where_the_data_lies(self, live_server):
        assert live_server.greeting == [
            f"registry server on http://127.0.0.1:{live_server.port}  (API: /docs/)\n",
            "data in memory:\n",
        ]

    def test_names_the_file_that_holds_the_data(self, live_server, tmp_path):
        assert live_server.greeting[1] == f"data in {live_server.storage}\n"
        assert str(tmp_path) in live_server.storage

    def test_answers_on_every_address_of_localhost(self, start_server):
        server = start_server("memory:", host="localhost")

        addresses = {
            str(found[4][0])
            for found in socket.getaddrinfo("localhost", server.port, type=socket.SOCK_STREAM)
        }

        assert "127.0.0.1" in addresses
        for address in addresses:
            with socket.create_connection((address, server.port), timeout=5):
                pass

    def test_off_loopback_it_says_loudly_what_that_means(self, start_server):
        server = start_server("memory:", host="0.0.0.0")
        server.stop()

        assert "WARNING: this address can be reached from other machines" in "\n".join(server.said)

    def test_takes_host_port_and_storage_from_the_environment(self, run):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            taken = probe.getsockname()[1]
            done = run(
                REGISTRY_SERVER_HOST="127.0.0.1",
                REGISTRY_SERVER_PORT=str(taken),
                REGISTRY_SERVER_STORAGE="memory:",
            )

        assert_mistake(done, f"Cannot listen on 127.0.0.1:{taken}")

    def test_storage_comes_from_the_environment(self, run):
        done = run("--port", "0", REGISTRY_SERVER_STORAGE="floppy:")

        assert_mistake(done, "no storage goes by this URL's scheme")

    def test_an_empty_variable_counts_as_not_set(self, run):
        done = run(
            "--storage",
            "floppy:",
            REGISTRY_SERVER_HOST="",
            REGISTRY_SERVER_PORT="",
            REGISTRY_SERVER_STORAGE="",
        )

        assert_mistake(done, "no storage goes by this URL's scheme")

    def test_an_option_overrules_the_environment(self, run):
        done = run("--host", "no.such.host.invalid", REGISTRY_SERVER_HOST="127.0.0.1")

        assert_mistake(done, "Cannot listen on 'no.such.host.invalid'", "Use --host")

    @pytest.mark.parametrize("module", ["registry", "registry.__main__"])
    def test_help_shows_every_option(self, module, tmp_path):
        done = process(tmp_path, "--help", module=module)

        assert done.returncode == 0, done.stderr
        for option in ("--host", "--port", "--storage", "--debug", "--allowed-host"):
            assert option in done.stdout

    def test_keeps_data_in_the_users_data_directory_by_default(self, tmp_path):
        server = LiveServer(tmp_path, storage="").start()
        server.stop()

        assert server.greeting[1] == f"data in sqlite:///{tmp_path}/data/namestead/registry.db\n"
        assert (tmp_path / "data/namestead").stat().st_mode & 0o077 == 0


class TestStopping:
    @pytest.mark.parametrize(
        ("number", "storage", "last_words"),
        [
            (signal.SIGTERM, None, "stopped; everything acknowledged is stored"),
            (signal.SIGINT, None, "stopped; everything acknowledged is stored"),
            (signal.SIGINT, "memory:", "stopped; its memory is gone"),
        ],
        ids=["SIGTERM", "SIGINT", "SIGINT on memory"],
    )
    def test_a_signal_stops_it_cleanly(self, number, storage, last_words, start_server):
        server = start_server(storage)
        httpx.get(f"{server.url}/health")

        code = server.stop(number)

        assert code == 0
        assert server.log == ""
        assert server.said[-1] == last_words

    def test_an_idle_connection_does_not_keep_it(self, live_server):
        with httpx.Client(base_url=live_server.url) as client:
            client.get("/health")

            assert live_server.stop() == 0

    def test_sqlite_is_closed_so_that_no_log_stays_behind(self, live_server):
        httpx.post(f"{live_server.url}/registry/a/set", json={"key": key("k"), "value": VALUE})

        live_server.stop()

        file = Path(live_server.storage.removeprefix("sqlite:///"))
        assert file.exists()
        assert not file.with_name("registry.db-wal").exists()

    def test_a_request_under_way_is_finished_however_often_ctrl_c_is_pressed(self, live_server):
        body = json.dumps({"key": key("k"), "value": VALUE}).encode()
        head = b"POST /registry/a/set HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection((live_server.host, live_server.port), timeout=10) as slow:
            slow.sendall(head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
            assert slow.recv(100).startswith(b"HTTP/1.1 100")  # now it waits for the body

            live_server.process.send_signal(signal.SIGINT)
            wait_until_refused(live_server)
            live_server.process.send_signal(signal.SIGINT)
            slow.sendall(body)

            assert slow.recv(1000).startswith(b"HTTP/1.1 200")
        assert live_server.stop() == 0
        assert live_server.log == ""

    def test_what_was_acknowledged_is_there_after_a_restart(self, live_server):
        """REG-REV-04."""
        httpx.post(f"{live_server.url}/registry/a/set", json={"key": key("k"), "value": VALUE})
        before = httpx.get(f"{live_server.url}/registry/a/get?key=k").json()

        live_server.kill()
        live_server.restart()

        assert httpx.get(f"{live_server.url}/registry/a/get?key=k").json() == before


class TestMistakes:
    def test_an_occupied_port(self, live_server, tmp_path):
        done = process(
            tmp_path, "--host", "127.0.0.1", "--port", str(live_server.port), "--storage", "memory:"
        )

        assert_mistake(
            done, f"Cannot listen on 127.0.0.1:{live_server.port}", "Address already in use", "--port"
        )

    @pytest.mark.parametrize("port", ["http", "-1", "65536", "80.5", ""])
    def test_a_port_that_is_none(self, port, run):
        assert_mistake(run("--port", port), "--port")

    @pytest.mark.parametrize("name", ["a b", "", "http://registry.example", "registry.example:8001", "é"])
    def test_a_host_to_answer_for_that_is_none(self, name, run):
        assert_mistake(run("--port", "0", "--allowed-host", name), "no host name", "--allowed-host")

    @pytest.mark.parametrize("proxy", ["foo", "", "10.0.0.1/8", "10.0.0.0/99"])
    def test_a_proxy_to_trust_that_is_none(self, proxy, run):
        assert_mistake(run("--port", "0", "--trusted-proxy", proxy), "no address or network")

    def test_a_port_of_the_environment_that_is_none(self, run):
        done = run("--storage", "memory:", REGISTRY_SERVER_PORT="http")

        assert_mistake(done, "REGISTRY_SERVER_PORT")

    def test_an_unknown_storage(self, run):
        done = run("--port", "0", "--storage", "sqlit:///registry.db")

        assert_mistake(
            done, "memory:, sqlite:///path/to/registry.db, postgresql:", "Did you mean 'sqlite://'?"
        )

    @pytest.mark.parametrize(
        ("storage", "told"),
        [
            ("postgresql://user:hunter2@localhost:1/x", "cannot be reached"),
            ("redis://user:hunter2@localhost:1", "redis://"),
            ("mysql://user:hunter2@db/x", "memory:, sqlite:///path/to/registry.db"),
        ],
    )
    def test_a_storages_password_is_not_repeated(self, storage, told, run):
        done = run("--port", "0", "--storage", storage)

        assert_mistake(done, told)
        assert "hunter2" not in done.stderr

    def test_a_database_that_another_server_holds(self, live_server, run):
        done = run("--port", "0", "--storage", live_server.storage)

        assert_mistake(done, f"is held by process {live_server.process.pid}", "--storage")

    def test_a_file_that_is_no_database(self, tmp_path, run):
        (tmp_path / "notes.txt").write_text("not a database" * 100)

        done = run("--port", "0", "--storage", "sqlite:///notes.txt")

        assert_mistake(done, "is not a SQLite database", "--storage")
        assert (tmp_path / "notes.txt").read_text() == "not a database" * 100

    def test_a_folder_that_is_not_there(self, tmp_path, run):
        done = run("--port", "0", "--storage", "sqlite:///missing/registry.db")

        assert_mistake(done, f"there is no directory {tmp_path}/missing", "--storage")

    def test_a_data_directory_that_cannot_be_made(self, tmp_path, run):
        (tmp_path / "data").write_text("a file where the folder would be")

        done = run("--port", "0")

        assert_mistake(done, "cannot create the data directory", "--storage sqlite:///path/to/registry.db")

    def test_an_unknown_option(self, run):
        assert_mistake(run("--hots", "localhost"), "--hots", "--host")


class TestAddresses:
    """Of a host with two addresses, here two of loopback's, whichever families a machine has."""

    @pytest.fixture(autouse=True)
    def two_addresses(self, monkeypatch):
        def found(_host, port, **_options):
            family = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*family, ("127.0.0.1", port)), (*family, ("127.0.0.2", port))]

        monkeypatch.setattr(socket, "getaddrinfo", found)

    @pytest.fixture
    def bind(self):
        bound = []

        def bind(port):
            bound.extend(cli._bind("two.example", port))
            return [socket.getsockname() for socket in bound]

        yield bind
        for one in bound:
            one.close()

    def test_both_get_the_port_that_the_system_chose(self, bind):
        first, second = bind(0)

        assert first[1] == second[1] > 0

    @pytest.mark.parametrize("taken", ["127.0.0.1", "127.0.0.2"])
    def test_one_that_is_taken_is_refused(self, taken, bind):
        """Else half of the clients, those that try this address first, would talk to a stranger."""
        with socket.create_server((taken, 0)) as stranger, pytest.raises(cli.SetupError, match="in use"):
            bind(stranger.getsockname()[1])

    @pytest.mark.parametrize("missing", ["127.0.0.1", "127.0.0.2"])
    def test_one_that_the_machine_has_not_is_passed_over(self, missing, bind, monkeypatch):
        listening = cli._listening

        def without(family, kind, protocol, address, shared):
            if address[0] == missing:
                raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
            return listening(family, kind, protocol, address, shared)

        monkeypatch.setattr(cli, "_listening", without)

        [(address, _)] = bind(0)

        assert address != missing
