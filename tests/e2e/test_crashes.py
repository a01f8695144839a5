"""A server that is killed, restarted, or away, under clients that work."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import suppress

import pytest

from registry import FunctionalRegistry, RemoteError, ServerUnreachableError
from registry.storage.remote import RemoteStorageProxy
from tests.e2e.children import in_child

WRITER = """
import sys, threading
from registry import RemoteError
from registry.storage.remote import RemoteStorageProxy

storage = RemoteStorageProxy("crash.writer" + sys.argv[1], timeout=20)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
number = 0
while not stop.is_set():
    try:
        if number % 3:
            storage["single%d" % number] = {"n": number}
            done = ["single%d" % number]
        else:
            batch = {"batch%d.%d" % (number, part): {"n": number} for part in range(5)}
            storage.update(batch)
            done = list(batch)
    except RemoteError:
        done = []
    print(*done, flush=True)  # acknowledged; an empty line is an attempt
    number += 1
"""

WRITERS = 4
KILLS = 2


class Following:
    """Reads what a writer acknowledges while it runs."""

    def __init__(self, script):
        self.script = script
        self.acknowledged = []
        self.attempts = 0
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        for line in self.script.process.stdout:
            self.attempts += 1
            self.acknowledged += line.split()

    def stop(self):
        self.script.go()
        self.thread.join(60)
        assert not self.thread.is_alive()
        assert self.script.process.wait(60) == 0, self.script.process.stderr.read()


def test_every_acknowledged_write_survives_a_server_killed_again_and_again(start_script, live_server, until):
    writers = [Following(start_script(WRITER, str(number))) for number in range(WRITERS)]
    for _ in range(KILLS):
        before = [len(writer.acknowledged) for writer in writers]
        until(
            lambda before=before: all(
                len(writer.acknowledged) > count + 20 for writer, count in zip(writers, before, strict=True)
            )
        )
        live_server.kill()
        live_server.start()
    for writer in writers:
        writer.stop()

    for number, writer in enumerate(writers):
        storage = RemoteStorageProxy(f"crash.writer{number}", url=live_server.url)
        stored = dict(storage.items())
        assert len(writer.acknowledged) > KILLS * 20
        assert [key for key in writer.acknowledged if key not in stored] == []
        assert all(stored[key] == {"n": int(key.lstrip("singlebatch").split(".")[0])} for key in stored)
        batches = [key.partition(".")[0] for key in stored if key.startswith("batch")]
        assert {batches.count(batch) for batch in batches} == {5}, "a batch is whole or not there"


def test_clients_go_on_after_a_restart_on_the_same_port(live_server):
    class Losses(FunctionalRegistry, logic_namespace="crash.restart", server=live_server.url):
        pass

    Losses.register_artifact("before", len)
    connected = Losses["before"]

    for round_ in range(3):
        live_server.restart()

        assert Losses["before"] is connected
        Losses.register_artifact(f"after{round_}", len)

    assert list(Losses) == ["before", "after0", "after1", "after2"]


@pytest.mark.parametrize("live_server", ["memory:"], indirect=True)
def test_a_memory_server_forgets_and_no_client_remembers_for_it(live_server):
    class Losses(FunctionalRegistry, logic_namespace="crash.memory", server=live_server.url):
        pass

    Losses.register_artifact("loss", len)
    assert Losses["loss"] is len
    live_server.restart()

    assert Losses.get_artifact("loss", None) is None
    Losses.register_artifact("other", max)  # takes the revision that the old one had
    Losses.register_artifact("loss", min)
    assert Losses["loss"] is min


def test_while_the_server_is_away_calls_fail_and_then_succeed(live_server, monkeypatch):
    monkeypatch.setenv("REGISTRY_SERVER_RESTART_WAIT", "0")
    storage = RemoteStorageProxy("crash.away", url=live_server.url)
    storage["a"] = 1
    live_server.stop()

    with pytest.raises(ServerUnreachableError, match=r"^Cannot connect"):
        storage["a"]
    live_server.start()

    assert storage["a"] == 1


def test_threads_that_read_through_restarts_see_the_value_or_a_remote_error(live_server):
    storage = RemoteStorageProxy("crash.readers", url=live_server.url, timeout=20)
    storage["config"] = {"a": 1}
    done = threading.Event()
    wrong = []
    reads = [0] * 4

    def read(number):
        while not done.is_set():
            with suppress(RemoteError):
                value = storage.get("config", "default")
                reads[number] += 1
                if value != {"a": 1}:
                    wrong.append(value)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        live_server.restart()
        live_server.kill()
        live_server.start()
    done.set()
    for thread in threads:
        thread.join(60)

    assert json.dumps(wrong) == "[]"
    assert all(reads)


# ---- a restart by a script, while clients work

DOWN_SECONDS = 3
"""How long nobody listens: as long as a slow start takes."""

SAFE_TO_REPEAT = {
    "look-up": lambda losses, storage, name: losses.get_artifact("loss"),
    "awaited look-up": lambda losses, storage, name: asyncio.run(losses.aget_artifact("loss")),
    "listing": lambda losses, storage, name: list(losses),
    "many": lambda losses, storage, name: losses.prefetch(["loss", "none"]),
    "registration": lambda losses, storage, name: losses.register_artifact(name, len),
    "awaited registration": lambda losses, storage, name: asyncio.run(losses.aregister_artifact(name, len)),
    "watch": lambda losses, storage, name: losses.changes(timeout=0).close(),
}
ANY_WRITE = {
    "set": lambda losses, storage, name: storage.__setitem__(name, 1),
    "batch": lambda losses, storage, name: storage.update({name: 1}),
    "removal": lambda losses, storage, name: storage.delete_many([name]),
}
"""What is sent only while the server is away: a kill may cut it off at any other time."""


def test_a_restart_is_not_noticed_by_calls_that_may_take_as_long(live_server, monkeypatch):
    monkeypatch.setenv("REGISTRY_SERVER_TIMEOUT", "60")

    class Losses(FunctionalRegistry, logic_namespace="crash.restart", server=live_server.url):
        pass

    storage = RemoteStorageProxy("crash.restart.config", url=live_server.url)
    Losses.register_artifact("loss", len)
    ended, failures = threading.Event(), []
    done = dict.fromkeys([*SAFE_TO_REPEAT, *ANY_WRITE], 0)

    def work(name, call, last):
        try:
            while not last():
                done[name] += 1
                call(Losses, storage, f"{name} {done[name]}")
        except RemoteError as error:
            failures.append(f"{name}: {error}")

    def start(calls, last):
        threads = [threading.Thread(target=work, args=(name, call, last)) for name, call in calls.items()]
        for thread in threads:
            thread.start()
        return threads

    threads = start(SAFE_TO_REPEAT, ended.is_set)
    live_server.kill()
    threads += [
        thread for name, call in ANY_WRITE.items() for thread in start({name: call}, lambda n=name: done[n])
    ]
    time.sleep(DOWN_SECONDS)  # not a wait: that nobody listens for this long is what is tested
    live_server.start()
    ended.set()
    for thread in threads:
        thread.join(120)

    assert failures == []
    assert 0 not in done.values()
    assert storage["set 1"] == 1


def test_a_child_process_inherits_which_servers_have_answered(live_server, monkeypatch):
    monkeypatch.setenv("REGISTRY_SERVER_TIMEOUT", "60")
    storage = RemoteStorageProxy("crash.forked", url=live_server.url)
    storage["a"] = 1
    live_server.kill()
    starting = threading.Timer(1.5, live_server.start)
    starting.start()
    try:
        assert in_child(lambda: storage["a"]) == 1
    finally:
        starting.join()


def test_a_watch_begins_while_the_server_restarts(live_server, monkeypatch):
    monkeypatch.setenv("REGISTRY_SERVER_TIMEOUT", "60")
    storage = RemoteStorageProxy("crash.watched", url=live_server.url)
    storage["a"] = 1
    live_server.kill()
    starting = threading.Timer(1.5, live_server.start)
    starting.start()
    try:
        with storage.changes() as changes:
            starting.join()
            storage["a"] = 2
            assert next(changes).key == "a"
    finally:
        starting.join()


def test_ctrl_c_ends_the_wait_for_a_restart(start_script, live_server):
    script = start_script(
        """
import os, signal, threading
from registry.storage.remote import RemoteStorageProxy

storage = RemoteStorageProxy("crash.interrupted", timeout=600)
storage["a"] = 1
print("ready", flush=True)
input()
threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    storage["a"]
except KeyboardInterrupt:
    print("interrupted")
"""
    )
    assert script.process.stdout.readline() == "ready\n"
    live_server.kill()
    script.go()

    assert script.lines() == ["interrupted"]


def test_a_cancelled_task_ends_its_wait_for_a_restart(live_server):
    storage = RemoteStorageProxy("crash.cancelled", url=live_server.url, timeout=600)
    storage["a"] = 1
    live_server.kill()

    async def cancelled():
        task = asyncio.create_task(storage.awaiting("__getitem__", "a"))
        await asyncio.sleep(1)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
