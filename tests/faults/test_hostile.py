"""Clients that mean harm: they keep nobody waiting, and leave the server's memory where it was."""

from __future__ import annotations

import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.faults.findings import Finding, bound, effort, record
from tests.server.fuzz.command import OPERATIONS, runs_of, schemathesis
from tests.server.processes import LiveServer
from tests.server.wire import setting

SOCKETS = 200
CALM_SECONDS = 10.0
"""After which slow clients must make no difference."""
HONEST_SECONDS = 1.0
MOST_GROWTH = 64 * 1024 * 1024
CASES = int(os.environ.get("FUZZ_CASES") or effort(0, 2_000))
ROUNDS = effort(5, 40)

BODY = json.dumps(setting("k")).encode()
HEAD = b"POST /registry/a/set HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
DRIPS = [
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ",
    HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY),
    b"",
]
"""Heads that do not end, bodies that do not end, and nothing at all."""

HOSTILE = [
    b'{"key":' + b"[" * 100_000,
    b"[" * 1_000_000,
    b'{"a":' * 500_000,
    BODY.replace(b'"json"', b"1" * 5_000, 1),
    BODY.replace(b'"json"', b"1e999", 1),
    BODY.replace(b"k", b"\xff", 1),
    BODY.replace(b'"value"', b'"key": null, "value"'),
    json.dumps(setting("x" * 2_000_000)).encode(),
    json.dumps(setting("k", "y" * 12_000_000)).encode(),
    json.dumps({"entries": [setting(str(number)) for number in range(1_001)]}).encode(),
    gzip.compress(b" " * 10_000_000),
]

pytestmark = pytest.mark.timeout(180 + 6 * CASES)


def test_200_that_drip_are_all_ended_and_keep_nobody_waiting(
    start_server: Callable[..., LiveServer],
) -> None:
    """Each of them sends a byte now and then; honest requests are answered as if they were not there."""
    server = start_server("memory:")
    with _dripping(server) as left, httpx.Client(base_url=server.url, timeout=20) as client:
        began = time.monotonic()
        honest: list[tuple[float, float]] = []
        while left or len(honest) < 100 or time.monotonic() - began < bound(0, CALM_SECONDS + 10):
            assert time.monotonic() - began < 100, f"{len(left)} are still held"
            asked = time.monotonic()
            assert client.get("/registry/a/keys").status_code == 200
            honest.append((asked - began, time.monotonic() - asked))
            for number in [number for number, one in left.items() if _drip(number, one)]:
                del left[number]

    late = sorted(took for asked, took in honest if asked > CALM_SECONDS) or [took for _, took in honest]
    quick = sum(took <= HONEST_SECONDS for took in late) / len(late)
    found = (
        f"{quick:.1%} of {len(late):,} honest requests within 1 s after 10 s, the slowest {max(late):.2f} s"
    )
    record(Finding("slow-loris", f"{SOCKETS} sockets", "all were ended", found, quick >= 0.99))


@contextmanager
def _dripping(server: LiveServer) -> Iterator[dict[int, socket.socket]]:
    connections = {}
    try:
        for number in range(SOCKETS):
            connection = socket.create_connection((server.host, server.port), timeout=20)
            connections[number] = connection
            connection.sendall(DRIPS[number % 3])
            connection.setblocking(False)
        yield dict(connections)
    finally:
        for connection in connections.values():
            connection.close()


def _drip(number: int, connection: socket.socket) -> bool:
    """Send a byte more; whether the server has closed."""
    try:
        if number % 3 != 2:
            connection.send(b"y")
        return connection.recv(1) == b"" or _drip(2, connection)
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_hostile_bodies_and_fuzzing_leave_the_servers_memory_where_it_was(
    start_server: Callable[..., LiveServer], tmp_path: Path
) -> None:
    """No 5xx; and what was read is let go of. What is stored is on disk, but for a cache of 64 MiB."""
    server = start_server()
    _attack(server)
    before = _memory(server)
    stop = threading.Event()
    attacker = threading.Thread(target=_attack_until, args=(server, stop))
    if CASES:
        attacker.start()
    try:
        for options in runs_of(CASES):
            done = schemathesis(tmp_path, server, "--phases", "examples,coverage,fuzzing", *options)
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        stop.set()
    if CASES:
        attacker.join()
    for _ in range(ROUNDS):
        _attack(server)

    growth = _memory(server) - before
    assert server.stop() == 0
    assert "Traceback" not in server.log
    assert growth < MOST_GROWTH
    done_ = (
        f"{CASES:,} Schemathesis cases for each of {len(OPERATIONS)} operations, hostile bodies beside them"
    )
    found = f"no 5xx, memory grew by {growth / 1024 / 1024:.1f} MiB"
    record(Finding("hostile clients", "sqlite", done_, found, growth < MOST_GROWTH, "drawn anew"))


def _attack_until(server: LiveServer, stop: threading.Event) -> None:
    while not stop.is_set():
        _attack(server)


def _attack(server: LiveServer) -> None:
    """Every hostile body once; each is refused for what it is, or its connection is."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for body in HOSTILE:
            fields = {"Content-Type": "application/json"}
            if body.startswith(b"\x1f\x8b"):
                fields["Content-Encoding"] = "gzip"
            with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
                for path in ("/registry/a/set", "/registry/a/batch/set"):
                    status = client.post(path, content=body, headers=fields).status_code
                    assert 400 <= status < 500, (status, body[:40])


def _memory(server: LiveServer) -> int:
    """What the server's process holds of the machine's memory, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024
