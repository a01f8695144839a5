"""``registry token ...``: who may use a server. Run where its token file lies; needs the extra ``server``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands.terminal import TextTable, say, say_json
from registry.errors import ValidationError
from registry.extras import install

if TYPE_CHECKING:
    from registry_server.access.tokens import Token

app = typer.Typer(
    help="The tokens that a server takes: who may read and write where.\n\n"
    "Run it where the server runs. Servers that use the file follow it within two seconds.",
    no_args_is_help=True,
)

TokenFile = Annotated[
    str | None,
    typer.Option(
        help="The token file.", envvar="REGISTRY_SERVER_TOKENS", show_default="the one beside the data"
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        help="The server's storage, beside which the file lies.",
        envvar="REGISTRY_SERVER_STORAGE",
        show_default="SQLite in your data directory",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Whose token it is, or what for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may do where, as in research.losses:write or *:read; can be given again.",
            show_default="to see metrics and capabilities only",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(help="When it ends: 90d, 12h, or a date, 2027-01-31.", show_default="never"),
    ] = None,
    tokens: TokenFile = None,
    storage: Storage = None,
) -> None:
    """Make a token and print it, once: nothing keeps it but you.

    The first one locks the server: from then on every request needs a token.
    """
    from registry_server.access.token_file import add_token
    from registry_server.access.tokens import make_token

    token, text = make_token(_name(name), _scopes(scope or []), expires_at=_expiry(expires))
    path = _file(tokens, storage)
    add_token(path, token, show=lambda: _print_token(text))
    scopes = ", ".join(map(str, token.scopes)) or "no scope"
    said = f"token {token.id} for {token.name}: {scopes}; {_end(token)}; in {path}"
    typer.echo(said, err=True)  # so that TOKEN=$(registry token new ...) is the token


def _print_token(text: str) -> None:
    try:
        typer.echo(text)
    except OSError as error:  # then nobody has it, and it must not be valid
        raise ValidationError(
            f"The token cannot be printed: {error.strerror}; it was not kept",
            suggestions=["see where the output goes, and make another"],
        ) from None


@app.command("list")
def list_(tokens: TokenFile = None, storage: Storage = None, as_json: AsJson = False) -> None:
    """Show the tokens, revoked and expired ones too; never what they are."""
    from registry_server.access.token_file import read_token_file

    path = _file(tokens, storage)
    try:
        found = list(read_token_file(path).tokens.values())
    except FileNotFoundError:
        raise _no_file(path) from None
    if as_json:
        say_json([_described(token) for token in found])
        return
    table = TextTable("Id", "Name", "Scopes", "State", "Made", "Ends")
    for token in found:
        row = _described(token)
        scopes = " ".join(row["scopes"])
        table.add(
            row["id"], row["name"], scopes, row["state"], row["created_at"], row["expires_at"] or "never"
        )
    table.print("No tokens")


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `registry token list` shows it.")],
    tokens: TokenFile = None,
    storage: Storage = None,
) -> None:
    """End a token: servers that use the file take it no more, within two seconds."""
    from registry_server.access.token_file import revoke_token

    token = revoke_token(_file(tokens, storage), token_id)
    say(f"revoked token {token.id} of {token.name}")


def _file(tokens: str | None, storage: str | None) -> str:
    from registry_server.access.place import token_file_for

    try:
        return token_file_for(tokens or None, storage or None)
    except ImportError as error:  # what tells where your data directory is
        raise ValidationError(
            f"That needs an extra: {error.name} is not installed",
            suggestions=[install("server"), "name the token file: --tokens FILE"],
        ) from None


def _no_file(path: str) -> ValidationError:
    return ValidationError(
        f"There is no token file {path}",
        suggestions=["make a first token: registry token new NAME --scope '*:admin'", "--tokens FILE"],
        context={"path": path},
    )


def _name(name: str) -> str:
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise typer.BadParameter("a name is 1 to 200 characters that can be printed")
    return name


def _scopes(texts: list[str]) -> list[Any]:
    from registry_server.access.scopes import parse_scope

    try:
        return sorted({parse_scope(text) for text in texts})
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--scope") from None


def _expiry(text: str | None) -> datetime | None:
    from registry_server.access.tokens import expiry

    if text is None:
        return None
    try:
        return expiry(text, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from None


def _end(token: Token) -> str:
    return (
        "it does not expire" if token.expires_at is None else f"until {token.expires_at:%Y-%m-%d %H:%M} UTC"
    )


def _described(token: Token) -> dict[str, Any]:
    times = {"created_at": token.created_at, "expires_at": token.expires_at, "revoked_at": token.revoked_at}
    return {
        "id": token.id,
        "name": token.name,
        "scopes": [str(scope) for scope in token.scopes],
        "state": token.state(datetime.now(UTC)),
        **{name: time and time.isoformat().replace("+00:00", "Z") for name, time in times.items()},
    }
