"""One client under threads, forks and the end of the interpreter: nothing is mixed up, nothing hangs."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.findings import FULL, Finding, bound, effort, record
from tests.faults.proxy import Proxy
from tests.faults.stores import Place
from tests.server.processes import environment

THREADS, CHILDREN = 16, 4
ROUNDS = effort(15, 200)
PATIENCE = 90
EXIT_SECONDS = 1.0

pytestmark = pytest.mark.timeout(bound(120, 600))

SHARING = """
import multiprocessing, os, sys, threading
from registry.storage.remote import RemoteStorageProxy

def sockets():
    places = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return {os.readlink(place) for place in places if os.path.lexists(place)}

def work(storage, name, rounds):
    for number in range(rounds):
        key = f"{name}.{number % 5}"
        storage[key] = [name, number]
        assert storage[key] == [name, number], (key, storage[key])

def child(storage, name, rounds):
    inherited = sockets()
    work(storage, name, rounds)
    made = {one for one in sockets() - inherited if one.startswith("socket:")}
    assert made, "it talks over its parent's socket"

if __name__ == "__main__":
    method, url, threads, children, rounds = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    storage = RemoteStorageProxy("processes", url=url, timeout=60)
    storage["before"] = 1
    context = multiprocessing.get_context(method)
    workers = [threading.Thread(target=work, args=(storage, f"t{n}", rounds)) for n in range(threads)]
    family = [context.Process(target=child, args=(storage, f"c{n}", rounds)) for n in range(children)]
    for one in [*workers, *family]:
        one.start()
    for one in [*workers, *family]:
        one.join()
    print([one.exitcode for one in family], len(storage))
"""

ENDING = """
import sys, threading
from registry.storage.remote import RemoteStorageProxy

good, bad = sys.argv[1:3]
storage = RemoteStorageProxy("processes", url=good)
storage["key"] = 1
held = RemoteStorageProxy("processes", url=bad, timeout=60)
started = threading.Barrier(9)

def hang():
    started.wait()
    held["key"]

for _ in range(8):
    threading.Thread(target=hang, daemon=True).start()
started.wait()
print("the end", flush=True)
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_threads_and_children_share_a_client_and_no_socket(
    method: str, start_place: Callable[..., Place], tmp_path: Path
) -> None:
    """Each of them reads what it wrote, while all others write; a child opens connections of its own."""
    place = start_place("sqlite")
    script = tmp_path / "sharing.py"
    script.write_text(SHARING)
    numbers = [str(number) for number in (THREADS, CHILDREN, ROUNDS)]
    command = [sys.executable, str(script), method, place.servers[0].url, *numbers]

    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(tmp_path), timeout=bound(PATIENCE, 500)
    )

    assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr
    expected = 1 + 5 * (THREADS + CHILDREN)
    assert done.stdout == f"{[0] * CHILDREN} {expected}\n"
    did = f"{THREADS} threads and {CHILDREN} processes, {ROUNDS} writes and reads each"
    record(Finding("processes", method, did, "no deadlock, no answer mixed up, no shared socket", True))


def test_the_interpreter_ends_while_calls_hang(start_place: Callable[..., Place], tmp_path: Path) -> None:
    """With connections open, and eight calls under way to a server that never answers."""
    place = start_place("sqlite")
    script = tmp_path / "ending.py"
    script.write_text(ENDING)
    with Proxy(place.ports[0]) as proxy:
        proxy.become("black_hole")
        with subprocess.Popen(
            [sys.executable, str(script), place.servers[0].url, proxy.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(tmp_path),
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.readline() == "the end\n"
            began = time.monotonic()
            try:
                process.wait(PATIENCE / 3)
            finally:
                process.kill()
            seconds = time.monotonic() - began
            assert (process.returncode, process.stderr.read()) == (0, "")

    assert seconds <= EXIT_SECONDS or not FULL
    found = f"over in {seconds:.2f} s"
    record(Finding("interpreter exit", "8 calls under way", "1 exit", found, seconds <= EXIT_SECONDS))
