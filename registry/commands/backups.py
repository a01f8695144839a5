"""``registry backup | restore``: copies of a server's SQLite file. Run where it lies; extra ``server``."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from registry import settings
from registry.commands.progress import bar
from registry.commands.terminal import say, say_json
from registry.errors import CoercionError

if TYPE_CHECKING:
    from registry_server.storage.sqlite_backup import Summary

Storage = Annotated[
    str | None,
    typer.Option(
        help="The server's storage.",
        envvar="REGISTRY_SERVER_STORAGE",
        show_default="SQLite in your data directory",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def add_to(app: typer.Typer) -> None:
    """Make these functions commands of ``app``."""
    for command in (backup, restore):
        app.command(command.__name__)(command)


def backup(
    file: Annotated[Path, typer.Argument(help="The backup to make.")],
    storage: Storage = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an older backup.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy a server's SQLite store into a file, while it serves.

    The copy is of one moment, and verified before it takes its name.
    """
    from registry_server.backups import back_up_storage

    if storage is None:
        _check_that_default_is_meant()
    with bar("copying") as progress:
        store, summary = back_up_storage(storage, file, force=force, progress=progress)
    if as_json:
        say_json({"backup": str(file), "store": str(store), **summary._asdict()})
        return
    say(f"{file} holds {_in_words(summary)}, as {store} did when the copy began")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that registry backup made.")],
    storage: Storage = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a store that holds anything; it is kept beside.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a server's SQLite store what a backup holds. Stop the server first.

    A new epoch begins: clients that watch or cache list again.
    """
    from registry_server.backups import restore_storage

    if storage is None:
        _check_that_default_is_meant()
    with bar("restoring") as progress:
        store, (summary, kept) = restore_storage(file, storage, force=force, progress=progress)
    if as_json:
        say_json({"store": str(store), "kept": kept and str(kept), **summary._asdict()})
        return
    say(f"{store} holds {_in_words(summary)}, under the new epoch {summary.epoch[:8]}")
    if kept is not None:
        say(f"what it held before is in {kept}")


def _in_words(summary: Summary) -> str:
    return f"{summary.entries:,} entries of {summary.namespaces:,} namespaces ({summary.size:,} bytes)"


def _check_that_default_is_meant() -> None:
    """Refuse the default store if the environment names a server that does not use it.

    A server uses it if it was started without ``--storage`` on this machine; of those, the one at the port
    that `registry serve` takes. No other server's store can be known from here.
    """
    from registry.storage.connection import Address, Connection

    servers = Connection(Address()).servers
    for url in servers.urls:
        parts = urlsplit(url)
        if not _is_here(parts.hostname or "") or parts.port != settings.server_port():
            raise CoercionError(
                f"The environment names the server {parts.scheme}://{parts.netloc.rpartition('@')[2]}, "
                "and the default store is not that server's",
                [
                    "run the command where that server's file is, and name the file: --storage sqlite:////path.db",
                    "registry export -o FILE copies the entries of that server, over HTTP",
                    "for the default store, unset REGISTRY_SERVER_URL and REGISTRY_SERVER_HOST",
                ],
            )


def _is_here(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified
