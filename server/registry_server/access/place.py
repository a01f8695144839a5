"""Where the token file of a server lies: named by its operator, or beside the data."""

from __future__ import annotations

import os

from registry_server.access.token_file import TokenFileError
from registry_server.storage.base import StorageSetupError
from registry_server.storage.select import default_url, file_of


def token_file_beside(storage: str) -> str | None:
    """The token file that belongs to a storage URL; None beside what is no file."""
    file = file_of(storage)
    return None if file is None else f"{file.absolute()}.tokens"


def token_file_for(tokens: str | None, storage: str | None) -> str:
    """The token file that commands change: the one named, or else beside the data, by default the user's own.

    Raises:
        TokenFileError: there is no place beside the data.
    """
    try:
        path = tokens or token_file_beside(storage or default_url())
    except StorageSetupError as error:
        raise TokenFileError(str(error), ["name the token file: --tokens FILE"]) from None
    if path is None:
        raise TokenFileError(
            "This storage is no file that tokens could lie beside", ["name the token file: --tokens FILE"]
        )
    return os.path.abspath(os.path.expanduser(path))
