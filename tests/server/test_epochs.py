"""REG-REV-02 over copies of a SQLite store: one epoch never has two values at one revision.

Stores are served, copied, moved, backed up and restored in any order. Whatever was served is remembered by
epoch and revision, which is all that an ETag has: a second value there means that a stale ETag matches.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from registry_server.storage.sqlite import SqliteBackend
from registry_server.storage.sqlite_backup import back_up, restore
from registry_server.testing import stored

NAMES = st.sampled_from(["a.db", "b.db", "c.db"])


def quiet(done: int, total: int) -> None:
    """A `Progress` that tells nobody."""


async def _serve(path: Path, *values: int) -> tuple[str, dict[int, bytes]]:
    """Serve the store, write values, and return its epoch and its values by revision."""
    backend = SqliteBackend(path)
    await backend.open()
    for value in values:
        await backend.put("space", f"{value % 3}", stored(value))
    page = await backend.page("space", limit=1_000, max_bytes=1 << 30)
    await backend.close()
    return backend.epoch, {entry.revision: entry.envelope for entry in page.entries}


def serve(path: Path, *values: int) -> tuple[str, dict[int, bytes]]:
    return asyncio.run(_serve(path, *values))


def copied(store: Path, copy: Path) -> None:
    shutil.copy(store, copy)


def copied_with_all_attributes(store: Path, copy: Path) -> None:
    shutil.copy2(store, copy)


def backed_up(store: Path, copy: Path) -> None:
    back_up(store, copy, progress=quiet)


def moved(store: Path, copy: Path) -> None:
    store.rename(copy)


def linked(store: Path, copy: Path) -> None:
    copy.hardlink_to(store)


def stayed(store: Path, copy: Path) -> None:
    copy.symlink_to(store)


@pytest.mark.parametrize(
    ("copy", "begins"),
    [
        (copied, True),
        (copied_with_all_attributes, True),
        (backed_up, True),
        (moved, False),
        (linked, False),
        (stayed, False),
    ],
)
def test_a_copy_begins_an_epoch_once_and_the_store_itself_none(
    copy: Callable[[Path, Path], None], begins: bool, tmp_path: Path
) -> None:
    epoch, values = serve(tmp_path / "store.db", 1, 2)

    copy(tmp_path / "store.db", tmp_path / "copy.db")

    found = [serve(tmp_path / "copy.db") for _ in range(3)]
    assert (found[0][0] != epoch) is begins
    assert found == [(found[0][0], values)] * 3, "a restart began an epoch, or lost something"
    if begins:
        assert serve(tmp_path / "store.db")[0] == epoch


@pytest.mark.parametrize("copy", [copied, copied_with_all_attributes, backed_up])
def test_a_copy_moved_into_the_place_of_its_store_begins_an_epoch(
    copy: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    """As people restore by hand. A backup even where it gets the very inode of what was removed."""
    epoch, _ = serve(tmp_path / "store.db", 1)
    copy(tmp_path / "store.db", tmp_path / "copy.db")
    serve(tmp_path / "store.db", 2)

    (tmp_path / "copy.db").replace(tmp_path / "store.db")

    assert serve(tmp_path / "store.db", 3)[0] != epoch


def test_a_backup_written_over_its_store_begins_an_epoch_though_the_inode_stays(tmp_path: Path) -> None:
    epoch, _ = serve(tmp_path / "store.db", 1)
    back_up(tmp_path / "store.db", tmp_path / "backup.db", progress=quiet)
    serve(tmp_path / "store.db", 2)
    inode = (tmp_path / "store.db").stat().st_ino

    shutil.copy(tmp_path / "backup.db", tmp_path / "store.db")

    assert (tmp_path / "store.db").stat().st_ino == inode
    assert serve(tmp_path / "store.db", 3)[0] != epoch


def test_a_restored_store_keeps_the_epoch_that_the_restore_told(tmp_path: Path) -> None:
    serve(tmp_path / "store.db", 1)
    back_up(tmp_path / "store.db", tmp_path / "backup.db", progress=quiet)

    summary, _ = restore(tmp_path / "backup.db", tmp_path / "new.db", progress=quiet)

    assert serve(tmp_path / "new.db")[0] == serve(tmp_path / "new.db")[0] == summary.epoch


class Copies(RuleBasedStateMachine):
    """What a file's bytes were overwritten with keeps its inode, which operations.md says is not noticed.

    So raw copies go to new files here, and no file is ever removed, lest its inode is used again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self._numbers = itertools.count()
        self._seen: dict[tuple[str, int], bytes] = {}

    def teardown(self) -> None:
        self._folder.cleanup()

    def _path(self, name: str) -> Path:
        return Path(self._folder.name) / name

    def _free(self, name: str) -> Path:
        """The name's path, after what stands there was put aside."""
        path = self._path(name)
        if path.exists():
            path.rename(self._path(f"aside{next(self._numbers)}"))
        return path

    def _new(self) -> Path:
        return self._path(f"new{next(self._numbers)}")

    def _stands(self, name: str) -> bool:
        return self._path(name).exists()

    @rule(name=NAMES, writes=st.integers(0, 3))
    def serve(self, name: str, writes: int) -> None:
        epoch, values = serve(self._path(name), *(next(self._numbers) for _ in range(writes)))
        for revision, value in values.items():
            assert self._seen.setdefault((epoch, revision), value) == value
        again, _ = serve(self._path(name))
        assert again == epoch, "a restart began an epoch"

    @rule(source=NAMES, to=NAMES, copy=st.sampled_from([copied, copied_with_all_attributes, backed_up]))
    def copy(self, source: str, to: str, copy: Callable[[Path, Path], None]) -> None:
        if self._stands(source):
            new = self._new()
            copy(self._path(source), new)
            new.rename(self._free(to))

    @rule(source=NAMES, to=NAMES)
    def move(self, source: str, to: str) -> None:
        if self._stands(source) and source != to:
            self._path(source).rename(self._free(to))

    @rule(source=NAMES, to=NAMES)
    def overwrite_with_a_backup(self, source: str, to: str) -> None:
        if self._stands(source) and self._stands(to):
            new = self._new()
            back_up(self._path(source), new, progress=quiet)
            shutil.copy(new, self._path(to))

    @rule(source=NAMES, to=NAMES)
    def restore(self, source: str, to: str) -> None:
        if self._stands(source):
            new = self._new()
            back_up(self._path(source), new, progress=quiet)
            if self._stands(to):
                os.link(self._path(to), self._new())
            restore(new, self._path(to), force=True, progress=quiet)


TestCopies = Copies.TestCase
TestCopies.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
