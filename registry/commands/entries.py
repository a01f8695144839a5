"""``registry ls | get | set | rm | namespaces | stats``: what a server holds, for people and for scripts.

Pickles are never decoded here: what is shown of them is what their envelopes say.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from registry.commands.terminal import TextTable, print_facts, say, say_json
from registry.envelope.form import MAX_VALUE_BYTES, Envelope, parse_json
from registry.errors import (
    CoercionError,
    DuplicateKeyError,
    EnvelopeTooLargeError,
    MalformedEnvelopeError,
    RegistryError,
    ValidationError,
)
from registry.text import visible
from registry.versions.aliases import is_alias, target_of
from registry.versions.deprecation import Deprecation
from registry.versions.numbers import is_version

if TYPE_CHECKING:
    from registry.storage.remote import RemoteStorageProxy
    from registry.storage.stored import Stored

SUMMARY_LENGTH = 32


def _text(given: str) -> str:
    """``given``, unless its bytes were no text."""
    try:
        given.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("it is not UTF-8") from None
    return given


def _address(given: str | None) -> str | None:
    """``given``, unless it contains a user or a password."""
    from registry.storage.connection import USE_A_TOKEN, has_credentials

    if given is not None and has_credentials(given):
        raise ValidationError(
            "A registry server's address must not contain a user or a password",
            suggestions=[f"use a token: {USE_A_TOKEN}"],
        )
    return given


Namespace = Annotated[str, typer.Argument(help="As in research.losses.")]
Key = Annotated[str, typer.Argument(help="The artifact's name.")]
Prefix = Annotated[str, typer.Option(help="Only names that begin with this.", callback=_text)]
Server = Annotated[
    str | None,
    typer.Option(
        help="The server's URL.",
        envvar="REGISTRY_SERVER_URL",
        show_default="http://localhost:8001",
        callback=_address,
    ),
]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Write the file also if a namespace holds nothing.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def add_to(app: typer.Typer) -> None:
    """Make these functions commands of ``app``."""
    for command in (namespaces, ls, get, rm, stats):
        app.command(command.__name__)(command)
    # A negative number is a value, though it looks like an option.
    app.command("set", context_settings={"ignore_unknown_options": True})(set_)


def namespaces(prefix: Prefix = "", server: Server = None, as_json: AsJson = False) -> None:
    """List the namespaces that hold artifacts, and how many."""
    from registry.storage.server import RegistryServer

    found = list(RegistryServer(server).namespaces(prefix))
    if as_json:
        say_json([summary._asdict() for summary in found])
        return
    table = TextTable("Namespace", ">Entries")
    for summary in found:
        table.add(summary.namespace, f"{summary.entries:,}")
    table.print(
        f"No namespace that begins with {prefix!r} holds anything"
        if prefix
        else "No namespace holds anything yet"
    )


def ls(namespace: Namespace, prefix: Prefix = "", server: Server = None, as_json: AsJson = False) -> None:
    """List the artifacts of a namespace, in the order of their registration."""
    entries: Iterable[Stored] = storage_of(namespace, server).entries(prefix)
    if as_json:
        say_json([_described(stored) for stored in entries])
        return
    table = TextTable("Name", "Kind", "Value", ">Bytes", "Changed")
    for stored in entries:
        about = _described(stored)
        changed = about["updated_at"][:16].replace("T", " ")
        kind = about["kind"] if about["deprecated"] is None else f"{about['kind']}, deprecated"
        table.add(stored.key, kind, _summary(stored), f"{about['size']:,}", changed)
    table.print(f"{namespace} holds nothing" + (f" that begins with {prefix!r}" if prefix else ""))


def get(namespace: Namespace, key: Key, server: Server = None, as_json: AsJson = False) -> None:
    """Print a JSON value, or what is known of a function or class without running anything."""
    storage = storage_of(namespace, server)
    with near_names_suggested(storage, key):
        stored = storage.entry(key)
    about = _described(stored)
    if as_json:
        say_json({**about, "envelope": stored.envelope.to_dict()})
    elif stored.envelope.type == "json":
        say_json(parse_json(stored.envelope.data))
    else:
        print_facts((name, "none" if value is None else str(value)) for name, value in about.items())


def set_(
    namespace: Namespace,
    key: Key,
    value: Annotated[str, typer.Argument(help="JSON; @FILE reads a file, - reads what is piped in.")],
    create: Annotated[bool, typer.Option("--create", help="Fail if the name is taken.")] = False,
    server: Server = None,
) -> None:
    """Store a JSON value under a name, in the place of what stands there."""
    parsed = _parsed(value)
    storage = storage_of(namespace, server)
    if create or is_version(key):
        _create(storage, key, parsed)
    else:
        storage[key] = parsed
    say(f"{key} is stored in {storage.location}")


def _create(storage: RemoteStorageProxy[Any], key: str, value: Any) -> None:
    claim = storage.claim(key, value)
    if not (claim.won or claim.same):
        raise DuplicateKeyError(
            f"{key!r} in {storage.location} is taken, by {claim.owner}",
            suggestions=["versions are never replaced"]
            if is_version(key)
            else ["leave out --create to replace it"],
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
        what = "not both" if everything else f"registry ls {namespace} lists them"
        raise CoercionError("Say which names to remove, or --all", suggestions=[what])
    storage = storage_of(namespace, server)
    if everything:
        count = len(storage)
        if not yes:
            typer.confirm(f"Remove all {count:,} artifacts of {storage.location}?", abort=True)
        storage.clear()
        say(f"removed {count:,} artifacts")
        return
    for key in keys or ():
        with near_names_suggested(storage, key):
            del storage[key]
        say(f"removed {key}")


def stats(server: Server = None, as_json: AsJson = False) -> None:
    """Show the server in numbers."""
    from registry.storage.server import RegistryServer

    numbers = RegistryServer(server).stats()
    if as_json:
        say_json(numbers)
        return
    sizes = numbers.pop("namespace_sizes")
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:10]
    facts = {**numbers, **{f"in {namespace}": size for namespace, size in largest}}
    print_facts(
        (name, f"{value:,}" if isinstance(value, int) else str(value)) for name, value in facts.items()
    )


def say_of_file(path: str | Path, text: str) -> None:
    """Print a line about what was written; elsewhere, where that may itself be standard output."""
    typer.echo(visible(text), err=not Path(path).is_file())


def storage_of(namespace: str, server: str | None) -> RemoteStorageProxy[Any]:
    """The namespace, on the server that was named."""
    from registry.storage.remote import RemoteStorageProxy

    return RemoteStorageProxy(namespace, url=server)


@contextmanager
def near_names_suggested(storage: RemoteStorageProxy[Any], key: str) -> Iterator[None]:
    """Where nothing has the name: those that are like it, or how to see them all."""
    try:
        yield
    except RegistryError as error:
        error.suggestions = storage.near_names(key) or [f"registry ls {storage.namespace} lists the names"]
        raise


def _described(stored: Stored) -> dict[str, Any]:
    """All that is known of an entry without decoding it."""
    meta = stored.envelope.meta or {}
    signature = stored.envelope.signature
    deprecation = Deprecation.of_meta(meta)
    head = {"key": stored.key, "kind": _kind(stored.envelope)}
    if is_alias(stored.envelope):
        head["alias_of"] = target_of(stored.envelope)
    # What the entry's writer says of it comes first and loses: the rest is what the server knows.
    return {
        **head,
        **meta,
        **head,
        "deprecated": deprecation and deprecation._asdict(),
        "size": _size(stored.envelope),
        "signed_by": signature.partition(":")[0] if signature else None,
        "revision": stored.revision,
        "etag": stored.etag,
        "digest": stored.digest,
        "updated_at": stored.updated_at,
    }


def _kind(envelope: Envelope) -> str:
    if is_alias(envelope):
        return "alias"
    return "json" if envelope.type == "json" else (envelope.meta or {}).get("kind", "pickle")


def _size(envelope: Envelope) -> int:
    """Bytes of the JSON text or of the pickle."""
    if envelope.type == "json":
        return len(envelope.data.encode())
    return len(envelope.data) * 3 // 4 - envelope.data[-2:].count("=")


def _summary(stored: Stored) -> str:
    meta = stored.envelope.meta or {}
    if is_alias(stored.envelope):
        text = f"of {target_of(stored.envelope)}"
    elif stored.envelope.type == "json":
        text = stored.envelope.data
    else:
        text = ".".join(part for part in (meta.get("module"), meta.get("qualname")) if part)
    return text if len(text) <= SUMMARY_LENGTH else text[: SUMMARY_LENGTH - 1] + "…"


def _parsed(value: str) -> Any:
    text = _text_of(value)
    try:
        return parse_json(text)
    except MalformedEnvelopeError as error:
        raise ValidationError(
            f"The value is not JSON: {error.message.removeprefix('Not strict JSON: ')}",
            suggestions=["a text is written in quotes: '\"adam\"'", "an object: '{\"lr\": 0.001}'"],
        ) from None


def _text_of(value: str) -> str:
    try:
        if value == "-":
            return _bounded(sys.stdin.buffer).decode("utf-8-sig")
        if value.startswith("@"):
            with Path(value[1:]).open("rb") as file:
                return _bounded(file).decode("utf-8-sig")
    except OSError as error:
        raise ValidationError(
            f"Cannot read {value[1:]}: {error.strerror}",
            suggestions=["@FILE is a file of JSON; a text is written in quotes: '\"@text\"'"],
        ) from None
    except UnicodeDecodeError:
        raise ValidationError("The value is not UTF-8", suggestions=["JSON is UTF-8: convert it"]) from None
    return value


def _bounded(source: IO[bytes]) -> bytes:
    raw = source.read(MAX_VALUE_BYTES + 1)
    if len(raw) > MAX_VALUE_BYTES:
        raise EnvelopeTooLargeError(
            f"The value is larger than the {MAX_VALUE_BYTES:,} bytes that may travel",
            suggestions=["keep it in a file or object store, and share where it is"],
        )
    return raw
