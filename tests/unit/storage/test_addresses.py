"""Wrong addresses: refused before anything, a token above all, is sent, or told by what they answer."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest

from registry import RemoteError, ValidationError
from registry.errors import ServerUnreachableError
from registry.storage.remote import RemoteStorageProxy
from registry.storage.server import RegistryServer
from tests.unit.storage.bad_server import answers, problem, resets


@pytest.mark.parametrize("port", [-1, 0, 65_536, 99_999])
@pytest.mark.parametrize(
    "given",
    [
        lambda port: RemoteStorageProxy("a.b", url=f"http://127.0.0.1:{port}", token="t"),
        lambda port: RemoteStorageProxy("a.b", url=f"https://[::1]:{port}/path", token="t"),
        lambda port: RemoteStorageProxy("a.b", url=["http://a:1", f"http://b:{port}"]),
        lambda port: RemoteStorageProxy("a.b", "127.0.0.1", port, token="t"),
        lambda port: RemoteStorageProxy("a.b", port=port),
    ],
    ids=["url", "https and IPv6", "one of several", "host and port", "port"],
)
def test_a_port_that_there_is_not_is_refused(given, port):
    with pytest.raises(ValidationError, match="its port is not from 1 to 65535"):
        len(given(port))


def test_the_environments_ports_are_refused_too(monkeypatch):
    monkeypatch.setenv("REGISTRY_SERVER_URL", "http://127.0.0.1:99999")
    with pytest.raises(ValidationError, match="its port is not from 1 to 65535"):
        RegistryServer().health()

    monkeypatch.delenv("REGISTRY_SERVER_URL")
    monkeypatch.setenv("REGISTRY_SERVER_PORT", "0")  # which lets a server choose, and no client
    with pytest.raises(ValidationError, match="its port is not from 1 to 65535"):
        RegistryServer().health()


@pytest.mark.parametrize("host", ["http://localhost", "localhost:8001", "a/b", "me@a", "[::1]", "a b"])
def test_what_is_no_host_is_pointed_to_the_url(monkeypatch, host):
    monkeypatch.delenv("REGISTRY_SERVER_URL", raising=False)
    monkeypatch.setenv("REGISTRY_SERVER_HOST", host)

    with pytest.raises(ValidationError, match="Not a server's host: ") as refused:
        RegistryServer().health()

    assert "REGISTRY_SERVER_URL" in refused.value.suggestions[0]


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "::1", "fe80::1%eth0", "a-b.example"])
def test_names_and_addresses_are_hosts(host):
    assert RemoteStorageProxy("a.b", host, 65_535).url.endswith(":65535")


def test_a_server_without_tls_is_asked_without_it():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_refuses_tls, args=(listener,), daemon=True).start()
        address = f"://127.0.0.1:{listener.getsockname()[1]}"

        with pytest.raises(ServerUnreachableError, match="does not speak TLS") as refused:
            len(RemoteStorageProxy("a.b", url=f"https{address}"))

    assert refused.value.suggestions == [f"ask it without TLS: http{address}"]


def _refuses_tls(listener):
    """Answers whatever comes as a server that speaks plain HTTP does."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_a_server_that_only_hangs_up_may_wait_for_tls(server_that):
    server = server_that(resets)

    with pytest.raises(ServerUnreachableError, match="Lost the connection") as lost:
        len(RemoteStorageProxy("a.b", url=server.url))

    assert f"https{server.url.removeprefix('http')}" in lost.value.suggestions[-1]


@pytest.mark.parametrize(
    "answering", [answers(404, content="text/html"), problem(404, "not_found")], ids=["page", "problem"]
)
def test_what_is_not_found_under_a_path_suggests_to_leave_it_out(server_that, answering):
    server = server_that(answering)

    with pytest.raises(RemoteError) as missing:
        len(RemoteStorageProxy("a.b", url=f"{server.url}/some/path"))

    assert missing.value.suggestions[0] == f"leave out the path, if no proxy adds it: {server.url}"


def test_a_cursor_that_is_none_is_told_what_to_give(server_that):
    server = server_that(problem(400, "invalid_cursor"))

    with pytest.raises(RemoteError) as refused:
        len(RemoteStorageProxy("a.b", url=server.url))

    assert refused.value.suggestions == ["give the cursor of a change, or none: what changes from now on"]
