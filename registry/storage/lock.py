"""A lock that survives a fork."""

from __future__ import annotations

import os
from threading import RLock
from weakref import WeakSet


class ReentrantLock:
    """As `threading.RLock`; in a forked child it is free, unless the thread that forked holds it.

    A plain lock that another thread holds at the moment of a fork stays taken in the child for ever: the
    thread that would release it is not there.
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = RLock()
        _all_locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def _free_of_lost_threads(self) -> None:
        if self._lock.acquire(blocking=False):  # it was free, or is this very thread's
            self._lock.release()
        else:
            self._lock = RLock()


_all_locks: WeakSet[ReentrantLock] = WeakSet()


def _after_fork() -> None:
    for lock in list(_all_locks):
        lock._free_of_lost_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
