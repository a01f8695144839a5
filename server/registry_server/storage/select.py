"""From the text of ``--storage`` to the backend it names; only that backend's technology is imported.

    memory:                          in this process, lost with it
    sqlite:///relative/path.db       a file; four slashes for an absolute path, ``~`` is the home directory
    sqlite:///path.db?synchronous=NORMAL
    postgresql://user:password@host/database         any number of servers over one database are one registry
    redis://user:password@host:6379/0    a Redis or Valkey (``valkey://``, with TLS ``rediss://``), shared by
                                     any number of servers; its options stand in ``redis_url``

Paths are percent-decoded, as in any URL.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from registry.extras import install
from registry.suggest import did_you_mean, near_names
from registry_server.storage.base import StorageBackend, StorageSetupError

_AVAILABLE: Final = "memory:, sqlite:///path/to/registry.db, postgresql://user@host/database and redis://host"


def backend_from_url(url: str) -> StorageBackend:
    """The backend that ``url`` names, not yet opened.

    Raises:
        StorageSetupError: there is none of that name, or what follows it is not understood. The text never
            repeats what follows the scheme, where passwords stand.
    """
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in _SCHEMES:
        near = near_names(scheme, _SCHEMES)
        hint = did_you_mean(["memory:" if name == "memory" else f"{name}://" for name in near])
        raise StorageSetupError(f"no storage goes by this URL's scheme; there is {_AVAILABLE}.{hint}")
    return _SCHEMES[scheme](rest)


def allowing_volatile(url: str) -> str:
    """``url``, with leave to lose writes for what could be run so that it loses none.

    What is said of memory and of a file is said by their own URLs.
    """
    if url.partition(":")[0].lower() in ("memory", "sqlite"):
        return url
    return f"{url}{'&' if '?' in url else '?'}allow_volatile=1"


def default_url() -> str:
    """SQLite in the user's data directory, which is created, for its owner only, where it is not there.

    Raises:
        StorageSetupError: the directory cannot be created, or the user has no home directory.
    """
    from platformdirs import user_data_path

    try:
        folder = user_data_path("namestead", appauthor=False)
    except RuntimeError:
        raise StorageSetupError(
            "the data directory is unknown, since this user has no home directory: set HOME, or name a file: "
            "--storage sqlite:////path/to/registry.db, or keep nothing: --storage memory:"
        ) from None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise StorageSetupError(
            f"cannot create the data directory {folder}: {exc.strerror}; name another file: "
            "--storage sqlite:///path/to/registry.db, or keep nothing: --storage memory:"
        ) from exc
    return f"sqlite:///{quote(str(folder / 'registry.db'))}"


def file_of(url: str) -> Path | None:
    """The file that a storage lies in; None where it lies in no file of its own.

    Raises:
        StorageSetupError: its path begins with ``~``, and the home directory is unknown.
    """
    scheme, _, rest = url.partition(":")
    path = unquote(rest.partition("?")[0].removeprefix("///"))
    return _at_home(path) if scheme.lower() == "sqlite" and path else None


def _at_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StorageSetupError(
            f"{path} begins with a home directory that is unknown: set HOME, or give the whole path: "
            "--storage sqlite:////path/to/registry.db"
        ) from None


def _memory(rest: str) -> StorageBackend:
    if rest.strip("/"):
        raise StorageSetupError("memory: takes nothing after the colon")
    from registry_server.storage.memory import MemoryBackend

    return MemoryBackend()


def _sqlite(rest: str) -> StorageBackend:
    location, _, query = rest.partition("?")
    path = unquote(location.removeprefix("///"))
    if path == ":memory:":
        raise StorageSetupError("for a store that is not kept, use --storage memory:")
    if not location.startswith("///") or not path or "\0" in path:
        raise StorageSetupError(
            "a SQLite storage is sqlite:///relative.db or, with four slashes, sqlite:////absolute.db"
        )
    from registry_server.storage.sqlite import SqliteBackend

    return SqliteBackend(_at_home(path), **_sqlite_options(query))


def _sqlite_options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - {"synchronous"})
    if unknown:
        raise StorageSetupError(f"a SQLite storage has no option {unknown[0]!r}; it has synchronous")
    return options


def _postgresql(rest: str) -> StorageBackend:
    if not rest.startswith("//"):
        raise StorageSetupError("a PostgreSQL storage is postgresql://user:password@host:5432/database")
    try:
        from registry_server.storage.postgresql import PostgresqlBackend
    except ImportError as exc:
        raise StorageSetupError(
            f"PostgreSQL storage needs psycopg ({exc}); {install('server,postgresql')}"
        ) from exc
    return PostgresqlBackend(f"postgresql:{rest}")


def _redis(rest: str, *, tls: bool = False) -> StorageBackend:
    from registry_server.storage.redis_url import options_of

    options = options_of(rest, tls=tls)
    try:
        from registry_server.storage.redis import RedisBackend
    except ModuleNotFoundError as exc:
        if exc.name != "redis":
            raise
        raise StorageSetupError(f"a Redis storage needs another package; {install('server,redis')}") from exc

    return RedisBackend(options)


_SCHEMES: Final[dict[str, Callable[[str], StorageBackend]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "postgres": _postgresql,
    "redis": _redis,
    "rediss": partial(_redis, tls=True),
    "valkey": _redis,
    "valkeys": partial(_redis, tls=True),
}
