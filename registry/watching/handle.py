"""Changes handed to a callback, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import Any, Final

from registry.watching.change import Change
from registry.watching.changes import Changes

log = logging.getLogger("registry.watch")

MOST_PENDING: Final = 10_000
"""Changes that wait for a slow callback; past that no more are asked for, and the server keeps them."""

_CLOSE_SECONDS: Final = 1.0


class Watch:
    """Calls ``callback`` with each change, in their order, one at a time, until it is closed.

    One thread asks for changes, another calls: a slow callback holds up no poll. One that raises is logged,
    under ``registry.watch``, and the next change comes all the same. Both threads end with the process, and
    do not survive a fork. A context manager: it is closed at the block's end.
    """

    def __init__(self, changes: Changes, callback: Callable[[Change], object], name: str) -> None:
        self._changes = changes
        self._callback = callback
        self._pending: Queue[Change] = Queue(MOST_PENDING)
        self._closed = threading.Event()
        self.cursor: str = changes.cursor
        """Where a later watch goes on: after the change whose callback returned last."""
        self.error: Exception | None = None
        """Why no more changes come, where the server refused to tell them."""
        self._threads = [
            threading.Thread(target=target, name=f"registry-watch-{name}", daemon=True)
            for target in (self._fetch, self._call)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Call back no more; the call under way, if any, is waited for a second. May be called twice."""
        self._closed.set()
        self._changes.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_CLOSE_SECONDS)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def _fetch(self) -> None:
        try:
            for change in self._changes:
                while not self._closed.is_set():
                    try:
                        self._pending.put(change, timeout=0.5)
                    except Full:
                        continue
                    break
        except Exception as error:
            if not self._closed.is_set():
                self.error = error
                log.error("A watch ended, and no more changes come: %s", error)

    def _call(self) -> None:
        while not self._closed.is_set():
            try:
                change = self._pending.get(timeout=0.5)
            except Empty:
                continue
            try:
                self._callback(change)
            except Exception:
                log.exception("The callback of a watch failed on %r", change)
            self.cursor = change.cursor
