from __future__ import annotations

import itertools
import json
import urllib.request
from enum import Enum, StrEnum

import pytest

from registry.errors import CoercionError, EnvelopeTooLargeError, SerializationError
from registry.storage.remote import RemoteStorageProxy
from tests.contract.storages.contract import StorageContract, outside

numbers = itertools.count()


class Colour(StrEnum):
    RED = "red"


class OldColour(str, Enum):  # noqa: UP042 - what is tested is that its str() is not its text
    RED = "red"


def look_up_what_is_missing(storage):
    with pytest.raises(KeyError):
        storage["missing"]


class TestRemoteStorage(StorageContract):
    any_key = False

    @pytest.fixture(autouse=True)
    def home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.delenv("REGISTRY_SIGNING_KEY_FILE", raising=False)

    @pytest.fixture
    def storage(self, memory_server):
        return RemoteStorageProxy(f"contract.n{next(numbers)}", url=memory_server.url, timeout=30)

    @pytest.fixture
    def requests_of(self, memory_server):
        """``requests_of(call)``: how many requests the server counts for it."""

        def total():
            with urllib.request.urlopen(f"{memory_server.url}/stats") as answer:
                return json.load(answer)["total_requests"]

        between = -total() + total()  # what asking itself costs

        def count(call):
            before = total()
            call()
            return total() - before - between

        return count

    # ---- values

    def test_a_json_value_is_made_afresh_for_each_reader(self, storage):
        storage["config"] = {"rates": [0.1]}

        storage["config"]["rates"].append(99)
        storage.get("config")["more"] = 1
        dict(storage.items())["config"].clear()
        storage.setdefault("config", {}).clear()

        assert storage["config"] == {"rates": [0.1]}

    def test_a_function_by_value_is_decoded_once_by_a_reader(self, storage):
        storage["f"] = lambda x: x + 1

        first = storage["f"]

        assert first(1) == 2
        assert storage["f"] is first
        assert storage.get("f") is first

    def test_a_replaced_function_is_seen_at_once(self, storage):
        storage["f"] = lambda: 1
        assert storage["f"]() == 1

        RemoteStorageProxy(storage.namespace, url=storage.url)["f"] = lambda: 2

        assert storage["f"]() == 2

    def test_two_proxies_of_a_namespace_see_the_same(self, storage):
        other = RemoteStorageProxy(storage.namespace, url=storage.url)

        storage["a"] = 1
        other["b"] = outside

        assert other["a"] == 1
        assert storage["b"] is outside
        assert list(storage) == list(other) == ["a", "b"]

    def test_namespaces_are_apart(self, storage):
        below = RemoteStorageProxy(f"{storage.namespace}.below", url=storage.url)
        below["a"] = 1

        assert "a" not in storage
        storage.clear()
        assert below["a"] == 1

    def test_what_cannot_travel_stores_nothing(self, storage):
        import threading

        with pytest.raises(SerializationError):
            storage["lock"] = threading.Lock()
        with pytest.raises(SerializationError):
            storage.update({"fine": 1, "lock": threading.Lock()})

        assert len(storage) == 0

    def test_a_value_beyond_the_limit_is_refused_before_it_is_sent(self, storage, requests_of):
        def write():
            with pytest.raises(EnvelopeTooLargeError):
                storage["a"] = "x" * (8 * 1024 * 1024)

        assert requests_of(write) == 0

    # ---- keys

    @pytest.mark.parametrize("key", ["", "x" * 1_025, "é" * 513, "\ud800"])
    def test_a_text_that_cannot_travel_is_refused_before_it_is_sent(self, storage, requests_of, key):
        def use():
            for call in (
                lambda: storage[key],
                lambda: storage.__setitem__(key, 1),
                lambda: storage.get(key, 0),
                lambda: key in storage,
            ):
                with pytest.raises(CoercionError):
                    call()

        assert requests_of(use) == 0

    @pytest.mark.parametrize("key", [Colour.RED, OldColour.RED])
    def test_a_text_of_another_class_stands_for_its_text(self, storage, key):
        storage[key] = 1

        assert storage["red"] == storage[key] == storage.get(key) == 1
        assert key in storage
        assert list(storage) == ["red"]
        assert storage.pop(key) == 1

    def test_more_entries_than_a_page_are_listed_in_order(self, storage):
        names = [f"{n:04}" for n in range(2_500)]

        storage.update(dict.fromkeys(names, 0))

        assert list(storage) == names
        assert len(storage) == len(list(storage.items())) == 2_500
        assert storage.names(prefix="12") == [f"12{n:02}" for n in range(100)]

    def test_a_batch_of_large_values_is_split_below_the_limit_of_a_body(self, storage):
        storage.update({str(n): "x" * 3_000_000 for n in range(7)})

        assert len(storage) == 7

    # ---- requests

    @pytest.mark.parametrize(
        ("requests", "call"),
        [
            (1, lambda storage: storage["there"]),
            (1, lambda storage: storage.get("missing", None)),
            (1, look_up_what_is_missing),
            (1, lambda storage: "there" in storage),
            (1, len),
            (1, lambda storage: list(iter(storage))),
            (1, lambda storage: list(iter(storage.items()))),
            (2, list),  # Python asks for the length first
            (1, lambda storage: storage.__setitem__("a", 1)),
            (1, lambda storage: storage.claim("a", 1)),
            (1, lambda storage: storage.claim("there", 2)),
            (1, lambda storage: storage.insert("a", 1)),
            (1, lambda storage: storage.setdefault("a", 1)),
            (1, lambda storage: storage.__delitem__("there")),
            (2, lambda storage: storage.pop("there")),
            (1, lambda storage: storage.clear()),
            (1, lambda storage: storage.update({str(n): n for n in range(1_000)})),
            (2, lambda storage: storage.update({str(n): n for n in range(1_001)})),
            (0, lambda storage: storage.update({})),
            (0, lambda storage: (repr(storage), bool(storage), storage.location, storage.prepare("a", 1))),
        ],
    )
    def test_an_operation_costs_so_many_requests(self, storage, requests_of, requests, call):
        storage["there"] = 1

        assert requests_of(lambda: call(storage)) == requests
