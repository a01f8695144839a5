"""The JSON Schema of a scheme travels with the callable, for readers who cannot decode it."""

from __future__ import annotations

import itertools
import json
import pickle
import types
from typing import Any

import pytest

from registry import RemoteStorageProxy, SchemeRegistry, SerializationError, UntrustedError
from registry.envelope.form import MAX_META_VALUE_LENGTH
from registry.factory.schemes import published
from tests.server.processes import LiveServer

numbers = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = LiveServer(tmp_path_factory.mktemp("server"), "memory:").start()
    yield server
    server.kill()


@pytest.fixture
def shared(server, tmp_path, monkeypatch):
    """``shared(**keywords)``: classes of one registry on the server, in an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    namespace = f"factory.n{next(numbers)}"

    def make(**keywords: Any) -> Any:
        keywords = {"logic_namespace": namespace, "server": server.url, **keywords}
        return types.new_class("Shared", (SchemeRegistry,), keywords)

    return make


def train(lr: float, epochs: int = 3) -> None: ...


def by_position(a, /):
    return a


def test_readers_who_may_not_decode_the_callable_see_its_schema(shared):
    shared().register_artifact(train)
    reader = shared(trust="json")

    with pytest.raises(UntrustedError):
        reader.get_artifact("train")
    with pytest.raises(UntrustedError):
        reader.get_model("train")
    schema = reader.json_schema("train")

    assert schema == shared().json_schema("train")
    assert schema["required"] == ["lr"]


def test_the_schema_is_a_text_of_the_envelopes_meta(shared):
    registry = shared()
    registry.safe_register_batch({"train": train, "careful": {"lr": 0.1}})
    meta = registry._repository.entry("train").envelope.meta

    assert json.loads(meta["scheme"])["properties"]["epochs"]["default"] == 3
    assert registry._repository.entry("careful").envelope.meta is None


def test_registering_again_is_still_registering_the_same(shared):
    shared().register_artifact(train)
    shared().register_artifact(train)

    assert shared().has_artifact(train)


def test_what_has_no_schema_is_registered_all_the_same_and_says_why(shared):
    registry = shared()
    registry.register_artifact(by_position)
    meta = registry._repository.entry("by_position").envelope.meta

    assert "by position only" in meta["scheme_omitted"]
    assert "scheme" not in meta
    with pytest.raises(SerializationError):
        shared(trust="json").json_schema("by_position")


def test_a_schema_too_large_for_meta_is_left_out_and_says_so():
    source = ", ".join(f"parameter_{index}: int = {index}" for index in range(400))
    space: dict[str, Any] = {}
    exec(f"def wide({source}): pass", space)

    told = published("wide", space["wide"])

    assert set(told) == {"scheme_omitted"}
    assert told["scheme_omitted"].startswith("too large: ")
    assert str(MAX_META_VALUE_LENGTH) in told["scheme_omitted"]


def test_a_storage_that_was_pickled_still_publishes(shared):
    storage = pickle.loads(pickle.dumps(shared()._repository))
    storage["train"] = train

    assert isinstance(storage, RemoteStorageProxy)
    assert "scheme" in (storage.entry("train").envelope.meta or {})
