"""The audit log: one line of JSON for each entry that was written, or should not be; no value and no token.

A write costs one append to a list; the lines are made and written behind it, some times a second, in a
thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import accumulate
from time import time
from typing import Any, Final, NamedTuple

import orjson

from registry_server.access.guard import Access, ForbiddenError
from registry_server.access.scopes import Permission

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.1
"""How long a line may wait to be written; what a killed process loses of its log, at most."""

RETRY_SECONDS: Final = 1.0
"""How long lines wait before a file that could not be written is tried again."""

MAX_WAITING: Final = 100_000
"""Lines that wait for a disk that does not write, at most; those after them are counted and lost."""

_LINES_AT_ONCE: Final = 1_000


class Caller(NamedTuple):
    """Who sent the request that is being served."""

    operation: str
    access: Access
    client: str | None


_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


class _Line(NamedTuple):
    at: float
    caller: Caller | None
    namespace: str
    key: str | None
    outcome: str
    revision: int | None
    digest: str | None
    count: int | None  # type: ignore[assignment]  # hides tuple.count, which nobody asks of it

    def json(self) -> bytes:
        operation, access, client = self.caller or (None, None, None)
        token = None if access is None else access.token
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds")
        document: dict[str, Any] = {
            "time": when.replace("+00:00", "Z"),
            "token": None if token is None else token.id,
            "name": None if token is None else token.name,
            "client": client,
            "operation": operation,
            "namespace": self.namespace,
            "key": self.key,
            "outcome": self.outcome,
            "revision": self.revision,
            "digest": self.digest,
        }
        if self.count is not None:
            document["count"] = self.count
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


class AuditLog:
    """Appends lines to a file, which may be rotated under it.

    A file that cannot be written stops no write: lines wait until it can be. Those past `MAX_WAITING` are
    lost: counted, complained of, and told by a line in their place. Those that wait when the process ends are
    lost too.

    Args:
        path: made where it is not there, for its owner only.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._waiting: list[_Line] = []
        self._flush: asyncio.Future[None] | None = None
        self._flushing = False
        self._untold = 0
        self._complaint = ""
        self._file: int | None = None
        self.lost = 0
        os.close(self._open())

    def start(self) -> None:
        """Open the file and keep it open, so that no line needs another descriptor.

        Raises:
            OSError: it cannot be opened.
        """
        self._file = self._open()

    @property
    def waiting(self) -> int:
        """Lines that are not written yet."""
        return len(self._waiting)

    def caller(self, operation: str, access: Access, client: tuple[str, int] | None) -> None:
        """Say who sends the request that this task serves; its writes are theirs."""
        _caller.set(Caller(operation, access, None if client is None else client[0]))

    def note(
        self,
        namespace: str,
        outcome: str,
        *,
        key: str | None = None,
        revision: int | None = None,
        digest: str | None = None,
        count: int | None = None,
    ) -> None:
        """One line: what became of an entry, or of a whole namespace, by the caller of this task."""
        self._append(_Line(time(), _caller.get(), namespace, key, outcome, revision, digest, count))

    def forbidden(self, operation: str, client: tuple[str, int] | None, error: ForbiddenError) -> None:
        """One line, if it was a write that somebody's token did not allow."""
        if error.permission >= Permission.WRITE:
            self.caller(operation, error.access, client)
            self.note(error.namespace, "forbidden")

    def _append(self, line: _Line) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._lose(1)
        else:
            self._waiting.append(line)
        self._flush_in(FLUSH_SECONDS)

    def _lose(self, lines: int) -> None:
        if not self._untold and lines:
            log.error("The audit log %s loses lines", self.path)
        self.lost += lines
        self._untold += lines

    def _flush_in(self, seconds: float) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(seconds, self._begin_flush)

    def _begin_flush(self) -> None:
        self._flush = asyncio.ensure_future(self.flush())

    async def flush(self) -> None:
        """Write the lines that wait; if the file cannot be written, try again after `RETRY_SECONDS`."""
        try:
            while self._waiting:
                lines, told = self._waiting[:_LINES_AT_ONCE], self._untold
                written, error = await asyncio.to_thread(self._write, lines, told)
                del self._waiting[:written]
                if written:
                    self._untold -= told
                self._complain(error)
                if error is not None:
                    break
        finally:
            self._flushing = False
        if self._waiting:
            self._flush_in(RETRY_SECONDS)

    def _complain(self, error: OSError | None) -> None:
        said = "" if error is None else str(error.strerror or error)
        if said != self._complaint:
            if error is None:
                log.warning("The audit log %s can be written again", self.path)
            else:
                log.error("The audit log %s cannot be written: %s; lines wait", self.path, said)
        self._complaint = said

    async def close(self) -> None:
        """Write the lines that wait, or lose them; later lines are written if there is time."""
        if self._flush is not None:
            await self._flush
        await self.flush()
        if self._waiting:
            log.error("The audit log %s has lost %d lines: %s", self.path, self.waiting, self._complaint)
            self.lost += self.waiting
            self._waiting.clear()
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _write(self, lines: Sequence[_Line], untold: int) -> tuple[int, OSError | None]:
        """Append ``lines``, after one that says how many were lost before them.

        Returns:
            How many of ``lines`` are written whole, and what kept the others from it.
        """
        head = [orjson.dumps({"lost": untold}, option=orjson.OPT_APPEND_NEWLINE)] if untold else []
        raw = [*head, *(line.json() for line in lines)]
        try:
            ends, error = _append_whole(self._present_file(), raw)
        except OSError as failure:
            ends, error = 0, failure
        return max(0, ends - len(head)), error

    def _present_file(self) -> int:
        """The open file, or a new one if it was moved away, removed or replaced."""
        file = self._file
        if file is not None:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self.path), os.fstat(file)):
                    return file
            self._file = None
            os.close(file)  # before the other is opened: its descriptor may be the last one
        self._file = self._open()
        return self._file

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _append_whole(file: int, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
    """Append lines to a file that other workers append to as well; how many of them are in it, whole."""
    raw = b"".join(lines)
    with _locked(file):
        before = os.fstat(file).st_size
        written, error = 0, None
        try:
            while written < len(raw):
                written += os.write(file, raw[written:])
        except OSError as failure:
            error = failure
        ends = [*accumulate(map(len, lines), initial=0)]
        whole = bisect_right(ends, written) - 1
        if written > ends[whole]:
            with suppress(OSError):  # a device or a pipe has no end to cut
                os.ftruncate(file, before + ends[whole])
    return whole, error


@contextmanager
def _locked(file: int) -> Iterator[None]:
    """Keep other workers from appending, where the file system can: a cut must not take their lines."""
    if fcntl is None:
        yield
        return
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
