"""The files a server holds open, compared with the files at their names."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from registry_server.storage.base import StorageUnavailableError

log = logging.getLogger(__name__)

Identity = tuple[int, int]
"""Device and inode."""

_GONE: Final = (FileNotFoundError, NotADirectoryError)
_SMALLEST: Final = 512
"""Bytes of SQLite's smallest page: a shorter database has been truncated."""


def identity_of(path: Path | str) -> Identity:
    """Return the device and inode at ``path``; a link is not followed.

    Raises:
        OSError: the name cannot be looked up.
    """
    found = os.stat(path, follow_symlinks=False)
    return found.st_dev, found.st_ino


class HeldFiles:
    """Files that were opened by name, and must stay at their names.

    SQLite goes on writing to a file that was unlinked or replaced. Whatever is written then is gone when the
    process ends, so no write may be answered. A file that is put back does not end this: meanwhile the name
    may have been another file's.

    Any thread may `check`.
    """

    def __init__(self) -> None:
        self._held: dict[str, Identity] = {}
        self._database = ""
        self._loss = ""

    def hold(self, path: Path, *, database: bool = False) -> None:
        """Note which file is at ``path``; a ``database`` must also keep its first page."""
        self._held[str(path)] = identity_of(path)
        if database:
            self._database = str(path)

    def check_known(self) -> None:
        """Raise as `check` does if an earlier check found a loss; ask nothing of the file system."""
        if self._loss:
            raise StorageUnavailableError(self._loss)

    def check(self) -> None:
        """Return if every name still leads to the file that was opened.

        Raises:
            StorageUnavailableError: one does not, or did not at an earlier check; or it cannot be looked up.
        """
        self.check_known()
        for path, identity in self._held.items():
            try:
                found = os.stat(path, follow_symlinks=False)
            except _GONE:
                self._lose(f"{path} was deleted or moved")
            except OSError as exc:
                raise StorageUnavailableError(f"{path} cannot be looked up: {exc.strerror}") from exc
            else:
                if (found.st_dev, found.st_ino) != identity:
                    self._lose(f"{path} was replaced by another file")
                if path == self._database and found.st_size < _SMALLEST:
                    self._lose(f"{path} was truncated")

    def _lose(self, what: str) -> None:
        self._loss = (
            f"{what} while the server had it open; writes are refused until the server is restarted. "
            "Entries can still be read: save them first with registry export"
        )
        log.error("%s", self._loss)
        raise StorageUnavailableError(self._loss)
