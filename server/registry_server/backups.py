"""Backups of a server's storage, as its operator asks for them: from a storage URL to the file behind it."""

from __future__ import annotations

from pathlib import Path

from registry_server.storage.base import StorageSetupError
from registry_server.storage.select import backend_from_url, default_url, file_of
from registry_server.storage.sqlite_backup import BackupError, Progress, Restored, Summary, back_up, restore


def back_up_storage(
    storage: str | None, target: Path, *, force: bool = False, progress: Progress
) -> tuple[Path, Summary]:
    """Copy the store behind a storage URL into a file, beside whatever server runs on it.

    Args:
        storage: as ``--storage`` of a server; its default where it is None.

    Returns:
        The store's file, and what the backup holds.

    Raises:
        BackupError: as `back_up`; or the storage is no file.
    """
    store = _file_behind(storage)
    return store, back_up(store, target, force=force, progress=progress)


def restore_storage(
    backup: Path, storage: str | None, *, force: bool = False, progress: Progress
) -> tuple[Path, Restored]:
    """Make the store behind a storage URL what a backup holds, under a new epoch; as `back_up_storage`.

    Raises:
        BackupError: as `restore`; or the storage is no file.
    """
    store = _file_behind(storage)
    return store, restore(backup, store, force=force, progress=progress)


def _file_behind(storage: str | None) -> Path:
    try:
        url = storage or default_url()
        backend_from_url(url)  # it says what is wrong with the URL
    except StorageSetupError as error:
        raise BackupError(str(error)) from None
    store = file_of(url)
    if store is None:
        raise BackupError(
            "Only a SQLite storage is a file that can be copied",
            [
                "PostgreSQL and Redis have backups of their own, which keep everything",
                "registry export -o FILE copies the entries of any server, over HTTP",
            ],
        )
    try:
        store.exists()
    except OSError as error:  # a folder that this user may not enter
        raise BackupError(
            f"{store} cannot be reached: {error.strerror}", ["see who owns it and its folder"]
        ) from None
    return store
