"""A server whose disk is full: writes are refused, reads go on, nothing acknowledged is lost, no restart.

The disk is a file system of a few MiB where this account may mount one, and a limit of the process's files
where it may not; the second is tried everywhere, and is what a quota looks like.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.server.processes import LiveServer

MIB = 1024 * 1024
VALUE = json.dumps("x" * 20_000)


class SmallFileSystem:
    """3 MiB of it are free until `make_room`; answered 507."""

    statuses = frozenset({507})

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        self._ballast.write_bytes(bytes(5 * MIB))

    def begin(self, server: LiveServer) -> None:
        """The ballast is there from the start."""

    def make_room(self, server: LiveServer) -> None:
        self._ballast.unlink()


class FileSizeLimit:
    """No file of the server's may grow beyond 3 MiB until `make_room`.

    To SQLite this is a write that fails, as that beyond a quota is: answered 503.
    """

    statuses = frozenset({503, 507})

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, server: LiveServer) -> None:
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (3 * MIB, hard))

    def make_room(self, server: LiveServer) -> None:
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def mounted() -> Iterator[Path | None]:
    """A file system of 8 MiB; None where this account may not mount one."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def _may_mount() -> bool:
    with mounted() as folder:
        return folder is not None


@pytest.fixture(params=["file size limit", *(["file system"] if _may_mount() else [])])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallFileSystem | FileSizeLimit]:
    if request.param == "file size limit":
        yield FileSizeLimit(tmp_path)
        return
    with mounted() as folder:
        assert folder is not None
        yield SmallFileSystem(folder)


def put(client: httpx.Client, key: str) -> int:
    envelope = {"type": "json", "data": VALUE, "encoding": "json"}
    body = {"key": {"type": "json", "data": json.dumps(key), "encoding": "json"}, "value": envelope}
    return client.post("/registry/disk/set", json=body).status_code


def test_a_full_disk_refuses_writes_serves_reads_and_recovers_without_restart(
    disk: SmallFileSystem | FileSizeLimit, start_server: Callable[..., LiveServer]
) -> None:
    server = start_server(f"sqlite:///{disk.folder}/full.db")
    disk.begin(server)
    try:
        with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
            acknowledged, status = [], 200
            while status == 200:
                assert len(acknowledged) < 2_000, "it never became full"
                status = put(client, f"k{len(acknowledged)}")
                if status == 200:
                    acknowledged.append(f"k{len(acknowledged)}")
            refused = [status, *(put(client, "refused") for _ in range(5))]
            read = [
                client.get("/registry/disk/get", params={"key": key}).json()["value"]["data"] == VALUE
                for key in acknowledged
            ]
            missing = client.get("/registry/disk/get", params={"key": "refused"}).status_code
            head = client.get("/registry/disk/length").json()
            pid = server.process.pid
            disk.make_room(server)
            recovered = [put(client, f"after{n}") for n in range(20)]
            after = client.get("/registry/disk/length").json()

        assert set(refused) <= disk.statuses
        assert len(acknowledged) > 20
        assert all(read)
        assert missing == 404
        assert head["length"] == len(acknowledged)
        assert recovered == [200] * 20
        assert server.process.pid == pid and server.process.poll() is None
        # What was refused used up no revision: the changes since are numbered on.
        assert int(after["cursor"].rpartition(".")[2]) == len(acknowledged) + 20
    finally:
        server.kill()

    server.start()
    keys = {*acknowledged, *(f"after{n}" for n in range(20))}
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        kept = [client.get("/registry/disk/get", params={"key": key}).status_code for key in keys]
    server.kill()
    assert kept == [200] * len(keys)


def test_a_backup_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    """The limit is this process's own, for the time of the copy."""
    import asyncio

    from registry_server.storage.sqlite_backup import BackupError, back_up
    from tests.server.test_backup import filled

    asyncio.run(filled(tmp_path / "registry.db", 5_000))
    (tmp_path / "target").mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
    try:
        with pytest.raises(BackupError):
            back_up(tmp_path / "registry.db", tmp_path / "target" / "b.db", progress=lambda done, total: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list((tmp_path / "target").iterdir()) == []
