"""The changes of a storage in this process, for those who watch it."""

from __future__ import annotations

import os
import threading
from collections import deque
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from uuid import uuid4
from weakref import WeakSet

from registry.errors import ValidationError
from registry.watching.change import Change, Operation

KEPT: Final = 10_000
"""Changes that are kept for whoever comes back with a cursor, as on a server."""


class Feed:
    """The latest changes of a storage, from the moment that it was first watched."""

    def __init__(self) -> None:
        self._epoch = uuid4().hex[:16]
        self._head = 0
        self._kept: deque[Change] = deque(maxlen=KEPT)
        self._moved = threading.Condition()
        _all_feeds.add(self)

    def add(self, op: Operation, key: Any = None, value: Any = None) -> None:
        """Tell of a change. Called with the storage's lock held, so that the order is that of the writes."""
        with self._moved:
            self._head += 1
            self._kept.append(
                Change(
                    op,
                    key,
                    self._head,
                    self._cursor(self._head),
                    updated_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    load=(lambda: value) if op == "set" else None,
                )
            )
            self._moved.notify_all()

    def now(self) -> str:
        """The cursor of this moment."""
        return self._cursor(self._head)

    def after(self, cursor: str, seconds: float, stopped: threading.Event) -> tuple[list[Change], str]:
        """The changes after ``cursor``, waiting for the first for ``seconds``, and where they end."""
        epoch, _, text = cursor.rpartition(".")
        if not (epoch and text.isascii() and text.isdecimal()):
            raise ValidationError(
                f"Not a cursor: {cursor!r}", suggestions=["give back change.cursor as it came"]
            )
        revision = int(text)
        with self._moved:
            oldest = self._head - len(self._kept)
            if epoch != self._epoch or not oldest <= revision <= self._head:
                return [Change("resync", None, self._head, self.now())], self.now()
            self._moved.wait_for(lambda: self._head > revision or stopped.is_set(), seconds)
            start = len(self._kept) - min(self._head - revision, len(self._kept))
            return list(islice(self._kept, start, None)), self.now()

    def wake(self) -> None:
        """Let all that wait look again."""
        with self._moved:
            self._moved.notify_all()

    def _cursor(self, revision: int) -> str:
        return f"{self._epoch}.{revision}"

    def forked(self) -> None:
        """In a forked child: whoever held the lock is not here to release it."""
        self._moved = threading.Condition()


class LocalSource:
    """A `registry.watching.changes.Source` over a feed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._stopped = threading.Event()

    def now(self) -> str:
        return self._feed.now()

    def after(self, cursor: str, seconds: float) -> tuple[list[Change], str]:
        return self._feed.after(cursor, seconds, self._stopped)

    def interrupt(self) -> None:
        self._stopped.set()
        self._feed.wake()

    def close(self) -> None:
        pass


_all_feeds: WeakSet[Feed] = WeakSet()


def _after_fork() -> None:
    for feed in list(_all_feeds):
        feed.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
