"""User and password in a server's address are not sent and not shown (RFC 3986, section 3.2.1)."""

from __future__ import annotations

import pickle

import pytest

from registry import ValidationError
from registry.storage.remote import RemoteStorageProxy
from registry.storage.server import RegistryServer
from tests.unit.storage.bad_server import BadServer, problem

SECRET = "hunter2"
NOT_FOUND = problem(404, "key_not_found")

ADDRESSES = [
    f"http://ann:{SECRET}@HOST",
    f"http://{SECRET}@HOST",
    f"http://ann:{SECRET}%40x@HOST",
    f"http://ann:p@{SECRET}@HOST",
    f"http://:{SECRET}@HOST",
    f"http://ann:x,{SECRET}@HOST",
    f"http://ann:{SECRET},x@HOST",
    f"http://ann:{SECRET}@127.0.0.1:1,http://bob:{SECRET}@HOST",
]
MALFORMED = [
    f"ann:{SECRET}@HOST",
    f"ann:{SECRET},x@HOST",
    f"//ann:{SECRET}@HOST",
    f"http:/ann:{SECRET}@HOST",
    f"ftp://ann:{SECRET}@HOST",
    f"http://ann:{SECRET}@",
    f"http://ann:{SECRET}@HOST:99999",
    f"http://ann:{SECRET}/x@ HOST",
    f"http://ann:{SECRET}/x@HOST:x",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("where", ["keyword", "environment"])
def test_they_are_left_out_with_a_warning(address: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = BadServer([NOT_FOUND])
    address = address.replace("HOST", f"127.0.0.1:{server.port}")
    try:
        with pytest.warns(UserWarning, match="REGISTRY_SERVER_TOKEN") as warned:
            if where == "environment":
                monkeypatch.setenv("REGISTRY_SERVER_URL", address)
                storage = RemoteStorageProxy("unit.secret")
            else:
                storage = RemoteStorageProxy("unit.secret", url=address)
            with pytest.raises(KeyError) as missing:
                storage["k"]
    finally:
        server.close()

    shown = [repr(storage), storage.location, str(missing.value), repr(missing.value.context)]
    shown += [str(warning.message) for warning in warned]
    assert SECRET not in " ".join(shown)
    assert SECRET.encode() not in pickle.dumps(storage)
    assert all("authorization" not in request.headers for request in server.requests)
    assert server.requests


@pytest.mark.filterwarnings("ignore:The user and password")
@pytest.mark.parametrize("address", MALFORMED)
def test_an_address_that_is_none_does_not_show_them_either(address: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RegistryServer(address.replace("HOST", "localhost")).health()

    assert SECRET not in f"{refused.value}{refused.value!r}{refused.value.context}"
