"""The audit log: one line of JSON for each entry that was written, or should not be; no value and no token.

A write costs one append to a list; the lines are made and written behind it, some times a second, in a
thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from time import time
from typing import IO, Any, Final, NamedTuple

import orjson

from registry_server.access.guard import Access, ForbiddenError
from registry_server.access.scopes import Permission

log = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.1
"""How long a line may wait to be written; what a killed process loses of its log, at most."""

MAX_WAITING: Final = 100_000
"""Lines that wait for a disk that does not write, at most; those after them are counted and lost."""


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

    A file that cannot be written stops no write: what is lost is counted, complained of, and said in the
    first line that can be written again.

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
        self._lost = 0
        self._open().close()

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
            self._lost += 1
            return
        self._waiting.append(line)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._begin_flush)

    def _begin_flush(self) -> None:
        self._flush = asyncio.ensure_future(self.flush())

    async def flush(self) -> None:
        """Write what waits."""
        try:
            while self._waiting:
                lines, self._waiting = self._waiting, []
                lost, self._lost = self._lost, 0
                self._lost += await asyncio.to_thread(self._write, lines, lost)
        finally:
            self._flushing = False

    async def close(self) -> None:
        """Write what waits; what a write under way notes after this is written when there is time."""
        if self._flush is not None:
            await self._flush
        await self.flush()

    def _write(self, lines: Sequence[_Line], lost: int) -> int:
        """Append ``lines``, after one that says how many were lost before them; how many are lost now."""
        head = [orjson.dumps({"lost": lost}, option=orjson.OPT_APPEND_NEWLINE)] if lost else []
        raw = b"".join([*head, *(line.json() for line in lines)])
        try:
            # Opened anew each time: whoever rotates it, moves it away and is done.
            with self._open() as file:
                file.write(raw)
        except OSError as error:
            lost += len(lines)
            log.error("The audit log %s has lost %d lines: %s", self.path, lost, error.strerror)
            return lost
        return 0

    def _open(self) -> IO[bytes]:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        return open(os.open(self.path, flags, 0o600), "ab", buffering=0)
