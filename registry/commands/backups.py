"""``registry backup | restore``: copies of a server's SQLite file. Run where it lies; extra ``server``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.commands.progress import bar
from registry.commands.terminal import say, say_json

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
