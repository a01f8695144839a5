"""A disk that loses power: what was not synced is there, or is not, or in part.

SQLite does all its file work through a VFS, a table of C functions. Here that of Python's own ``sqlite3`` is
given three functions of ours, for writing, truncating and syncing, which note what they do before the real
ones do it; so the code that runs is the server's, to the last call. `Tape.disk` then says what a disk may
hold if the power goes after any of these calls.

The rules: a sync makes all earlier calls on its file last. Of the later ones each is done, or not, or, where
it writes, done for some of its sectors, whatever the others are. The name of a new file lasts from its first
sync on: SQLite syncs the directory then. That a file is deleted lasts from the next sync of the directory on,
which is the server's own.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

SECTOR = 512

_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_OPEN = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p, c_int, c_void_p)
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Methods(Structure):
    """``sqlite3_io_methods`` (sqlite.org/c3ref/io_methods.html); what is not ours, as pointers."""

    _fields_ = [
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("others", c_void_p * 13),
    ]


class _File(Structure):
    """The head of every ``sqlite3_file``."""

    _fields_ = [("methods", POINTER(_Methods))]


class _Vfs(Structure):
    """``sqlite3_vfs`` (sqlite.org/c3ref/vfs.html), as far as it is ours."""

    _fields_ = [
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("others", c_void_p * 16),
    ]


class Event(NamedTuple):
    """A call: ``write`` with its bytes, ``truncate``, ``sync`` or ``delete`` of a file, ``sync names`` of the
    directory; or a ``note`` of the test's."""

    what: str
    file: str = ""
    offset: int = 0
    data: Any = b""


class Tape:
    """What was done to the files below ``folder``, in order, and the test's own notes among it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []

    def note(self, fact: object) -> None:
        """Put ``fact`` between what was done before and what is done later."""
        self.events.append(Event("note", data=fact))

    def sync_names(self) -> None:
        """The directory was synced."""
        self.events.append(Event("sync names"))

    def notes(self, end: int) -> list[Any]:
        """What was noted before event ``end``."""
        return [event.data for event in self.events[:end] if event.what == "note"]

    def disk(self, end: int, chance: Random) -> dict[str, bytes]:
        """What the files may hold if the power goes before event ``end``."""
        lasting: dict[str, bytearray] = {}
        pending: dict[str, list[Event]] = {}
        deleted: set[str] = set()
        for event in self.events[:end]:
            if event.what == "sync":
                content = lasting.setdefault(event.file, bytearray())
                for earlier in pending.pop(event.file, []):
                    _apply(content, earlier)
            elif event.what == "delete":
                deleted.add(event.file)
            elif event.what == "sync names":
                for file in deleted:
                    lasting.pop(file, None)
                    pending.pop(file, None)
                deleted.clear()
            elif event.what != "note":
                pending.setdefault(event.file, []).append(event)
        for file in sorted(deleted):
            if chance.random() < 0.5:  # else it is still there, as it was
                lasting.pop(file, None)
                pending.pop(file, None)
        for file, events in pending.items():
            if file in lasting or chance.random() < 0.5:
                content = lasting.setdefault(file, bytearray())
                for event in _surviving(events, chance):
                    _apply(content, event)
        return {file: bytes(content) for file, content in lasting.items()}


def _surviving(events: list[Event], chance: Random) -> Iterator[Event]:
    """Which of the calls that were not synced reached the disk, and what of them."""
    lucky = chance.choice((0.0, 0.2, 0.5, 0.9, 1.0))
    for event in events:
        if chance.random() < lucky:
            yield event
        elif event.what == "write" and chance.random() < 0.5:
            yield from _torn(event, chance)


def _torn(event: Event, chance: Random) -> Iterator[Event]:
    """Some sectors of a write, in any order; the first of them maybe in part."""
    for start in range(0, len(event.data), SECTOR):
        if chance.random() < 0.5:
            data = event.data[start : start + SECTOR]
            cut = len(data) if start or chance.random() < 0.7 else chance.randrange(len(data))
            yield event._replace(offset=event.offset + start, data=data[:cut])


def _apply(content: bytearray, event: Event) -> None:
    if event.what == "truncate":
        del content[event.offset :]
    else:
        content.extend(bytes(max(0, event.offset + len(event.data) - len(content))))
        content[event.offset : event.offset + len(event.data)] = event.data


class _Library:
    """SQLite as Python has it loaded."""

    def __init__(self) -> None:
        self.functions = ctypes.CDLL(_sqlite3.__file__)
        self.functions.sqlite3_vfs_find.restype = POINTER(_Vfs)
        self.functions.sqlite3_vfs_find.argtypes = [c_char_p]

    def find(self) -> Any:
        return self.functions.sqlite3_vfs_find(None)

    def make_default(self, vfs: Any) -> None:
        assert self.functions.sqlite3_vfs_register(vfs, 1) == 0

    def forget(self, vfs: Any) -> None:
        assert self.functions.sqlite3_vfs_unregister(vfs) == 0


@contextmanager
def recorded(folder: Path) -> Iterator[Tape]:
    """While it lasts, what SQLite does to files below ``folder`` goes on tape; close all before it ends."""
    tape = Tape(folder)
    library = _Library()
    original = library.find()
    vfs = _Vfs.from_buffer_copy(original.contents)
    recorder = _Recorder(tape, original)
    vfs.name, vfs.open, vfs.delete = b"recorded", recorder.open, recorder.delete
    library.make_default(byref(vfs))
    try:
        yield tape
    finally:
        library.forget(byref(vfs))
        library.make_default(original)


class _Recorder:
    """The functions in SQLite's tables. It and all of them live as long as files are open."""

    def __init__(self, tape: Tape, original: Any) -> None:
        self._tape = tape
        self._files: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}
        self._prefix = f"{tape.folder}/".encode()
        self.open, self.delete = _OPEN(self._open), _DELETE(self._delete)
        self._really_open, self._really_delete = original.contents.open, original.contents.delete

    def _open(self, vfs: int, name: bytes, file: int, flags: int, out: int) -> int:
        result = int(self._really_open(vfs, name, file, flags, out))
        head = cast(file, POINTER(_File)).contents
        if result == 0 and name and name.startswith(self._prefix):
            self._files[file] = name[len(self._prefix) :].decode()
            head.methods = ctypes.pointer(self._table(head.methods))
        return result

    def _table(self, methods: Any) -> _Methods:
        address = ctypes.addressof(methods.contents)
        if address not in self._tables:
            table = _Methods.from_buffer_copy(methods.contents)
            write, truncate, sync = methods.contents.write, methods.contents.truncate, methods.contents.sync

            def _write(file: int, data: int, amount: int, offset: int) -> int:
                self._add(Event("write", self._files[file], offset, ctypes.string_at(data, amount)))
                return int(write(file, data, amount, offset))

            def _truncate(file: int, size: int) -> int:
                self._add(Event("truncate", self._files[file], size))
                return int(truncate(file, size))

            def _sync(file: int, flags: int) -> int:
                result = int(sync(file, flags))
                self._add(Event("sync", self._files[file]))  # after it: before, nothing is promised
                return result

            table.write, table.truncate, table.sync = _WRITE(_write), _TRUNCATE(_truncate), _SYNC(_sync)
            self._tables[address] = table
        return self._tables[address]

    def _delete(self, vfs: int, name: bytes, sync: int) -> int:
        if name.startswith(self._prefix):
            self._add(Event("delete", name[len(self._prefix) :].decode()))
        return int(self._really_delete(vfs, name, sync))

    def _add(self, event: Event) -> None:
        self._tape.events.append(event)
