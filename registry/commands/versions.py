"""``registry versions | alias | deprecate | freeze``: names over time. Pickles are never decoded here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.commands.entries import (
    AllowEmpty,
    AsJson,
    Key,
    Namespace,
    Server,
    near_names_suggested,
    say_of_file,
    storage_of,
)
from registry.commands.terminal import TextTable, say, say_json
from registry.errors import CoercionError, RegistryError
from registry.suggest import near_names
from registry.versions.aliases import Alias, move, read_stored
from registry.versions.deprecation import Deprecation
from registry.versions.numbers import Version, listed, split_version

LockFile = Annotated[Path, typer.Option("--output", "-o", help="The lock file.")]


def add_to(app: typer.Typer) -> None:
    """Make these functions commands of ``app``."""
    for command in (versions, alias, deprecate, freeze):
        app.command(command.__name__)(command)


def versions(
    namespace: Namespace,
    name: Annotated[str, typer.Argument(help="The name without @number.")],
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of a name, the oldest first."""
    storage = storage_of(namespace, server)
    found = listed(storage, name)
    if not found:
        raise _no_versions(storage, name)
    if as_json:
        say_json([_version(version) for version in found])
        return
    table = TextTable("Version", "Origin", "Digest", "Changed", "Deprecated")
    for version in found:
        said = "" if version.deprecation is None else str(version.deprecation)
        table.add(version.key, version.origin, version.digest[:19], _minute(version.updated_at), said)
    table.print("")


def _no_versions(storage: Any, name: str) -> RegistryError:
    names = dict.fromkeys(version[0] for key in storage if (version := split_version(key)))
    near = near_names(name, names)
    return RegistryError(
        f"{name!r} in {storage.location} has no versions",
        suggestions=near or [f"publish one: Losses.publish_version({name!r}, artifact)"],
        context={"key": name},
    )


def _version(version: Version) -> dict[str, Any]:
    return {**version._asdict(), "deprecation": version.deprecation and version.deprecation._asdict()}


def alias(
    namespace: Namespace,
    alias: Annotated[str, typer.Argument(help="The alias, as in champion.")],
    target: Annotated[
        str | None, typer.Argument(help="What it is to lead to; without, its history is shown.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Who moves it, for the history.", show_default="user@host")
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Show where an alias leads and led, or move it; moving it back is rolling back."""
    storage = storage_of(namespace, server)
    if target is not None:
        with near_names_suggested(storage, target):
            found = move(storage, alias, target, by)
    else:
        with near_names_suggested(storage, alias):
            found = read_stored(storage, alias)
    if as_json:
        say_json(_alias(alias, found))
    elif target is not None:
        say(f"{alias} leads to {found.target} in {storage.location}")
    else:
        _print_history(found)


def _alias(name: str, alias: Alias) -> dict[str, Any]:
    moves = [
        {"at": move.at, "by": move.by, "from": move.previous, "to": move.target} for move in alias.history
    ]
    return {"alias": name, "target": alias.target, "history": moves}


def _print_history(alias: Alias) -> None:
    table = TextTable("Moved", "By", "From", "To")
    for step in reversed(alias.history):
        table.add(_minute(step.at), step.by, step.previous or "", step.target)
    table.print(f"leads to {alias.target}; no move is known")


def deprecate(
    namespace: Namespace,
    key: Key,
    removal: Annotated[
        str | None, typer.Option(help="Date of its removal, as in 2027-06-01.", show_default=False)
    ] = None,
    alternative: Annotated[
        str | None, typer.Option(help="The name to use instead.", show_default=False)
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, in a sentence.", show_default=False)] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Have everybody who looks up a name warned; the artifact stays what it is."""
    from registry.versions.naming import deprecate_entry

    if undo and (removal or alternative or reason):
        raise CoercionError("--undo takes it back, and says nothing else", suggestions=["leave out the rest"])
    said = None if undo else Deprecation.checked(removal, alternative, reason)
    storage = storage_of(namespace, server)
    with near_names_suggested(storage, key):
        deprecate_entry(storage, key, said)
    if as_json:
        say_json({"key": key, "deprecated": said and said._asdict()})
    else:
        say(f"{key} is {said or 'not deprecated'}")


def freeze(
    namespaces: Annotated[list[str] | None, typer.Argument(help="As in research.losses.")] = None,
    output: LockFile = Path("registry.lock"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say what differs from the server, and exit 1.")
    ] = False,
    allow_empty: AllowEmpty = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Write a lock file of namespaces, from which frozen= opens a registry without a server.

    With --check, of the namespaces given or of all in the file, say what is another on the server by now.
    """
    if check:
        _check(output, namespaces or [], server, as_json)
        return
    if not namespaces:
        raise CoercionError("Say which namespaces to freeze", suggestions=["registry namespaces lists them"])
    from registry.versions import lock

    entries = lock.freeze(namespaces, output, server=server, allow_empty=allow_empty)
    if as_json:
        say_json({"path": str(output), "namespaces": sorted(set(namespaces)), "entries": entries})
    else:
        say_of_file(output, f"froze {entries:,} entries in {output}")


def _check(path: Path, namespaces: list[str], server: str | None, as_json: bool) -> None:
    from registry.versions.lock import differences

    found = list(differences(path, namespaces=namespaces, server=server))
    if as_json:
        say_json([difference._asdict() for difference in found])
    else:
        table = TextTable("Namespace", "Name", "On the server")
        for difference in found:
            table.add(difference.namespace, difference.key, difference.state)
        table.print(f"the server has what is in {path}")
        if found:
            counts = Counter(difference.state for difference in found)
            say(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    if found:
        raise typer.Exit(1)


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
