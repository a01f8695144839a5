"""``registry key ...`` and ``registry resign``: the keys that sign what this user shares."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.commands.entries import Server
from registry.commands.progress import bar
from registry.commands.terminal import TextTable, say
from registry.envelope import keyfile
from registry.errors import RegistryError, SignatureError

app = typer.Typer(
    help="The keys that sign what you share and verify what you read.\n\n"
    "A team shares one key file; REGISTRY_SIGNING_KEY_FILE says where it lies.",
    no_args_is_help=True,
)

KeyFile = Annotated[
    str | None,
    typer.Option("--file", help="The key file; the one in use unless given.", show_default=False),
]


@app.command()
def new(file: KeyFile = None) -> None:
    """Make a key file with one new key, readable by you alone."""
    try:
        key = keyfile.create_key_file(file)
    except FileExistsError:
        raise _standing_there(file) from None
    except OSError as error:
        raise SignatureError(
            f"Cannot make a key file: {error}", suggestions=["choose a place: --file PATH"]
        ) from None
    say(f"made key {key.id} in {file or keyfile.key_file_path()}")
    if file:
        say(f"use it: export REGISTRY_SIGNING_KEY_FILE={file}")


def _standing_there(file: str | None) -> SignatureError:
    """The error that no file is made where there is one; what helps depends on what it is."""
    another = "registry key new --file ANOTHER"
    try:
        keyfile.list_keys(file)
    except SignatureError as error:
        return SignatureError(f"{error.message}; it was left as it is", [*error.suggestions, another])
    return SignatureError(
        f"There is a key file at {file or keyfile.key_file_path()}; it was left as it is",
        suggestions=["registry key rotate puts a new key in front", another],
    )


def _unchangeable(what: str, error: OSError) -> SignatureError:
    return SignatureError(f"{what}: {error}", suggestions=["see who may write to the file and its folder"])


@app.command("list")
def list_(file: KeyFile = None) -> None:
    """Show the ids of the keys, never the keys; the first one signs, all of them verify."""
    try:
        keys = keyfile.list_keys(file)
    except FileNotFoundError as error:
        if error.filename is None:  # no place for one: there is no home directory
            raise _unchangeable("Cannot list the keys", error) from None
        raise SignatureError(
            f"There is no key file at {error.filename} yet",
            suggestions=["registry key new makes one; so does the first value you share"],
        ) from None
    table = TextTable("Key", "Use")
    for key in keys:
        table.add(key.id, "signs and verifies" if key.signs else "verifies")
    table.print("No keys")


@app.command()
def rotate(file: KeyFile = None) -> None:
    """Put a new key in front: it signs from now on, the older ones still verify.

    Then sign again what is stored (registry resign NAMESPACE), and take the old key out: registry key remove.
    """
    try:
        key = keyfile.rotate_keys(file)
    except FileNotFoundError as error:
        new = "registry key new" if file is None else f"registry key new --file {file}"
        raise SignatureError(f"Cannot rotate the keys: {error}", suggestions=[new]) from None
    except OSError as error:
        raise _unchangeable("Cannot rotate the keys", error) from None
    say(f"{key.id} signs from now on")
    say("next: registry resign NAMESPACE, for each namespace; then registry key remove OLD_KEY")


@app.command()
def remove(
    key: Annotated[str, typer.Argument(help="Its id, as registry key list shows it.")], file: KeyFile = None
) -> None:
    """Take a key out of the file: what it signed is refused from now on, by running processes too."""
    try:
        keyfile.remove_key(key, file)
    except FileNotFoundError as error:
        raise SignatureError(f"Cannot remove a key: {error}", suggestions=["registry key list"]) from None
    except OSError as error:
        raise _unchangeable("Cannot remove a key", error) from None
    say(f"{key} signs and verifies nothing any more")


def resign(
    namespace: Annotated[str, typer.Argument(help="The namespace whose entries to sign again.")],
    server: Server = None,
) -> None:
    """Sign the entries of a namespace again, with the key that signs now.

    Only what a key of yours has signed is signed again; the rest is listed and left as it is. JSON is not
    signed and stays. Entries that somebody replaces meanwhile keep what they wrote.
    """
    from registry.storage.remote import RemoteStorageProxy

    storage: RemoteStorageProxy[object] = RemoteStorageProxy(namespace, url=server)
    keyfile.load_keyring()  # a key file that cannot be used is one mistake, not one for each entry
    refused = []
    keys = list(storage)
    with bar("signing") as progress:
        for number, key in enumerate(keys):
            progress(number, len(keys))
            try:
                storage.resign(key)
            except SignatureError as error:
                refused.append((key, error.message))
            except RegistryError:
                continue  # removed since it was listed
    done = len(keys) - len(refused)
    say(f"{done} of {len(keys)} entries of {namespace} have today's signature, or are JSON and need none")
    for key, message in refused:
        say(f"left as it is: {key}: {message}")
    if refused:
        say("next: have them registered again, or put the key that signed them into the key file")
        raise typer.Exit(1)
