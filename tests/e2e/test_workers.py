"""Registries and proxies in forked children, pool workers and threads."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.forkserver
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import joblib
import pytest
from joblib.externals.loky import get_reusable_executor

from registry import RegistryError
from registry.storage import http
from registry.storage.remote import RemoteStorageProxy
from tests.contract.storages.contract import at_once
from tests.e2e import workers
from tests.e2e.children import in_child
from tests.e2e.workers import Shared, triple

pytestmark = pytest.mark.parametrize("live_server", ["memory:"], indirect=True)


@pytest.fixture(autouse=True)
def new_fork_server():
    """The fork server of a test has that test's environment, not that of the one before."""
    multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.fixture
def storage(live_server_url):
    return RemoteStorageProxy("workers.storage", timeout=20)


def open_sockets():
    """The sockets of this process that are connected to the server, by inode."""
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:
            continue  # the one that listed them
    return {link for link in links if link.startswith("socket:")}


def test_a_proxy_used_before_a_fork_works_in_child_and_parent(storage):
    storage["a"] = 1
    assert storage["a"] == 1

    def child():
        assert storage["a"] == 1
        storage["child"] = os.getpid()
        return os.getpid()

    pid = in_child(child)

    storage["parent"] = 2
    assert dict(storage.items()) == {"a": 1, "child": pid, "parent": 2}


def test_a_forked_child_makes_connections_of_its_own(storage):
    before = open_sockets()
    storage["a"] = 1
    parents = open_sockets() - before
    assert len(parents) == 1

    def child():
        inherited = open_sockets()
        assert storage["a"] == 1
        return inherited, open_sockets() - inherited

    inherited, own = in_child(child)

    assert parents <= inherited
    assert len(own) == 1
    assert storage["a"] == 1
    assert open_sockets() - before == parents, "the parent's connection is the one it had"


def test_children_and_parent_use_one_proxy_at_once(storage):
    storage.update({str(n): {"n": n} for n in range(50)})

    def work():
        return all(storage[str(n)] == {"n": n} for n in range(50) for _ in range(3))

    results = at_once(lambda: in_child(work), lambda: in_child(work), work, work)

    assert results == [True] * 4


def test_a_fork_while_other_threads_are_using_the_proxy_leaves_the_child_able_to(storage):
    storage["f"] = triple
    done = threading.Event()

    def churn():
        while not done.is_set():
            assert storage["f"] is triple
            storage._shared.clear()  # so that each read shares its value anew

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(25):
            assert in_child(lambda: storage["f"](2) + storage["f"](1)) == 9
    finally:
        done.set()
        for thread in threads:
            thread.join(30)


def test_a_fork_inside_a_lock_of_ours_leaves_the_child_able_to(storage):
    """Whatever lock another thread holds at the moment of a fork, nobody will release it in the child."""
    storage["f"] = triple
    assert storage["f"] is triple
    locks = [http.pools._lock, *[value for value in vars(storage).values() if hasattr(value, "acquire")]]
    for lock in locks:
        lock.acquire()
    try:

        def child():
            storage._shared.clear()
            return storage["f"](2), RemoteStorageProxy("workers.other", url=storage.url).get("x", 0)

        assert in_child(child) == (6, 0)
    finally:
        for lock in locks:
            lock.release()


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_registries_proxies_and_errors_travel_to_pool_workers_and_back(live_server_url, method):
    Shared.register_artifact(triple)
    Shared.register_artifact("offset", lambda x: x + 100)
    storage = RemoteStorageProxy("workers.storage", timeout=20)
    storage["config"] = {"lr": 0.1}

    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        assert list(pool.map(workers.call_in, [Shared] * 4, ["triple"] * 4, range(4))) == [0, 3, 6, 9]
        assert pool.submit(workers.call_in, Shared, "offset", 1).result(60) == 101
        assert pool.submit(workers.read_from, storage, "config").result(60) == {"lr": 0.1}
        assert list(pool.map(workers.register_in, [Shared] * 4, ["same"] * 4)) == [True] * 4
        assert "workers.triple" in pool.submit(workers.error_of, Shared, "same").result(60)
        with pytest.raises(RegistryError) as caught:
            pool.submit(workers.look_up_what_is_missing, Shared).result(60)

    assert caught.value.message.startswith("Key not found: 'missing' in Shared")
    assert Shared["same"] is triple


def in_pool(method: str) -> Callable[..., list[dict[str, int]]]:
    def ask(_run_script):
        with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
            return list(pool.map(workers.answers_of, [Shared] * 2))

    return ask


def in_loky(_run_script):
    try:
        return joblib.Parallel(n_jobs=2, backend="loky")([joblib.delayed(workers.answers_of)(Shared)] * 2)
    finally:
        get_reusable_executor().shutdown(wait=True)  # the next test has another server


def in_subprocess(run_script):
    """A program of its own, which knows the namespace, and of its environment ``REGISTRY_SERVER_URL``."""
    script = """
import json, os
from registry import FunctionalRegistry

class Mine(FunctionalRegistry, logic_namespace="workers.shared"):
    pass

assert [name for name in os.environ if name.startswith("REGISTRY_")] == ["REGISTRY_SERVER_URL"]
print(json.dumps({name: Mine[name](1) for name in Mine}))
"""
    return [json.loads(line) for line in run_script(script, home="own")]


WORKERS = {
    "spawn": in_pool("spawn"),
    "forkserver": in_pool("forkserver"),
    "fork": in_pool("fork"),
    "loky": in_loky,
    "subprocess": in_subprocess,
}


@pytest.mark.parametrize("kind", WORKERS)
def test_every_kind_of_worker_finds_the_same_under_the_same_names(live_server_url, run_script, kind):
    Shared.register_artifact(triple)
    Shared.register_artifact("offset", lambda x: x + 100)
    Shared.safe_register_batch({"builtin": abs, "named": workers.triple})

    answers = WORKERS[kind](run_script)

    assert answers
    assert all(
        list(found.items()) == [("triple", 3), ("offset", 101), ("builtin", 1), ("named", 3)]
        for found in answers
    )


def test_threads_share_one_proxy_and_its_connections(storage):
    before = open_sockets()
    storage.update({str(n): n for n in range(20)})

    def work():
        return [storage[str(n)] for n in range(20)]

    assert at_once(*[work] * 16) == [list(range(20))] * 16
    assert len(open_sockets() - before) <= 16


def test_sixteen_threads_that_come_first_make_one_pool(storage):
    http.pools._forget()

    def first():
        storage.get("a")
        return id(http.pools.transport(storage.url))

    assert len(set(at_once(*[first] * 16))) == 1
