"""Several servers of one store: which of them is asked, and which one next where that one does not answer.

They are one registry: entries, revisions, ETags and cursors are those of the store, so that a call may go to
any of them. The first is asked as long as it answers; in its place the one that answers; and the first again
once it is back. What each call may be sent again for is decided in `registry.storage.call`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from registry.errors import ValidationError

RETURN_SECONDS: Final = 30.0
"""How long the first server is not asked after it failed; then by one call of the process, a read."""

CONNECT_SECONDS: Final = 1.0
"""What a server may take to accept a connection, or to answer the read that tries it, if there is another."""


_answered: set[str] = set()
"""Base URLs of servers that have answered this process, or the process that it was forked from."""


class Servers:
    """The servers of one store, in the order in which they are preferred. Shared by all calls of a process.

    It has no lock: each step is one assignment, and a call that still goes where others do no longer finds
    out by itself.

    Args:
        urls: their base URLs, at least one.
        clock: seconds that only go forward.

    Attributes:
        urls: without a slash at their end, each once.
        text: as one setting has them, separated by commas.
        several: whether there is more than one.
        current: the one that is asked now.
    """

    __slots__ = ("_clock", "_return_at", "current", "several", "text", "urls")

    def __init__(self, urls: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.urls = tuple(dict.fromkeys(url.rstrip("/") for url in urls))
        self.text = ",".join(self.urls)
        self.several = len(self.urls) > 1
        self.current = self.urls[0]
        self._clock = clock
        self._return_at = 0.0

    def __str__(self) -> str:
        return ", ".join(self.urls)

    def may_return(self) -> bool:
        """Whether this call, and no other for a while, is to see if the first server is back."""
        if self.current == self.urls[0] or self._clock() < self._return_at:
            return False
        self._return_at = self._clock() + RETURN_SECONDS
        return True

    def after(self, url: str) -> str:
        """The server to ask where ``url`` did not answer; later calls do not begin with that."""
        following = self.urls[(self.urls.index(url) + 1) % len(self.urls)]
        if self.current == url:
            self.current = following
            self._return_at = self._clock() + RETURN_SECONDS
        return following

    def is_expected(self, url: str) -> bool:
        """Whether the server at ``url`` is the current one and has answered this process before."""
        return url is self.current and url in _answered

    def any_has_answered(self) -> bool:
        """Whether one of them has answered this process before, so that it is worth waiting for a restart."""
        return not _answered.isdisjoint(self.urls)

    def answered(self, url: str) -> None:
        """Stay with the server that answered."""
        self.current = url
        _answered.add(url)


def as_setting(server: str | Iterable[str] | None) -> str | None:
    """One or several addresses as a setting has them, or None.

    Raises:
        ValidationError: they are no texts, or there is none.
    """
    if server is None or isinstance(server, str):
        return server
    try:
        text = ",".join(server)
    except TypeError:
        text = ""
    if not text:
        raise ValidationError(
            f"Not a server's address, nor several: {server!r}",
            suggestions=["server='http://localhost:8001'", "server=['http://a:8001', 'http://b:8001']"],
        )
    return text
