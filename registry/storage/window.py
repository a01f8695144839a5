"""What look-ups of one registry see of an informer: a table of decoded values, or nothing.

A look-up reads ``view.table`` and takes no lock. The table holds only what may be handed to every reader as
it is: functions, classes, and JSON values that nobody can change. It is filled as values are looked up; what
the entries are is the informer's to know. All methods are called with the informer's lock held.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Event
from typing import Any, Final

from registry.storage.base import View

_EMPTY: Final[dict[str, Any]] = {}
"""What the view of a shut window shows; nobody writes to it."""

_UNCHANGEABLE: Final = frozenset({str, int, float, bool, type(None)})


class Window:
    """A registry's view of a namespace that is followed.

    Args:
        max_staleness: seconds for which what is known may be served after a poll has vouched for it.
        stale_if_error: the same while the server does not answer.
    """

    __slots__ = ("__weakref__", "_table", "max_staleness", "opened", "stale_if_error", "view")

    def __init__(self, max_staleness: float, stale_if_error: float = 0.0) -> None:
        self.max_staleness = max_staleness
        self.stale_if_error = stale_if_error
        self.view: View[str, Any] = View(_EMPTY)
        self._table: dict[str, Any] = {}
        self.opened = Event()

    def bound(self, *, away: bool) -> float:
        """Seconds for which what was vouched for may be served."""
        return max(self.max_staleness, self.stale_if_error) if away else self.max_staleness

    @property
    def is_open(self) -> bool:
        return self.view.table is self._table

    def open(self) -> None:
        self.view.table = self._table
        self.opened.set()

    def close(self) -> None:
        self.view.table = _EMPTY
        self.opened.clear()

    def put(self, key: str, value: Any) -> None:
        """Show ``value`` to whoever looks ``key`` up from now on, until it is dropped."""
        self._table[key] = value

    def drop(self, keys: Iterable[str]) -> None:
        """Show these no longer: one in place, several in one swap, so that a batch is never half seen."""
        shown = {key for key in keys if key in self._table}
        if len(shown) == 1:
            del self._table[shown.pop()]
        elif shown:
            rest = {key: value for key, value in self._table.items() if key not in shown}
            was_open, self._table = self.is_open, rest
            if was_open:
                self.view.table = rest

    def forked(self) -> None:
        """In a forked child: whoever changed this at that moment is not here to finish."""
        self.opened = Event()
        self.clear()

    def clear(self) -> None:
        """Show nothing, and forget what was shown."""
        self._table = {}
        self.close()


def is_unchangeable(value: object) -> bool:
    """Whether one JSON value may be handed to many readers: nothing that one does shows to another."""
    return type(value) in _UNCHANGEABLE
