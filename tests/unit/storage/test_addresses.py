"""What is no address of a server is refused before anything, a token above all, is sent."""

from __future__ import annotations

import pytest

from registry import ValidationError
from registry.storage.remote import RemoteStorageProxy
from registry.storage.server import RegistryServer


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
