"""``registry export | import``: entries between servers, as JSON Lines. Pickles are never decoded here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands.entries import AllowEmpty, AsJson, Prefix, Server, say_of_file
from registry.commands.progress import bar
from registry.commands.terminal import TextTable, say, say_json
from registry.commands.watch import INTERRUPTED
from registry.errors import CoercionError
from registry.text import visible

if TYPE_CHECKING:
    from registry.moving import Exported, Imported

_SHOWN = 20
"""Entries that are named below a table, at most."""


def add_to(app: typer.Typer) -> None:
    """Make these functions commands of ``app``."""
    app.command("export")(export)
    app.command("import")(import_)


def export(
    output: Annotated[str, typer.Option("--output", "-o", help="The file; - is standard output.")],
    namespaces: Annotated[
        list[str] | None, typer.Argument(help="Which namespaces.", show_default="all")
    ] = None,
    prefix: Prefix = "",
    allow_empty: AllowEmpty = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Write what a server holds into a file, a line of JSON for each entry.

    Two exports of the same entries are the same but for their first line. registry import reads them.
    A namespace that was named and holds nothing is an error, and so is an export of nothing at all.
    """
    from registry.moving import export_entries

    if output == "-" and as_json:
        raise CoercionError(
            "--json and the export cannot both go to standard output", ["name a file: -o FILE"]
        )
    target = sys.stdout.buffer if output == "-" else output
    with bar("exporting") as progress:
        exported = export_entries(
            target,
            namespaces or (),
            server=server,
            prefix=prefix,
            allow_empty=allow_empty,
            progress=progress,
        )
    if as_json:
        say_json({"file": output, "entries": exported.entries, **exported._asdict()})
        return
    _report_export(exported, output)


def _report_export(exported: Exported, output: str) -> None:
    for name, entries in exported.namespaces.items():
        if not entries:
            _note(f"{name} holds nothing that was to be exported")
    for name in exported.changing:
        _note(f"{name} was written to while it was read: its entries are whole, but not of one moment")
    if output != "-":
        count = sum(map(bool, exported.namespaces.values()))
        say_of_file(output, f"{output} holds {exported.entries:,} entries of {count:,} namespaces")


def import_(
    file: Annotated[str, typer.Argument(help="A file that registry export wrote; - is standard input.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; show what would be done.")
    ] = False,
    on_conflict: Annotated[
        str,
        typer.Option(help="Where another entry has the name: error (nothing is written), skip or replace."),
    ] = "error",
    prefix: Prefix = "",
    to_namespace: Annotated[
        list[str] | None,
        typer.Option(help="OLD=NEW: import one namespace under another name; can be given again."),
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Store the entries of an export on a server.

    Broken off, it is run again: what is there already is left unchanged.
    """
    from registry.moving import import_entries

    source = sys.stdin.buffer if file == "-" else Path(file)
    try:
        with bar("comparing" if dry_run else "importing") as progress:
            imported = import_entries(
                source,
                server=server,
                on_conflict=on_conflict,
                dry_run=dry_run,
                prefix=prefix,
                to_namespace=dict(map(_pair, to_namespace or ())),
                progress=progress,
            )
    except KeyboardInterrupt as ended:
        for note in getattr(ended, "__notes__", ["broken off: nothing was written"]):
            _note(note)
        raise SystemExit(INTERRUPTED) from None
    if as_json:
        say_json(_as_dict(imported))
    else:
        _print(imported)
    if imported.conflicts:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (equals and old and new):
        raise CoercionError(
            f"--to-namespace takes OLD=NEW, not {text!r}", ["--to-namespace research.losses=archive.losses"]
        )
    return old, new


def _as_dict(imported: Imported) -> dict[str, Any]:
    from registry.moving.importing import ACTIONS

    counts = {name: {action: found[action] for action in ACTIONS} for name, found in imported.counts.items()}
    return {
        "dry_run": imported.dry_run,
        "namespaces": counts,
        "entries": [entry._asdict() for entry in imported.entries],
        "wrongly_signed": [
            {"namespace": namespace, "key": key} for namespace, key in imported.wrongly_signed
        ],
    }


def _print(imported: Imported) -> None:
    from registry.moving.importing import ACTIONS

    table = TextTable("Namespace", *(f">{action.capitalize()}" for action in ACTIONS))
    for name, counts in sorted(imported.counts.items()):
        table.add(name, *(f"{counts[action]:,}" for action in ACTIONS))
    table.print("There is nothing to import in it")
    contested = [entry for entry in imported.entries if entry.action in ("replaced", "skipped", "conflict")]
    for entry in contested[:_SHOWN]:
        say(f"{entry.action}: {entry.key} in {entry.namespace}")
    if len(contested) > _SHOWN:
        say(f"and {len(contested) - _SHOWN:,} more: --json lists them")
    for namespace, key in imported.wrongly_signed[:_SHOWN]:
        _note(f"{key} in {namespace} cannot be read: its signature is for another name or content")
    if imported.dry_run:
        say("nothing was written: --dry-run")


def _note(text: str) -> None:
    typer.echo(visible(text), err=True)
