"""From a server to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final, NamedTuple

from registry import settings
from registry.errors import ExportFileError, NamespaceError, ValidationError
from registry.files import PRIVATE, placed, pour, spooled
from registry.moving.form import entry_line, first_line, last_line
from registry.names import check_namespace
from registry.storage.remote import RemoteStorageProxy
from registry.storage.server import EVEN_IF_EMPTY, RegistryServer

DEFAULT_TIMEOUT: Final = 60.0
"""Seconds that a request may take unless the environment says: it carries a thousand entries."""

_ATTEMPTS: Final = 3

Progress = Callable[[int, int | None], object]
"""Called with how many entries are done, and of how many."""


class Exported(NamedTuple):
    """What an export holds.

    Attributes:
        namespaces: how many entries of each, those asked for that hold none too.
        changing: namespaces that were written to whenever they were read: their entries are whole, and all
            that were there throughout are there, but not as of one moment.
    """

    namespaces: Mapping[str, int]
    changing: list[str]

    @property
    def entries(self) -> int:
        """How many, in all."""
        return sum(self.namespaces.values())


def moving_timeout() -> float:
    """Seconds that one request may take: ``REGISTRY_SERVER_TIMEOUT``, or else `DEFAULT_TIMEOUT`."""
    return settings.server_timeout(DEFAULT_TIMEOUT)


def export_entries(
    target: str | os.PathLike[str] | IO[bytes],
    namespaces: Iterable[str] = (),
    *,
    server: str | None = None,
    token: str | None = None,
    prefix: str = "",
    allow_empty: bool = False,
    progress: Progress = lambda done, total: None,
) -> Exported:
    """Write what a server holds into a file, in the form of `registry.moving.form`; nothing is decoded.

    Each namespace is read as of one moment, unless it is written to all the time (`Exported.changing`).

    Args:
        target: a path, whose file is replaced in one step once all is written, and is its owner's alone if
            it is new; what is no regular file is written into. Or a binary stream.
        namespaces: their names; all of the server unless given.
        server: its URL; from the environment unless given.
        token: bearer token; from the environment unless given.
        prefix: only keys that begin with this.
        allow_empty: export namespaces that hold nothing too, and if nothing at all is there.

    Raises:
        ExportFileError: the file cannot be written.
        NamespaceError: one is no namespace, or holds nothing, or nothing was there to export. An older file
            is as it was.
        RemoteError: the server gave no usable answer.
    """
    whole = RegistryServer(server, timeout=moving_timeout(), token=token)
    names = sorted({check_namespace(name) for name in namespaces})
    sizes = {found.namespace: found.entries for found in whole.namespaces()}
    if not allow_empty and (empty := next((name for name in names if not sizes.get(name)), None)):
        raise whole.nothing_in(empty)
    names = names or sorted(sizes)
    export = _Export(whole, token, prefix, progress, sum(sizes.get(name, 0) for name in names))
    with _written(target) as file:
        file.write(first_line(whole.url))
        for name in names:
            export.add(file, name)
        if not (export.done or allow_empty):
            raise _nothing_to_export(whole, prefix)
        file.write(last_line(export.done))
    return Exported(export.counts, export.changing)


class _Export:
    """One export under way."""

    def __init__(
        self, server: RegistryServer, token: str | None, prefix: str, progress: Progress, total: int
    ) -> None:
        self._server = server
        self._token = token
        self._prefix = prefix
        self._progress = progress
        self._total = None if prefix else total
        self.done = 0
        self.counts: dict[str, int] = {}
        self.changing: list[str] = []

    def add(self, file: IO[bytes], namespace: str) -> None:
        """Write the entries of a namespace, again if somebody wrote to it meanwhile."""
        storage: RemoteStorageProxy[Any] = RemoteStorageProxy(
            namespace, url=self._server.url, timeout=moving_timeout(), token=self._token
        )
        begin, before = file.tell(), self.done
        cursor = self._server.cursor(namespace)
        for _ in range(_ATTEMPTS):
            file.seek(begin)
            file.truncate()
            self.done = before
            for stored in storage.entries(self._prefix):
                file.write(entry_line(namespace, stored.key, stored.envelope))
                self.done += 1
                self._progress(self.done, self._total)
            seen, cursor = cursor, self._server.cursor(namespace)
            if seen == cursor:
                break
        else:
            self.changing.append(namespace)
        self.counts[namespace] = self.done - before


def _nothing_to_export(server: RegistryServer, prefix: str) -> NamespaceError:
    which = f" under a key that begins with {prefix!r}" if prefix else ""
    return NamespaceError(
        f"{server.url} shows nothing to export{which}",
        ["a token sees the namespaces that it may read: registry namespaces", EVEN_IF_EMPTY],
        {"server": server.url, "prefix": prefix},
    )


@contextmanager
def _written(target: str | os.PathLike[str] | IO[bytes]) -> Iterator[IO[bytes]]:
    """A file to write and to rewrite; it goes to ``target`` when the block has ended well."""
    name = str(target) if isinstance(target, str | os.PathLike) else "the export"
    try:
        if isinstance(target, str | os.PathLike):
            with placed(target, PRIVATE) as file:
                yield file
        else:
            with spooled() as file:
                yield file
                pour(file, target)
    except BrokenPipeError:
        raise  # whoever reads it has enough
    except OSError as error:
        if isinstance(error, ValidationError):
            raise  # ours: that a server cannot be reached is an OSError too
        raise ExportFileError(
            f"Cannot write {name}: {error.strerror}", ["name another file: -o FILE"], {"path": name}
        ) from None
