"""File descriptors: how many the process may have, and one kept in reserve."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def raise_descriptor_limit() -> None:
    """Raise the soft limit of open files to the hard one, if the system allows it.

    A login shell's soft limit is often 1,024, and each connection takes a descriptor.
    """
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # a sandbox may kill processes that set limits, so it is not called for nothing
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Reserve:
    """One descriptor set aside, so that one file can be opened when the process has no other left.

    For one thread at a time.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether the descriptor is set aside now."""
        return self._descriptor is not None

    def fill(self) -> None:
        """Set the descriptor aside. If none is left, the next call tries again."""
        if self._descriptor is None:
            with suppress(OSError):
                self._descriptor = os.open(os.devnull, os.O_RDONLY)

    def release(self) -> None:
        """Give the descriptor back to the process."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Give the descriptor back for the length of a block that opens one file at a time."""
        was_held = self.held
        self.release()
        try:
            yield
        finally:
            if was_held:
                self.fill()
