"""The sessions that were logged out, recorded where each process that reads the same token file finds them.

A session ends by itself after `SESSION_SECONDS`, so there is a file for each period of that length: a process
reads the present one and the next, appends without a lock, and deletes any older one.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import time
from typing import Final

from platformdirs import user_data_path

SESSION_SECONDS: Final = 12 * 3600
"""How long a session lasts at most."""

MAX_FILE_BYTES: Final = 256 * 1024
"""Size of one file at most, some 9,000 sessions: holders of tokens must not fill the disk."""

_LINE: Final = re.compile(rb"(\d{1,12}) ([A-Za-z0-9_-]{1,32})\n")


class EndedSessions:
    """The ids of sessions that were logged out and would be valid otherwise.

    Ids that were seen once stay ended, whatever becomes of the files.

    Args:
        tokens: path of the token file. The files lie beside it, or, if this process may not write there, in
            the user's data directory.
    """

    def __init__(self, tokens: str) -> None:
        self._base = _base(Path(tokens))
        self._until: dict[str, int] = {}
        self._stamps: dict[Path, tuple[int, ...]] = {}
        self._lock = Lock()

    def __contains__(self, session: str) -> bool:
        return session in self._until

    def end(self, session: str, until: int) -> None:
        """End a session: in this process at once, elsewhere when the other processes look.

        Args:
            session: its id.
            until: time of `time.time` at which it would have ended, in seconds.

        Raises:
            OSError: it could not be recorded, and is ended in this process only.
        """
        with self._lock:
            self._until[session] = until
        path = self._path(until // SESSION_SECONDS)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size > MAX_FILE_BYTES:
                raise OSError(f"{path} is full")
            line = f"{until} {session}\n".encode()
            # The line feed in front ends a line that a full disk cut off.
            if os.write(descriptor, b"\n" + line) != len(line) + 1:
                raise OSError(f"{path} took a part of a line")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._delete_old()

    def look(self) -> None:
        """Read what other processes have recorded since.

        Raises:
            OSError: a file cannot be read. The next call reads it again.
        """
        for path in self._current():
            try:
                status = os.stat(path)
                stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                if stamp != self._stamps.get(path):
                    self._read(path)
                    self._stamps[path] = stamp
            except FileNotFoundError:
                self._stamps.pop(path, None)
        now = time()
        with self._lock:
            for session in [session for session, until in self._until.items() if until <= now]:
                del self._until[session]

    def _read(self, path: Path) -> None:
        with path.open("rb") as file:
            raw = file.read(2 * MAX_FILE_BYTES)
        found = {session.decode(): int(until) for until, session in _LINE.findall(raw)}
        with self._lock:
            self._until.update(found)

    def _current(self) -> Iterator[Path]:
        period = int(time()) // SESSION_SECONDS
        yield self._path(period)
        yield self._path(period + 1)

    def _path(self, period: int) -> Path:
        return self._base.with_name(f"{self._base.name}.{period}")

    def _delete_old(self) -> None:
        kept = set(self._current())
        with suppress(OSError):
            for path in self._base.parent.iterdir():
                name, _, period = path.name.rpartition(".")
                if name == self._base.name and period.isdigit() and path not in kept:
                    path.unlink(missing_ok=True)


def _base(tokens: Path) -> Path:
    if os.access(tokens.parent, os.W_OK | os.X_OK):
        return tokens.with_name(f"{tokens.name}.ended")
    digest = hashlib.sha256(os.fsencode(tokens)).hexdigest()[:16]
    try:
        return user_data_path("namestead", appauthor=False) / f"sessions-{digest}.ended"
    except RuntimeError:  # no home: recording fails, and says so
        return tokens.with_name(f"{tokens.name}.ended")
