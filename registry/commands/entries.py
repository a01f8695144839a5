"""``registry ls | get | set | rm | namespaces | stats``: what a server holds, for people and for scripts.

Pickles are never decoded here: what is shown of them is what their envelopes say.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from registry.envelope.form import MAX_VALUE_BYTES, parse_json
from registry.errors import CoercionError, DuplicateKeyError, MalformedEnvelopeError, ValidationError

if TYPE_CHECKING:
    from registry.storage.remote import RemoteStorageProxy, Stored

SUMMARY_LENGTH = 32

Namespace = Annotated[str, typer.Argument(help="As in research.losses.")]
Key = Annotated[str, typer.Argument(help="The artifact's name.")]
Prefix = Annotated[str, typer.Option(help="Only names that begin with this.")]
Server = Annotated[
    str | None,
    typer.Option(
        help="The server's URL.", envvar="REGISTRY_SERVER_URL", show_default="http://localhost:8001"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def add_to(app: typer.Typer) -> None:
    """Make these functions commands of ``app``."""
    for command in (namespaces, ls, get, set_, rm, stats):
        app.command(command.__name__.rstrip("_"))(command)


def namespaces(prefix: Prefix = "", server: Server = None, as_json: AsJson = False) -> None:
    """List the namespaces that hold artifacts, and how many."""
    from registry.storage.server import RegistryServer

    found = list(RegistryServer(server).namespaces(prefix))
    if as_json:
        _print_json([summary._asdict() for summary in found])
        return
    table = _table("Namespace", ">Entries")
    for summary in found:
        table.add_row(summary.namespace, f"{summary.entries:,}")
    _print_table(table, "No namespace holds anything yet")


def ls(namespace: Namespace, prefix: Prefix = "", server: Server = None, as_json: AsJson = False) -> None:
    """List the artifacts of a namespace, in the order of their registration."""
    entries: Iterable[Stored] = _storage(namespace, server).entries(prefix)
    if as_json:
        _print_json([_described(stored) for stored in entries])
        return
    table = _table("Name", "Kind", "Value", ">Bytes", "Changed")
    for stored in entries:
        about = _described(stored)
        table.add_row(
            _printable(stored.key),
            about["kind"],
            _printable(_summary(stored)),
            f"{len(stored.envelope.data):,}",
            about["updated_at"][:16].replace("T", " "),
        )
    _print_table(table, f"{namespace} holds nothing" + (f" that begins with {prefix!r}" if prefix else ""))


def get(namespace: Namespace, key: Key, server: Server = None, as_json: AsJson = False) -> None:
    """Print a JSON value, or what is known of a function or class without running anything."""
    stored = _storage(namespace, server).entry(key)
    about = _described(stored)
    if as_json:
        _print_json({**about, "envelope": stored.envelope.to_dict()})
    elif stored.envelope.type == "json":
        _print_json(parse_json(stored.envelope.data))
    else:
        table = Table.grid(padding=(0, 2))
        for name, value in about.items():
            table.add_row(name.replace("_", " "), _printable(str(value)))
        Console().print(table)


def set_(
    namespace: Namespace,
    key: Key,
    value: Annotated[str, typer.Argument(help="JSON; @FILE reads a file, - reads what is piped in.")],
    create: Annotated[bool, typer.Option("--create", help="Fail if the name is taken.")] = False,
    server: Server = None,
) -> None:
    """Store a JSON value under a name, in the place of what stands there."""
    parsed = _parsed(value)
    storage = _storage(namespace, server)
    if create:
        _create(storage, key, parsed)
    else:
        storage[key] = parsed
    typer.echo(f"{key} is stored in {storage.location}")


def _create(storage: RemoteStorageProxy[Any], key: str, value: Any) -> None:
    claim = storage.claim(key, value)
    if not (claim.won or claim.same):
        raise DuplicateKeyError(
            f"{key!r} in {storage.location} is taken, by {claim.owner}",
            suggestions=["leave out --create to replace it"],
            context={"key": key, "owner": claim.owner},
        )


def rm(
    namespace: Namespace,
    keys: Annotated[list[str] | None, typer.Argument(help="The names to remove.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove all of the namespace.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: Server = None,
) -> None:
    """Remove artifacts by name, or with --all the whole namespace."""
    if bool(keys) == everything:
        raise CoercionError("Say which names to remove, or --all", suggestions=["registry ls NAMESPACE"])
    storage = _storage(namespace, server)
    if everything:
        count = len(storage)
        if not yes:
            typer.confirm(f"Remove all {count:,} artifacts of {storage.location}?", abort=True)
        storage.clear()
        typer.echo(f"removed {count:,} artifacts")
        return
    for key in keys or ():
        del storage[key]
        typer.echo(f"removed {key}")


def stats(server: Server = None, as_json: AsJson = False) -> None:
    """Show the server in numbers."""
    from registry.storage.server import RegistryServer

    numbers = RegistryServer(server).stats()
    if as_json:
        _print_json(numbers)
        return
    sizes = numbers.pop("namespace_sizes")
    table = Table.grid(padding=(0, 2))
    for name, value in numbers.items():
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    for namespace, size in sorted(sizes.items(), key=lambda item: -item[1])[:10]:
        table.add_row(f"in {namespace}", f"{size:,}")
    Console().print(table)


def _storage(namespace: str, server: str | None) -> RemoteStorageProxy[Any]:
    from registry.storage.remote import RemoteStorageProxy

    return RemoteStorageProxy(namespace, url=server)


def _described(stored: Stored) -> dict[str, Any]:
    """All that is known of an entry without decoding it."""
    meta = dict(stored.envelope.meta or {})
    kind = "json" if stored.envelope.type == "json" else meta.pop("kind", "pickle")
    signature = stored.envelope.signature
    return {
        "key": stored.key,
        "kind": kind,
        **meta,
        "signed_by": signature.partition(":")[0] if signature else None,
        "revision": stored.revision,
        "etag": stored.etag,
        "digest": stored.digest,
        "updated_at": stored.updated_at,
    }


def _summary(stored: Stored) -> str:
    meta = stored.envelope.meta or {}
    if stored.envelope.type == "json":
        text = stored.envelope.data
    else:
        text = ".".join(part for part in (meta.get("module"), meta.get("qualname")) if part)
    return text if len(text) <= SUMMARY_LENGTH else text[: SUMMARY_LENGTH - 1] + "…"


def _parsed(value: str) -> Any:
    try:
        return parse_json(_text_of(value))
    except MalformedEnvelopeError as error:
        raise ValidationError(
            f"The value is not JSON: {error.message.removeprefix('Not strict JSON: ')}",
            suggestions=["a text is written in quotes: '\"adam\"'", "an object: '{\"lr\": 0.001}'"],
        ) from None


def _text_of(value: str) -> str:
    try:
        if value == "-":
            return sys.stdin.buffer.read(MAX_VALUE_BYTES + 1).decode()
        if value.startswith("@"):
            return Path(value[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise ValidationError(f"Cannot read {value[1:]}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValidationError("The value is not UTF-8") from None
    return value


def _table(*columns: str) -> Table:
    """A table of texts; a column whose name begins with ``>`` is of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        number = column.startswith(">")
        table.add_column(column.lstrip(">"), justify="right" if number else "left", no_wrap=number)
    return table


def _print_table(table: Table, nothing: str) -> None:
    if table.row_count:
        Console().print(table)
    else:
        typer.echo(nothing)


def _printable(text: str) -> str:
    """``text`` with what could command a terminal, or rich, made visible."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
