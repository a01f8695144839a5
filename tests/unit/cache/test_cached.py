"""A cached registry against a live server: what it promises, and what it costs in requests."""

from __future__ import annotations

import json
import urllib.request

import pytest

from registry import FunctionalRegistry, RegistryError, RemoteStorageProxy, SchemeRegistry, ValidationError
from registry.errors import SignatureMissingError
from registry.storage.cached import CachedStorage
from tests.e2e.conftest import until


@pytest.fixture
def requests_of(memory_server):
    """``requests_of(call)``: how many requests other than polls the server counts for it."""

    def total():
        with urllib.request.urlopen(f"{memory_server.url}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        counted = [line for line in lines if line.startswith("registry_requests_total{")]
        kept = [line for line in counted if "watch" not in line and "metrics" not in line]
        return sum(float(line.rpartition(" ")[2]) for line in kept)

    def count(call):
        before = total()
        call()
        return total() - before

    return count


def plain(registry):
    """The same namespace as another process would use it."""
    storage = registry._repository
    return RemoteStorageProxy(storage.namespace, url=storage.url)


def test_what_is_known_costs_no_request(define, requests_of):
    Losses = define()
    Losses.register_artifact("dumps", json.dumps)
    Losses.prefetch()

    def use():
        assert Losses.get_artifact("dumps") is json.dumps
        assert Losses["dumps"] is json.dumps
        assert "dumps" in Losses
        assert list(Losses) == ["dumps"]
        assert len(Losses) == 1
        assert dict(Losses.items()) == {"dumps": json.dumps}
        assert Losses.prefetch(["dumps", "missing"]) == {"dumps": json.dumps}

    assert requests_of(use) == 0


def test_a_name_that_is_not_there_is_known_not_to_be_there(define, requests_of):
    Losses = define()
    Losses.register_artifact("dumps", json.dumps)
    Losses.prefetch()

    def use():
        assert Losses.get_artifact("dmps", None) is None
        assert "dmps" not in Losses
        with pytest.raises(RegistryError, match="Did you mean 'dumps'"):
            Losses.get_artifact("dmps")

    assert requests_of(use) == 0


def test_the_first_read_asks_the_server_and_the_cache_is_filled_behind_it(define):
    Losses = define()
    plain(Losses)["dumps"] = json.dumps

    assert Losses.get_artifact("dumps") is json.dumps

    until(lambda: Losses.cache_info().state == "current")
    assert Losses.cache_info().misses >= 1


def test_what_another_process_writes_is_seen(define):
    Losses = define()
    Losses.prefetch()
    other = plain(Losses)

    other["f"] = json.dumps
    until(lambda: Losses.get_artifact("f", None) is json.dumps)
    other["f"] = json.loads
    until(lambda: Losses["f"] is json.loads)
    del other["f"]
    until(lambda: "f" not in Losses)


def test_own_writes_are_seen_at_once(define):
    Configs = define(SchemeRegistry)
    Configs.prefetch()

    for number in range(50):
        Configs.register_artifact(f"c{number}", number)
        assert Configs[f"c{number}"] == number
        Configs.update_artifact(f"c{number}", [number])
        assert Configs[f"c{number}"] == [number]
        assert len(Configs) == number + 1
    Configs.unregister_many([f"c{number}" for number in range(25)])
    assert list(Configs) == [f"c{number}" for number in range(25, 50)]
    Configs.clear_artifacts()
    assert len(Configs) == 0


def test_own_writes_are_seen_at_once_between_the_writes_of_others(define):
    Configs = define(SchemeRegistry)
    Configs.prefetch()
    other = plain(Configs)

    for number in range(50):
        other["theirs"] = number
        Configs._repository["ours"] = number
        assert Configs["ours"] == number
        assert Configs["theirs"] == number


def test_two_registries_of_a_process_over_one_namespace_see_each_others_writes_at_once(define):
    first = define(SchemeRegistry)
    second = define(SchemeRegistry, first._repository.namespace)
    first.prefetch()
    second.prefetch()

    for number in range(30):
        first._repository["a"] = number
        assert second["a"] == number
        second._repository["a"] = [number]
        assert first["a"] == [number]


def test_json_containers_are_decoded_afresh_for_each_reader(define):
    Configs = define(SchemeRegistry)
    Configs.register_artifact("config", {"rates": [0.1]})
    Configs.prefetch()

    Configs["config"]["rates"].append(9)
    dict(Configs.items())["config"].clear()

    assert Configs["config"] == {"rates": [0.1]}


def test_a_function_by_value_is_decoded_once(define):
    Losses = define()
    Losses.register_artifact("f", lambda x: x + 1)
    before = Losses["f"]
    Losses.prefetch()

    assert Losses["f"] is before
    assert Losses["f"] is Losses.get_artifact("f")


def test_nothing_is_decoded_before_its_signature_is_checked(define, memory_server, tmp_path, monkeypatch):
    Losses = define()
    Losses.prefetch()
    other = RemoteStorageProxy(Losses._repository.namespace, url=memory_server.url)
    other["f"] = lambda: 1
    unsigned = other.entry("f").envelope.to_dict()
    del unsigned["signature"]
    request = urllib.request.Request(
        f"{memory_server.url}/registry/{Losses._repository.namespace}/set",
        json.dumps({"key": {"type": "json", "data": '"g"', "encoding": "json"}, "value": unsigned}).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).close()
    until(lambda: "g" in Losses)

    for _ in range(2):
        with pytest.raises(SignatureMissingError):
            Losses.get_artifact("g", None)
    assert "g" not in Losses._view.table


def test_a_value_too_large_to_come_along_with_its_change_is_fetched_once(define, requests_of):
    Configs = define(SchemeRegistry)
    Configs.prefetch()
    large = ["x" * 1_000] * 100
    plain(Configs)["large"] = large
    until(lambda: "large" in Configs)

    assert requests_of(lambda: Configs["large"]) == 1
    assert requests_of(lambda: Configs["large"]) == 0
    assert Configs["large"] == large


def test_more_than_a_page_is_listed_whole_and_in_order(define):
    Configs = define(SchemeRegistry)
    names = [f"n{number:04}" for number in range(2_300)]
    told = []
    Configs.safe_register_batch(
        dict.fromkeys(names, 1), progress=lambda done, total: told.append((done, total))
    )

    Configs.prefetch()

    assert told == [(1_000, 2_300), (2_000, 2_300), (2_300, 2_300)]
    assert list(Configs) == names
    assert Configs.cache_info().entries == 2_300


def test_stand_ins_come_before_what_is_cached(define):
    Losses = define()
    Losses.register_artifact("dumps", json.dumps)
    Losses.prefetch()

    with Losses.overriding(dumps=json.loads):
        assert Losses["dumps"] is json.loads
    assert Losses["dumps"] is json.dumps


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"cache": True}, "local"),
        ({"cache": True, "storage": {}}, "local"),
        ({"max_staleness": 5}, "there is none"),
        ({"stale_if_error": 5, "logic_namespace": "a.b"}, "there is none"),
        ({"cache": True, "logic_namespace": "a.b", "max_staleness": 1}, "3 or more"),
        ({"cache": True, "logic_namespace": "a.b", "max_staleness": "long"}, "3 or more"),
        ({"cache": True, "logic_namespace": "a.b", "stale_if_error": -1}, "0 or more"),
        ({"cache": True, "logic_namespace": "a.b", "max_staleness": float("nan")}, "3 or more"),
        ({"cache": "yes", "logic_namespace": "a.b"}, "True or False, not 'yes'"),
    ],
)
def test_keywords_that_make_no_sense_are_refused_when_the_class_is_defined(keywords, words):
    with pytest.raises(ValidationError, match=words):

        class Losses(FunctionalRegistry, **keywords):
            pass


def test_a_registry_without_a_cache_says_so(define):
    with pytest.raises(ValidationError, match="has no cache"):
        define(cache=False).cache_info()


def test_a_cached_storage_can_be_made_by_hand(memory_server):
    storage = CachedStorage("cache.byhand", url=memory_server.url, max_staleness=5)
    storage["a"] = 1
    storage.wait_until_current(30)

    assert storage.view.table == {} and storage["a"] == 1
    assert storage.view.table == {"a": 1}
    storage.close()
    assert storage.view.table == {}
    assert storage["a"] == 1
    storage.close()
