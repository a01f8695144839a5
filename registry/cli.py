"""The root of the command line. Each command imports what it needs when it runs.

This module needs the extra ``cli``; nothing else of the library imports it.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

from registry.extras import install

try:
    import typer
except ImportError:
    print(f"The command line needs an extra; {install('server')} (or [cli])", file=sys.stderr)
    raise SystemExit(2) from None

from registry import settings
from registry.commands import backups, doctor, entries, keys, moving, versions
from registry.commands import tokens as token_commands
from registry.commands.terminal import (
    do_without_output,
    drop_what_cannot_be_written,
    explained,
    open_closed_streams,
    show_what_cannot_be_encoded,
)
from registry.commands.watch import watch
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
app.command()(watch)
versions.add_to(app)
app.add_typer(keys.app, name="key")
app.command()(keys.resign)
app.command()(doctor.doctor)
app.add_typer(token_commands.app, name="token")
backups.add_to(app)
moving.add_to(app)
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
        help="Where the data lives: sqlite:///path/to/registry.db, redis://host, or memory: to keep nothing.",
        envvar="REGISTRY_SERVER_STORAGE",
        show_default="SQLite in your data directory",
    ),
]
AllowVolatile = Annotated[
    bool,
    typer.Option("--allow-volatile", help="Take a storage that can lose answered writes, as it is set up."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Log every request.")]
AllowedHost = Annotated[
    list[str] | None,
    typer.Option(
        help="Host name to answer for, beside loopback's; can be given again.",
        show_default="any off loopback",
    ),
]

Tokens = Annotated[
    str | None,
    typer.Option(
        help="The token file; with one, every request needs a token.",
        envvar="REGISTRY_SERVER_TOKENS",
        show_default="the one beside the data, if there is one",
    ),
]
RequireAuth = Annotated[
    bool,
    typer.Option(
        "--require-auth", help="Do not start without a valid token.", envvar="REGISTRY_SERVER_REQUIRE_AUTH"
    ),
]
TlsCert = Annotated[
    str | None,
    typer.Option(
        help="Serve https with this certificate chain, a PEM file.",
        envvar="REGISTRY_SERVER_TLS_CERT",
        show_default="http",
    ),
]
TlsKey = Annotated[
    str | None,
    typer.Option(
        help="The certificate's private key, a PEM file.",
        envvar="REGISTRY_SERVER_TLS_KEY",
        show_default="in the certificate's file",
    ),
]
TrustedProxy = Annotated[
    list[str] | None,
    typer.Option(
        help="Address or network of a proxy whose X-Forwarded-For is believed; can be given again.",
        show_default="none",
    ),
]
AuditLog = Annotated[
    str | None,
    typer.Option(
        help="Append a line of JSON for each write to this file.",
        envvar="REGISTRY_SERVER_AUDIT_LOG",
        show_default="none",
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        help="Processes that serve, over a storage that they share: PostgreSQL or Redis.",
        envvar="REGISTRY_SERVER_WORKERS",
        min=1,
        max=256,
    ),
]
Chaos = Annotated[
    str | None,
    typer.Option(
        help="Fail on purpose, to test clients with: latency=0.2,errors=0.1,drop-watch=0.2,compact=0.1,"
        "truncate=0.05,seed=7.",
        show_default="never",
    ),
]


def main() -> None:
    """Entry point of ``registry`` and of ``python -m registry``; exits 2 on a mistake in the set-up."""
    open_closed_streams()
    show_what_cannot_be_encoded()
    try:
        app(prog_name="registry")
    except ValidationError as error:
        _fail(explained(error))
    except OSError as error:
        if error.filename is not None:
            raise
        # Of no file, so of the output: what goes over a network is told in our own errors.
        _fail(f"Cannot write what it says: {error.strerror or error}")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    host: Host = None,
    port: Port = None,
    storage: Storage = None,
    allowed_host: AllowedHost = None,
    allow_volatile: AllowVolatile = False,
    tokens: Tokens = None,
    require_auth: RequireAuth = False,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    trusted_proxy: TrustedProxy = None,
    audit_log: AuditLog = None,
    debug: Debug = False,
    workers: Workers = 1,
    chaos: Chaos = None,
) -> None:
    if context.invoked_subcommand is None:
        context.invoke(serve, **context.params)


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    storage: Storage = None,
    allowed_host: AllowedHost = None,
    allow_volatile: AllowVolatile = False,
    tokens: Tokens = None,
    require_auth: RequireAuth = False,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    trusted_proxy: TrustedProxy = None,
    audit_log: AuditLog = None,
    debug: Debug = False,
    workers: Workers = 1,
    chaos: Chaos = None,
) -> None:
    """Run a registry server until it is told to stop (Ctrl-C, or SIGTERM).

    Requests under way are finished, and every write that was answered is stored.
    """
    do_without_output()
    try:
        from registry_server import cli as server
    except ImportError as error:
        _fail(f"Serving needs an extra ({error.name} is not installed); {install('server')}")
    try:
        server.serve(
            server.settings_from(
                host=host or settings.server_host(),
                port=settings.server_port() if port is None else port,
                storage=storage,
                allowed_hosts=tuple(allowed_host or ()),
                allow_volatile=allow_volatile,
                debug=debug,
                tokens=tokens or None,
                require_auth=require_auth,
                tls_cert=tls_cert or None,
                tls_key=tls_key or None,
                trusted_proxies=tuple(trusted_proxy or ()),
                audit_log=audit_log or None,
                workers=workers,
                chaos=chaos,
            ),
            typer.echo,
        )
    except server.SetupError as error:
        _fail(f"The server cannot start: {error}")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    drop_what_cannot_be_written()
    raise SystemExit(2)
