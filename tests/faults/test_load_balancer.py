"""Three servers over one PostgreSQL, behind a load balancer and by name: killed, one after another."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from registry import RemoteStorageProxy
from registry.errors import RemoteError
from registry.storage.server import RegistryServer
from tests.faults.balancer import DEPLOY, HaProxy, Nginx, Program, StandIn, free_port, on_loopback
from tests.faults.findings import FULL, Finding, bound, effort, record
from tests.faults.people import SPACE, Adder, CachingWriter, People, Watcher, Writer
from tests.faults.stores import Place
from tests.server.processes import LiveServer

KILLS = effort(5, 120)
STORAGE_KILLS = effort(1, 12)
PATIENCE = 60.0

# What is killed leaves sockets behind, in our proxies too, which are collected whenever that may be.
pytestmark = [
    pytest.mark.timeout(bound(240, 1_800)),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Site:
    """Servers, the balancer in front of them, and people who use both.

    Attributes:
        place: the servers and their storage.
        balancer: in front of them.
        people: who use them.
        ways: the same people by the way they take: through the balancer, and by the servers' names.
    """

    def __init__(self, place: Place, balancer: Program | StandIn) -> None:
        self.place, self.balancer = place, balancer
        self._pool = ThreadPoolExecutor(4)
        self._restarts: list[Future[None]] = []
        until(lambda: is_ready(balancer.url))
        all_urls = [server.url for server in place.servers]
        cursor = RegistryServer(all_urls).cursor(SPACE)
        self.ways = []
        for way, url in (("balanced", balancer.url), ("by name", all_urls)):
            writers = [Writer(url, f"{way} writer"), CachingWriter(url, f"{way} caching writer")]
            self.ways.append(
                People([*writers, Adder(url, f"{way} adder"), Watcher(url, f"{way} watcher", cursor)])
            )
        self.people = People([person for way in self.ways for person in way.all])

    def kill(self, number: int) -> None:
        """Kill the next server, once another one serves, and have it started again."""
        servers = self.place.servers
        victim = servers[number % len(servers)]
        others = [server for server in servers if server is not victim]
        until(lambda: is_ready(victim.url) and any(is_ready(other.url) for other in others))
        victim.kill()
        self._restarts.append(self._pool.submit(restart, victim))

    def kill_storage(self) -> None:
        self.place.storage.kill()
        self.place.storage.start()

    def settle(self) -> None:
        """Return once everything serves."""
        self._pool.shutdown()
        for restarted in self._restarts:
            restarted.result()
        until(lambda: all(is_ready(server.url) for server in self.place.servers))
        until(lambda: is_ready(self.balancer.url) and self.balancer.counts_on_all())

    def acknowledge(self, number: int) -> None:
        """Return once so many more writes were answered, on each way."""
        goals = [way.acknowledged + number for way in self.ways]
        until(lambda: all(way.acknowledged >= goal for way, goal in zip(self.ways, goals, strict=True)))


@pytest.fixture(params=["haproxy", "nginx"] if FULL else ["TCP"])
def open_site(
    start_place: Callable[..., Place], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[], Site]]:
    """``open_site()``: in full behind each balancer of the docs; the quick test needs none installed."""
    programs = {"haproxy": HaProxy, "nginx": Nginx}
    with ExitStack() as stack:

        def start() -> Site:
            place = start_place("postgresql", servers=3)
            of_docs = programs.get(request.param)
            balancer = (of_docs(tmp_path, place.ports) if of_docs else StandIn(place.ports)).start()
            stack.callback(balancer.stop)
            site = Site(place, balancer)
            stack.callback(site.people.end)
            site.people.start()
            return site

        yield start


def test_killed_servers_and_a_killed_database_lose_nothing_and_keep_nothing_from_watchers(
    open_site: Callable[[], Site],
) -> None:
    site = open_site()
    people, pace = site.people, threading.Event()
    site.acknowledge(10)

    began = time.monotonic()
    for number in range(KILLS):
        site.kill(number)
        site.acknowledge(10)
        pace.wait(1.0 if FULL else 0)  # a kill every second, as the pass figure has it
    while_servers_died, seconds = people.errors, time.monotonic() - began
    for number in range(STORAGE_KILLS):
        site.kill_storage()
        site.acknowledge(10)
        site.kill(number)
        site.acknowledge(10)
    site.settle()
    site.acknowledge(10)
    people.stop_working()

    storage = RemoteStorageProxy(SPACE, url=site.balancer.url, timeout=30)
    head = int(RegistryServer(site.balancer.url).cursor(SPACE).rpartition(".")[2])
    until(lambda: all(len(watcher.log) >= head for watcher in people.watchers))
    wrong = people.violations(dict(storage.items()), head)

    assert wrong == []
    assert set(while_servers_died) <= {"OutcomeUnknownError"}, "reads and conditional writes go on"
    done = (
        f"{KILLS} servers killed in {seconds:.0f} s, then {STORAGE_KILLS} databases and as many servers; "
        f"{people.acknowledged:,} acknowledged writes"
    )
    met = f"{told(while_servers_died)}, then {told(people.errors - while_servers_died)}"
    found = f"0 lost, 0 doubled, 0 changes missed of {head:,}; clients met {met}"
    on = f"postgresql, {site.balancer.name}"
    record(Finding("three servers behind a balancer", on, done, found, not wrong))


def test_readiness_follows_the_storage_without_a_restart(start_place: Callable[..., Place]) -> None:
    for kind in ("postgresql", "redis"):
        place = start_place(kind, servers=1)
        [server] = place.servers
        assert is_ready(server.url)
        for _ in range(effort(1, 5)):
            place.storage.kill()
            until(lambda server=server: not is_ready(server.url))
            RegistryServer(server.url).health()  # it is not to be restarted for what it cannot help

            place.storage.start()
            until(lambda server=server: is_ready(server.url))


def told(errors: Counter[str]) -> str:
    """In words."""
    return ", ".join(f"{count} {name}" for name, count in sorted(errors.items())) or "no error"


def restart(server: LiveServer) -> None:
    """Start it, and again where it could not, as a service manager does: its database may be away."""

    def started() -> bool:
        with suppress(AssertionError):
            server.start()
            return True
        return False

    until(started)


def is_ready(url: str) -> bool:
    try:
        RegistryServer(url, timeout=3).ready()
    except RemoteError:
        return False
    return True


def until(claim: Callable[[], object]) -> None:
    """Return once ``claim()`` is true; a failure if it is not in time."""
    waiting, deadline = threading.Event(), time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < deadline, "waited too long"
        waiting.wait(0.05)


def test_the_documented_configurations_are_taken_by_their_programs(tmp_path: Path) -> None:
    """In full where the programs have to be; `make test` checks what of it needs none."""
    balancers = {"haproxy": ("-c", "-f"), "nginx": ("-t", "-c")}
    files = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}
    for name, options in balancers.items():
        program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
        if program is None:
            assert not FULL, (
                f"{name} is not installed, and its configuration is checked: apt-get install {name}"
            )
            continue
        text = on_loopback((DEPLOY / files[name]).read_text(), free_port(), [1, 2, 3])
        file = tmp_path / files[name]
        file.write_text(text if name == "haproxy" else f"pid {tmp_path}/pid;\n{text}")
        done = subprocess.run([program, *options, file], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARN" not in (done.stdout + done.stderr).upper()
