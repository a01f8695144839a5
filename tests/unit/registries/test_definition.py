"""What a registry's class statement takes, and that defining one contacts nobody."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from registry import (
    CoercionError,
    FunctionalRegistry,
    NamespaceError,
    ThreadSafeLocalStorage,
    TypeRegistry,
    ValidationError,
)
from registry.storage.remote import RemoteStorageProxy
from tests.unit.registries.artifacts import mae, mse


class Module(FunctionalRegistry, logic_namespace="unit.module", server="http://127.0.0.1:9"):
    pass


def test_a_registry_is_local_unless_it_has_a_namespace():
    class Losses(FunctionalRegistry):
        pass

    assert isinstance(Losses._repository, ThreadSafeLocalStorage)
    assert isinstance(Module._repository, RemoteStorageProxy)
    assert Module._repository.namespace == "unit.module"


@pytest.mark.parametrize("namespace", ["", "a_b", "a..b", "a/b", "ä", 7])
def test_an_invalid_namespace_is_refused_when_the_class_is_defined(namespace):
    with pytest.raises(NamespaceError, match=r"^Invalid namespace: ") as caught:

        class Losses(FunctionalRegistry, logic_namespace=namespace):
            pass

    assert isinstance(caught.value, ValueError)


def test_defining_a_shared_registry_contacts_nobody_and_loads_no_http():
    program = """
import socket, sys
def refuse(*arguments): raise AssertionError("contacted")
socket.socket.connect = refuse
from registry import FunctionalRegistry
class Local(FunctionalRegistry): pass
Local.register_artifact("f", len)
assert Local["f"] is len
assert not {"httpx", "pydantic", "cloudpickle", "rich", "attr"} & set(sys.modules)
class Shared(FunctionalRegistry, logic_namespace="a.b", server="http://127.0.0.1:9"): pass
assert bool(Shared)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_registries_of_one_namespace_share_it(define_shared):
    one = define_shared()
    other = define_shared(logic_namespace=one._repository.namespace)

    one.register_artifact(mse)

    assert other["mse"] is mse


def test_the_server_is_read_from_the_environment_at_first_contact(monkeypatch, memory_server):
    class Losses(FunctionalRegistry, logic_namespace="unit.environment"):
        pass

    monkeypatch.setenv("REGISTRY_SERVER_URL", memory_server.url)
    Losses.register_artifact(mse)
    monkeypatch.delenv("REGISTRY_SERVER_URL")
    monkeypatch.setenv("REGISTRY_SERVER_HOST", memory_server.host)
    monkeypatch.setenv("REGISTRY_SERVER_PORT", str(memory_server.port))

    assert Losses["mse"] is mse


def test_a_users_mapping_holds_the_artifacts():
    shelf = {"mae": mae}

    class Losses(FunctionalRegistry, storage=shelf):
        pass

    Losses.register_artifact(mse)

    assert shelf == {"mae": mae, "mse": mse}
    assert Losses["mae"] is mae


def test_a_storage_of_ours_is_taken_as_it_is(memory_server):
    storage = RemoteStorageProxy("unit.given", url=memory_server.url)

    class Losses(FunctionalRegistry, storage=storage):
        pass

    assert Losses._repository is storage


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"storage": {}, "logic_namespace": "a.b"}, "both storage= and logic_namespace="),
        ({"storage": 3}, "storage= is a mapping that can be changed, not int"),
        ({"storage": []}, "storage= is a mapping that can be changed, not list"),
        ({"server": "http://localhost:8001"}, "server= without logic_namespace="),
        ({"storage": {}, "server": "http://localhost:8001"}, "server= without logic_namespace="),
    ],
)
def test_keywords_that_make_no_registry_are_refused(keywords, words):
    with pytest.raises(ValidationError, match=words) as caught:

        class Losses(FunctionalRegistry, **keywords):
            pass

    assert caught.value.suggestions


def test_an_unknown_keyword_is_refused_with_the_one_that_was_meant():
    with pytest.raises(
        CoercionError, match="Losses is defined with logic_namspace=, which no base"
    ) as caught:

        class Losses(FunctionalRegistry, logic_namspace="a.b"):
            pass

    assert caught.value.suggestions[0] == "logic_namespace="


class Labelled:
    """A user's base with a keyword of its own."""

    def __init_subclass__(cls, *, label: str = "", **keywords):
        super().__init_subclass__(**keywords)
        cls.label = label
        if label == "bad":
            raise TypeError("no such label")


def test_a_keyword_of_another_base_reaches_it():
    class Losses(FunctionalRegistry, Labelled, label="l", on_duplicate="keep"):
        pass

    assert Losses.label == "l"
    with pytest.raises(CoercionError, match=r"defined with lable=, .* Did you mean 'label'\?"):

        class Slip(FunctionalRegistry, Labelled, lable="l"):
            pass

    with pytest.raises(CoercionError, match="defined with strikt=, "):

        class Other(FunctionalRegistry, Labelled, label="l", strikt=True):
            pass

    with pytest.raises(TypeError, match=r"^no such label$"):

        class Bad(FunctionalRegistry, Labelled, label="bad"):
            pass


def test_a_wrong_server_address_is_named_at_first_contact():
    class Losses(FunctionalRegistry, logic_namespace="a.b", server="localhost:8001"):
        pass

    with pytest.raises(ValidationError, match="Not a server's address: 'localhost:8001'"):
        len(Losses)


@pytest.mark.parametrize("kind", [FunctionalRegistry, TypeRegistry])
def test_a_base_between_is_made_with_the_keyword_base(kind):
    class Team(kind, base=True, on_duplicate="keep"):
        pass

    class Mine(Team):
        pass

    class Yours(Team):
        pass

    with pytest.raises(ValidationError, match="Team is a base"):
        len(Team)
    Mine.register_artifact("x", int)
    assert len(Yours) == 0


def test_a_registry_class_pickles_by_its_name():
    assert pickle.loads(pickle.dumps(Module)) is Module


def test_a_proxy_pickles_by_its_settings_and_without_its_token():
    proxy = RemoteStorageProxy(
        "a.b",
        "db.example",
        99,
        2.5,
        token="s3cret",
        trust="refs",
        trusted_modules=["numpy"],
        home_package="me",
    )

    raw = pickle.dumps(proxy)
    found = pickle.loads(raw)

    assert (found.namespace, found.host, found.port, found.timeout) == ("a.b", "db.example", 99, 2.5)
    assert found._codec.policy.level is proxy._codec.policy.level
    assert found._codec.policy.trusted_modules == ("numpy",)
    assert found._codec.policy.home_package == "me"
    assert b"s3cret" not in raw


def test_a_proxy_shows_where_it_is(monkeypatch):
    assert RemoteStorageProxy("a.b").url == "http://localhost:8001"
    assert RemoteStorageProxy("a.b").timeout == 5.0
    assert RemoteStorageProxy("a.b", host="::1").url == "http://[::1]:8001"
    https = RemoteStorageProxy("a.b", url="https://registry.example/")
    assert (https.url, https.host, https.port) == ("https://registry.example", "registry.example", 443)

    monkeypatch.setenv("REGISTRY_SERVER_URL", "http://from.environment:1")
    assert RemoteStorageProxy("a.b").host == "from.environment"
    assert RemoteStorageProxy("a.b", port=5).url == "http://localhost:5"
    assert RemoteStorageProxy("a.b", url="http://given:2").port == 2
