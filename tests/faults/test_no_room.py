"""A live server whose disk is full, or takes no writes: its reads go on, and it needs no restart."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.faults.findings import Finding, bound, effort, record
from tests.faults.wire import Client
from tests.server.processes import LiveServer
from tests.server.wire import envelope

ROUNDS = effort(1, 5)
DISK_BYTES = 4 * 1024 * 1024
LARGE = 100_000
SPACE = "room"

pytestmark = pytest.mark.timeout(bound(120, 600))


class Disk:
    """A file system of `DISK_BYTES`; where none may be mounted, a limit on the size of the server's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mounted = os.geteuid() == 0 and self._mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "disk")

    def _mount(self, *options: str) -> bool:
        done = subprocess.run(["mount", *options, str(self.folder)], capture_output=True)
        return done.returncode == 0

    def confine(self, process: int) -> None:
        """Bound the files of a running process where there is no disk of our own."""
        if not self.mounted:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (DISK_BYTES // 4, resource.RLIM_INFINITY))

    def free(self, process: int) -> None:
        """Make room."""
        if self.mounted:
            self._mount("-o", f"remount,size={16 * DISK_BYTES}")
        else:
            limit = resource.RLIM_INFINITY
            resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, limit))

    def shrink(self, process: int) -> None:
        """Take away the room that is left."""
        if self.mounted:
            used = os.statvfs(self.folder)
            size = (used.f_blocks - used.f_bfree) * used.f_frsize
            self._mount("-o", f"remount,size={size}")
        else:
            self.confine(process)

    def remove(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = Disk(folder)
    yield disk
    disk.remove()


@pytest.fixture
def server(disk: Disk, start_server: Callable[..., LiveServer]) -> Iterator[LiveServer]:
    server = start_server(f"sqlite:///{disk.folder}/registry.db")
    disk.confine(server.process.pid)
    yield server
    server.kill()  # before its disk goes


class Kept:
    """Writes and remembers what was acknowledged."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._chance = Random(7)
        self._made = 0
        self.values: dict[str, str] = {}
        self.refused: list[tuple[int, str]] = []

    async def write(self, size: int) -> bool:
        """Whether a value of so many characters was taken, under a new key or in place of an old one."""
        self._made += 1
        key = f"k{self._made}" if not self.values or self._chance.random() < 0.7 else next(iter(self.values))
        value = f"{self._made} {'x' * size}"
        answer = await self._client.set(SPACE, key, value)
        if answer.status == 200:
            self.values[key] = value
            return True
        self.refused.append((answer.status, answer.body["code"]))
        return False

    async def fill(self) -> None:
        """Write until no room is left, for large values and then for the smallest."""
        for size in (LARGE, 1_000, 1):
            async with asyncio.timeout(60):
                while await self.write(size):
                    pass

    async def check(self) -> None:
        """Everything acknowledged is there, and nothing else."""
        answer = await self._client.ask("GET", f"/registry/{SPACE}/length")
        assert answer.body["length"] == len(self.values)
        for key, value in self.values.items():
            answer = await self._client.get(SPACE, key)
            assert answer.status == 200
            assert answer.body["value"] == envelope(value)


async def test_on_a_full_disk_writes_are_507_reads_go_on_and_room_is_found_again(
    disk: Disk, server: LiveServer
) -> None:
    with Client(server.port) as client:
        kept = Kept(client)
        for _ in range(ROUNDS):
            disk.shrink(server.process.pid)
            await kept.fill()
            await kept.check()
            health = await client.ask("GET", "/health")
            assert health.status == 200
            disk.free(server.process.pid)
            async with asyncio.timeout(30):
                while not await kept.write(LARGE):
                    await asyncio.sleep(0.05)
            for _ in range(10):
                assert await kept.write(10)
            await kept.check()
        client.close()
        await asyncio.to_thread(server.kill)
        disk.free(server.process.pid)
        await asyncio.to_thread(server.start)
        await kept.check()

    codes = {code for _, code in kept.refused}
    assert codes <= {"storage_full", "storage_unavailable"}
    assert {status for status, _ in kept.refused} <= {503, 507}
    assert "Traceback" not in server.log
    how = f"a disk of {DISK_BYTES >> 20} MiB" if disk.mounted else "a limit on the size of files"
    done = f"{ROUNDS} times full, {how}; {len(kept.values)} entries kept, {len(kept.refused)} writes refused"
    found = f"answers {', '.join(sorted(codes))}; 0 lost; wrote again without a restart"
    record(Finding("disk full", "sqlite", done, found, True))


@contextmanager
def _read_only(process: int) -> Iterator[None]:
    """While it lasts, no write of the process to any file succeeds: to SQLite one error is as the other."""
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(process, resource.RLIMIT_FSIZE, (0, unlimited))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (unlimited, unlimited))


async def test_where_nothing_can_be_written_reads_go_on_and_writing_comes_back(
    server: LiveServer,
) -> None:
    """As after an error of the disk, when the file system is made read-only."""
    with Client(server.port) as client:
        kept = Kept(client)
        for _ in range(20):
            assert await kept.write(100)
        with _read_only(server.process.pid):
            results = [await kept.write(100) for _ in range(5)]
            await kept.check()
            assert not any(results)
        async with asyncio.timeout(30):
            while not await kept.write(100):
                await asyncio.sleep(0.05)
        await kept.check()

    assert {status for status, _ in kept.refused} <= {503, 507}
    assert "Traceback" not in server.log
    found = "503 or 507, reads went on, wrote again without a restart"
    record(
        Finding("file system takes no write", "sqlite", f"{len(kept.refused)} writes refused", found, True)
    )
