"""What redis-py raises, in the words of `StorageBackend`."""

from __future__ import annotations

from typing import Final

from redis import exceptions

from registry_server.storage.base import StorageError, StorageFullError, StorageUnavailableError

BROKEN: Final = (exceptions.RedisError, OSError, TimeoutError, EOFError)
"""All that connecting, sending and reading may raise; `asyncio.TimeoutError` is a `TimeoutError`."""

EPOCH: Final = "EPOCH"
"""The code with which our scripts say that the history is another one than the caller knows."""

_WHETHER: Final = "see whether it runs, and whether --storage names it"

_NEXT_STEPS: Final = (
    (exceptions.BusyLoadingError, "is reading its data from disk; try again when it has"),
    (
        exceptions.MasterDownError,
        "is a replica that has lost its primary; name the primary, or wait for the failover",
    ),
    (exceptions.ReadOnlyError, "is a replica now; name the primary, or wait for the failover"),
    (
        exceptions.AuthenticationError,
        "refuses the user or the password; put them into the URL: redis://user:password@host",
    ),
    (
        exceptions.NoPermissionError,
        "does not permit it to this user; its ACL needs the rights in docs/redis.md",
    ),
    (exceptions.ClusterDownError, "is a cluster that is down"),
)


def told_another_epoch(reply: object) -> bool:
    """Whether ``reply`` is our own script's error about the epoch."""
    return isinstance(reply, exceptions.ResponseError) and str(reply).startswith(EPOCH)


def translate(error: BaseException, location: str) -> StorageError:
    """The error that ``error`` is to the callers of the storage at ``location``; nothing was written."""
    text = _without_advice(error)
    # MISCONF is how Redis says that its disk failed it.
    if isinstance(error, exceptions.OutOfMemoryError) or text.startswith("OOM") or _disk_full(text):
        return StorageFullError(
            f"the Redis at {location} has no room left; raise its maxmemory or free disk, "
            "nothing need be restarted"
        )
    if told_another_epoch(error):
        return StorageUnavailableError(
            f"the Redis at {location} began another history meanwhile; nothing was done, ask again"
        )
    for kind, what in _NEXT_STEPS:
        if isinstance(error, kind):
            return StorageUnavailableError(f"the Redis at {location} {what}")
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return StorageUnavailableError(f"the Redis at {location} does not answer; {_WHETHER}")
    if isinstance(error, exceptions.ConnectionError | OSError | EOFError):
        reason = text or type(error).__name__
        return StorageUnavailableError(f"cannot reach the Redis at {location}: {reason}; {_WHETHER}")
    return StorageUnavailableError(f"the Redis at {location} cannot do it now: {text}")


def _disk_full(text: str) -> bool:
    return text.startswith("MISCONF") and "No space left" in text


def _without_advice(error: BaseException) -> str:
    """The first sentence at most 200 characters long: texts of Redis go on with advice to its own users."""
    return str(error).split(". ")[0].strip().rstrip(".")[:200]
