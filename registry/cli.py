"""The root of the command line. Each command imports what it needs when it runs.

This module needs the extra ``cli``; nothing else of the library imports it.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

try:
    import typer
except ImportError:
    print("The command line needs an extra: pip install 'namestead[server]' (or [cli])", file=sys.stderr)
    raise SystemExit(2) from None

from registry import settings
from registry.commands import entries, keys, versions
from registry.commands.terminal import explained, show_what_cannot_be_encoded
from registry.conformance.command import conformance
from registry.errors import ValidationError

app = typer.Typer(
    help="A registry of named functions, classes and configs, shared by every process of a cluster.\n\n"
    "Without a command it serves, as [bold]registry serve[/] does.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

entries.add_to(app)
versions.add_to(app)
app.add_typer(keys.app, name="key")
app.command()(keys.resign)
app.command()(conformance)

Host = Annotated[
    str | None,
    typer.Option(
        help="Name or address to listen on.", envvar="REGISTRY_SERVER_HOST", show_default="localhost"
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        help="Port to listen on; 0 lets the system choose.",
        envvar="REGISTRY_SERVER_PORT",
        min=0,
        max=65_535,
        show_default="8001",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        help="Where the data lives: sqlite:///path/to/registry.db, or memory: to keep nothing.",
        envvar="REGISTRY_SERVER_STORAGE",
        show_default="SQLite in your data directory",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Log every request.")]
AllowedHost = Annotated[
    list[str] | None,
    typer.Option(
        help="Host name to answer for, beside loopback's; can be given again.",
        show_default="any off loopback",
    ),
]


def main() -> None:
    """Entry point of ``registry`` and of ``python -m registry``; exits 2 on a mistake in the set-up."""
    show_what_cannot_be_encoded()
    try:
        app(prog_name="registry")
    except ValidationError as error:
        _fail(explained(error))


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    host: Host = None,
    port: Port = None,
    storage: Storage = None,
    allowed_host: AllowedHost = None,
    debug: Debug = False,
) -> None:
    if context.invoked_subcommand is None:
        serve(host=host, port=port, storage=storage, allowed_host=allowed_host, debug=debug)


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    storage: Storage = None,
    allowed_host: AllowedHost = None,
    debug: Debug = False,
) -> None:
    """Run a registry server until it is told to stop (Ctrl-C, or SIGTERM).

    Requests under way are finished, and every write that was answered is stored.
    """
    try:
        from registry_server import cli as server
    except ImportError as error:
        _fail(f"Serving needs an extra: pip install 'namestead[server]' ({error.name} is not installed)")
    try:
        server.serve(
            server.settings_from(
                host=host or settings.server_host(),
                port=settings.server_port() if port is None else port,
                storage=storage,
                allowed_hosts=tuple(allowed_host or ()),
                debug=debug,
            ),
            typer.echo,
        )
    except server.SetupError as error:
        _fail(f"The server cannot start: {error}")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise SystemExit(2)
