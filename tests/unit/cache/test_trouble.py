"""What goes wrong around a cache: servers that die or talk nonsense, forks, exits, other processes."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys

import pytest

from registry import ServerFaultError, ServerUnreachableError
from registry.storage.cached import CachedStorage
from registry.storage.poller import pollers
from tests.e2e.children import in_child
from tests.e2e.conftest import until
from tests.server.processes import environment
from tests.unit.storage.bad_server import answers, entry, json_envelope, problem, stays_silent

STARTED_SECONDS = 60


@pytest.fixture
def follow():
    """``follow(server, **bounds)``: a cached storage of ``cache.trouble``, closed when the test ends."""
    made = []

    def make(server, **bounds):
        storage = CachedStorage("cache.trouble", url=server.url, **{"timeout": 30, **bounds})
        made.append(storage)
        return storage

    yield make
    for storage in made:
        storage.close()
    pollers.close()  # each of these tests has a server of its own, which is gone


# ---- servers


def test_a_server_that_dies_in_mid_poll_is_followed_again_when_it_is_back(follow, live_server):
    storage = follow(live_server)
    storage["a"] = 1
    storage.wait_until_current(30)

    live_server.kill()
    until(lambda: storage.cache_info().reconnects > 0)
    live_server.start()
    other = CachedStorage("cache.trouble", url=live_server.url)
    other["a"] = 2

    until(lambda: storage["a"] == 2)
    until(lambda: storage.cache_info().state == "current")
    assert storage.cache_info().relists == 0  # a cursor of SQLite outlives the server


def test_within_the_bound_reads_go_on_while_the_server_is_away(follow, live_server):
    storage = follow(live_server, max_staleness=1_000)
    storage["a"] = 1
    storage.wait_until_current(30)
    live_server.kill()
    until(lambda: storage.cache_info().reconnects > 1)

    assert storage["a"] == 1
    assert storage.cache_info().state == "stale"


def test_past_the_bound_a_server_that_is_away_is_an_error_again(follow, live_server, monkeypatch):
    monkeypatch.setenv("REGISTRY_SERVER_RESTART_WAIT", "0")
    storage = follow(live_server, max_staleness=3)
    storage["a"] = 1
    storage.wait_until_current(30)
    live_server.kill()
    until(lambda: storage.cache_info().state == "expired")

    for read in (
        lambda: storage["a"],
        lambda: storage.get("b"),
        lambda: "a" in storage,
        lambda: len(storage),
    ):
        with pytest.raises(ServerUnreachableError):
            read()
    assert storage.view.table == {}


def test_stale_if_error_serves_past_the_bound_but_never_behind_an_own_write(follow, live_server, monkeypatch):
    monkeypatch.setenv("REGISTRY_SERVER_RESTART_WAIT", "0")
    storage = follow(live_server, max_staleness=3, stale_if_error=1_000)
    storage["a"] = 1
    storage.wait_until_current(30)
    live_server.kill()
    until(lambda: storage.cache_info().age > 3.5)

    assert storage["a"] == 1
    assert storage.cache_info().state == "stale"

    storage._observed.informer.saw(str(storage._observed.informer.at._replace(revision=99)))
    with pytest.raises(ServerUnreachableError):
        storage["a"]


@pytest.mark.parametrize("live_server", ["memory:"], indirect=True)
def test_a_memory_server_that_is_restarted_is_listed_anew(follow, live_server):
    storage = follow(live_server)
    storage["a"] = 1
    storage.wait_until_current(30)

    live_server.restart()

    until(lambda: storage.cache_info().relists > 0 and storage.cache_info().state == "current")
    assert "a" not in storage
    storage["b"] = 2
    assert dict(storage.items()) == {"b": 2}


LISTING = {"items": [{"key": "a", **entry(json_envelope(1))}], "cursor": "e.7"}


@pytest.mark.parametrize(
    "nonsense",
    [
        answers(200, b"<html>"),
        answers(200, []),
        answers(200, {"namespaces": 7}),
        answers(200, {"namespaces": [{"namespace": "cache.trouble"}]}),
        answers(
            200,
            {"namespaces": [{"namespace": "cache.trouble", "changes": [{}], "cursor": "e.8", "head": "e.8"}]},
        ),
        answers(
            200,
            {
                "namespaces": [
                    {
                        "namespace": "cache.trouble",
                        "changes": [{"revision": 9, "op": "delete", "key": "a"}],
                        "cursor": "e.9",
                        "head": "e.9",
                    }
                ]
            },
        ),
        answers(
            200, {"namespaces": [{"namespace": "cache.trouble", "changes": [], "cursor": 7, "head": ""}]}
        ),
        problem(500, "internal"),
        problem(400, "invalid_cursor"),
        problem(403, "forbidden"),
    ],
    ids=["html", "a list", "a number", "no fields", "no change", "a gap", "no cursor", "500", "400", "403"],
)
def test_nonsense_in_answer_to_a_poll_leads_to_a_new_listing_and_never_to_a_wrong_value(
    follow, server_that, nonsense
):
    server = server_that(answers(200, LISTING), nonsense, answers(200, LISTING), stays_silent)
    storage = follow(server)
    storage._followed()

    until(lambda: len(server.requests) >= 3)
    until(lambda: storage.cache_info().state in ("current", "stale"))
    assert storage["a"] == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        b"<html>",
        [],
        {"items": 7, "cursor": "e.7"},
        {"items": [], "cursor": "x"},
        {"items": [{}], "cursor": "e.7"},
    ],
)
def test_nonsense_in_answer_to_a_listing_leaves_reads_with_the_server(follow, server_that, nonsense):
    server = server_that(answers(200, nonsense))
    storage = follow(server)
    storage._followed()
    until(lambda: storage.cache_info().reconnects > 0)

    assert storage.cache_info().state == "unknown"
    with pytest.raises(ServerFaultError):
        storage["a"]


def test_a_namespace_that_is_added_while_a_poll_waits_is_followed_at_once(live_server):
    first = CachedStorage("cache.first", url=live_server.url, max_staleness=75)  # polls wait for 25 s
    first.wait_until_current(30)
    second = CachedStorage("cache.second", url=live_server.url, max_staleness=75)

    second.wait_until_current(10)

    assert pollers.of(first._observed) is pollers.of(second._observed)
    first.close()
    second.close()
    pollers.close()


# ---- processes

FOLLOWS = """
import sys, threading
from registry import FunctionalRegistry

class Losses(FunctionalRegistry, logic_namespace="cache.exit", cache=True, max_staleness=75):
    pass

Losses.prefetch()
watch = Losses.watch(print)
print([thread.name for thread in threading.enumerate() if not thread.daemon])
"""


@pytest.mark.parametrize("end", ["", "raise SystemExit(0)", "sys.exit(0)"])
def test_a_process_ends_while_its_polls_wait(live_server, tmp_path, end):
    ran = subprocess.run(
        [sys.executable, "-c", FOLLOWS + end],
        env=environment(tmp_path, REGISTRY_SERVER_URL=live_server.url),
        capture_output=True,
        text=True,
        timeout=20,  # polls wait for 25 s
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "['MainThread']\n", "")


def test_a_forked_child_follows_by_itself_and_the_parent_goes_on(follow, live_server):
    storage = follow(live_server)
    storage["a"] = 1
    storage.wait_until_current(30)
    other = CachedStorage("cache.trouble", url=live_server.url)

    def child():
        assert storage.view.table == {}
        before = storage.cache_info().state
        storage["a"] = 2
        seen = storage["a"]
        storage.wait_until_current(30)
        return before, seen, storage["a"], storage.cache_info().state

    assert in_child(child) == ("unknown", 2, 2, "current")
    until(lambda: storage["a"] == 2)
    other["a"] = 3
    until(lambda: storage["a"] == 3)


def test_a_child_never_serves_less_than_its_parent_had_seen(follow, live_server):
    storage = follow(live_server)
    storage["a"] = 1
    storage.wait_until_current(30)
    floors = storage._observed.informer._floors

    assert in_child(lambda: storage._followed()._floors == floors) is True


def _work(storage: CachedStorage[object]) -> tuple[object, object, str]:
    storage.wait_until_current(30)
    return storage["f"], storage["config"], storage.cache_info().state


def test_a_cached_storage_goes_into_a_spawned_worker(follow, live_server, tmp_path):
    storage = follow(live_server, max_staleness=7, stale_if_error=9)
    storage.update({"f": json.dumps, "config": [1]})
    storage.wait_until_current(30)

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answer = pool.apply_async(_work, (storage,)).get(STARTED_SECONDS)

    assert answer == (json.dumps, [1], "current")
