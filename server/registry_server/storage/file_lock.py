"""One process at a time: a lock on a file, which its holder's death releases."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        # Far behind the text, since Windows forbids others to read what is locked.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileHeldError(Exception):
    """Another opener holds the lock. ``pid`` is its process, None where it is just writing it down."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


class FileLock:
    """An exclusive lock that lies in a file of its own, beside what it guards.

    Of its own, because closing any descriptor of a SQLite file drops the POSIX locks that SQLite holds on
    it in this process. ``flock`` belongs to the open file: a second opener in this very process is refused
    too. The file stays when the lock is released: who removed it could remove one that another has just
    locked.

    With ``note=False`` nothing is written into the file, which then is what is guarded: its other names, hard
    links, meet at it too. For Linux alone, where ``flock`` and SQLite's locks do not see each other; it is
    held from before SQLite opens the file until SQLite has closed it.
    """

    def __init__(self, path: Path, *, note: bool = True) -> None:
        self._path = path
        self._note = note
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and, unless told not to, write this process's id into it.

        Raises:
            FileHeldError: another one has it.
            OSError: the file cannot be opened.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _try_lock(descriptor)
        except (BlockingIOError, PermissionError) as exc:
            holder = os.read(descriptor, 32) if self._note else b""
            os.close(descriptor)
            raise FileHeldError(int(holder) if holder.strip().isdigit() else None) from exc
        except OSError:
            os.close(descriptor)
            raise
        if self._note:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; harmless where nothing is held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
