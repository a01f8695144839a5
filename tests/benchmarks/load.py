"""Load over the wire: wrk, or a generator of our own where wrk is not there.

Both send the same prepared requests in turn over a few kept-alive connections, the next one when the answer
to the last is there, and count answers.
"""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from tests.benchmarks.machine import LOAD_CORES, BenchmarkError, pinned

INSTALL_WRK = "wrk is not installed; on Debian and Ubuntu: sudo apt-get install wrk"
BUNDLED_NOTE = (
    f"{INSTALL_WRK}.\n"
    "The bundled generator runs instead. It is slower than a fast server, which pulls ratios towards 1."
)

_PATIENCE = 10.0
"""Seconds that the bundled generator waits for a first answer."""

_SCRIPT = Path(__file__).with_name("wrk.lua")


class Load(NamedTuple):
    """How many requests were answered, in how many seconds."""

    answers: int
    seconds: float


def wrk_is_there() -> bool:
    return shutil.which("wrk") is not None


def generate(
    url: str,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    generator: Literal["auto", "wrk", "bundled"] = "auto",
) -> Load:
    """Load for some seconds; wrk makes it for whole ones, at least one.

    Raises:
        BenchmarkError: an answer was not a 2xx, a connection failed, or wrk was asked for and is not there.
    """
    if generator == "wrk" and not wrk_is_there():
        raise BenchmarkError(INSTALL_WRK)
    with pinned(LOAD_CORES):
        if generator == "bundled" or not wrk_is_there():
            return asyncio.run(_generate_here(url, requests, connections, seconds))
        return _generate_with_wrk(url, requests, connections, math.ceil(seconds))


def _generate_with_wrk(url: str, requests: Sequence[bytes], connections: int, seconds: int) -> Load:
    with tempfile.NamedTemporaryFile(prefix="registry-bench-") as prepared:
        prepared.write(b"".join(b"%d\n%b" % (len(request), request) for request in requests))
        prepared.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "-s",
            str(_SCRIPT),
            url,
            "--",
            prepared.name,
        ]
        output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    said = re.search(r"^answers (\d+) microseconds (\d+) errors (\d+)$", output.stdout, re.MULTILINE)
    if said is None:
        raise BenchmarkError(f"wrk failed: {output.stdout}{output.stderr}")
    answers, microseconds, errors = map(int, said.groups())
    if errors or not answers:
        raise BenchmarkError(f"{url}: {errors} of {answers} requests failed")
    return Load(answers, microseconds / 1e6)


async def _generate_here(url: str, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    address = urlsplit(url)
    turns = cycle(requests)
    opened: list[_Connection] = []
    started = time.perf_counter()
    for _ in range(connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(turns), address.hostname or "", address.port or 80
        )
        opened.append(connection)
    await asyncio.sleep(seconds)
    while not any(connection.answers or connection.failure for connection in opened):
        if time.perf_counter() > started + seconds + _PATIENCE:
            raise BenchmarkError(f"{url} does not answer")
        await asyncio.sleep(0.01)
    answers, elapsed = sum(connection.answers for connection in opened), time.perf_counter() - started
    for connection in opened:
        connection.close()
    if failures := [connection.failure for connection in opened if connection.failure]:
        raise BenchmarkError(f"{url}: {failures[0]}")
    return Load(answers, elapsed)


class _Connection(asyncio.Protocol):
    """One request under way at a time."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.answers = 0
        self.failure = ""
        self._requests = requests
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _CONTENT_LENGTH.search(head)
        if not separator or (length and len(body) < int(length[1])):
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self.failure = head.partition(b"\r\n")[0].decode("latin-1")
            self.close()
            return
        self._received = b""
        self.answers += 1
        self._transport.write(next(self._requests))

    def close(self) -> None:
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.failure = str(exc)


_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
