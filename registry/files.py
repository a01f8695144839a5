"""Writing a file in one step; what is no regular file is written into, and never replaced."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

PRIVATE: Final = 0o600
"""Mode of a new file that is its owner's alone."""


@contextmanager
def placed(path: str | os.PathLike[str], mode: int) -> Iterator[IO[bytes]]:
    """A file to write and to rewrite; what it holds comes to ``path`` once the block has ended well.

    A regular file is replaced in one step and keeps its mode; a new one gets ``mode``, as the umask has it.
    Links are followed. A device, a pipe or what else is no regular file stays, and is written into.

    Raises:
        OSError: it cannot be written. A regular file is as it was.
    """
    place = _regular(path)
    if place is None:
        with spooled() as spool, open(path, "wb") as stream:
            yield spool
            pour(spool, stream)
        return
    beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    # Whoever replaces a private file must not open its content to others, be it for a moment.
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as file:
            if place.exists():
                os.chmod(beside, stat.S_IMODE(place.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def spooled() -> Iterator[IO[bytes]]:
    """A file without a name, to write and to read more than once."""
    with tempfile.TemporaryFile() as spool:
        yield spool


def pour(spool: IO[bytes], stream: IO[bytes]) -> None:
    """Write all that ``spool`` holds into a stream, through to the system."""
    spool.seek(0)
    shutil.copyfileobj(spool, stream)
    stream.flush()


def _regular(path: str | os.PathLike[str]) -> Path | None:
    """Where the file that ``path`` leads to lies or is to lie; None where that is no regular file."""
    place = Path(os.path.realpath(path))
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return place
    # What /dev/stdout leads to may have no name any more, or never had one.
    named = place.exists() and os.path.samestat(found, place.stat())
    return place if stat.S_ISREG(found.st_mode) and named else None
