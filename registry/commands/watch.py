"""``registry watch``: what changes in a namespace, as it changes."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from registry.commands.entries import AsJson, Namespace, Server
from registry.commands.terminal import say
from registry.watching.change import Change

INTERRUPTED = 130
"""What shells make of a program that Ctrl-C ended."""


def watch(
    namespace: Namespace,
    since: Annotated[
        str | None, typer.Option(help="The cursor of a change: go on after it.", show_default="now")
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Print each change of a namespace as it happens, until Ctrl-C. Nothing is decoded."""
    from registry.storage.remote import RemoteStorageProxy

    changes = RemoteStorageProxy[Any](namespace, url=server).changes(since)
    try:
        for change in changes:
            say(_as_json(change) if as_json else _as_line(change))
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    finally:
        changes.close()


def _as_json(change: Change) -> str:
    """One object on one line; names with characters that a terminal obeys are escaped, and read the same."""
    about = {
        "op": change.op,
        "key": change.key,
        "revision": change.revision,
        "digest": change.digest,
        "updated_at": change.updated_at or None,
        "cursor": change.cursor,
    }
    return json.dumps({name: value for name, value in about.items() if value is not None})


def _as_line(change: Change) -> str:
    moment = change.updated_at[11:19] or "        "
    if change.op == "resync":
        return f"{moment}  {change.revision:>6}  resync  earlier changes can no longer be told"
    return f"{moment}  {change.revision:>6}  {change.op:<6}  {change.key or ''}".rstrip()
