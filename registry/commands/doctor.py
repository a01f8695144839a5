"""``registry doctor``: why a name is not there, or cannot be used."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.commands.entries import AsJson, Server
from registry.commands.terminal import TextTable, say, say_json
from registry.errors import CoercionError
from registry.suggest import near_names

if TYPE_CHECKING:
    from registry.doctor import Diagnosis


def doctor(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAMESPACE|MODULE:CLASS]",
            help="A namespace, as research.losses, or a registry class, as research.losses:Losses.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Argument(help="The artifact's name.")] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Say why a name is not there or cannot be used: settings, keys, server, namespace, near names, imports.

    Of what is registered nothing is decoded, imported or run; MODULE is imported, as your program does.
    Exits 0 if all is well and the name can be used, 1 if not, 2 on wrong usage.
    """
    diagnosis = _diagnosed(target, name, server)
    if as_json:
        say_json(diagnosis.as_dict())
    else:
        _show(diagnosis)
    raise typer.Exit(0 if diagnosis.usable else 1)


def _diagnosed(target: str | None, name: str | None, server: str | None) -> Diagnosis:
    from registry import doctor

    given = server if server != os.environ.get("REGISTRY_SERVER_URL") else None
    if target is None:
        return doctor.explain_server(given)
    if ":" not in target:
        return doctor.explain_namespace(target, name, url=given)
    if given:
        raise CoercionError(
            f"--server is for a namespace; {target} says itself where it is",
            suggestions=["set REGISTRY_SERVER_URL, if the class has no server="],
        )
    found = _registry(target)
    if isinstance(found, doctor.Diagnosis):
        return found
    return doctor.explain(found) if name is None else doctor.explain(found, name)


def _registry(target: str) -> Any:
    """The registry class that ``target`` names; a diagnosis where its module cannot be imported.

    Raises:
        CoercionError: it names none.
    """
    from registry.discovery import Target
    from registry.doctor import unimportable
    from registry.meta import RegistryMeta

    module, attribute = Target.parse(target)
    try:
        with _as_a_program():
            found: Any = import_module(module)
    except (Exception, SystemExit) as error:
        return unimportable(target, module, error)
    public = [each for each, value in vars(found).items() if _is_registry(value)]
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if isinstance(found, RegistryMeta) and _is_registry(found):
        return found
    raise CoercionError(
        f"{target} is no registry class",
        suggestions=[f"{module}:{each}" for each in near_names(attribute, public) or public[:3]],
        context={"module": module, "registries": ", ".join(public) or "none"},
    )


def _is_registry(value: object) -> bool:
    return isinstance(value, type) and getattr(value, "_repository", None) is not None


@contextmanager
def _as_a_program() -> Iterator[None]:
    """Modules beside the caller are found, and what they print is none of our answer."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with redirect_stdout(sys.stderr):
        yield


def _show(diagnosis: Diagnosis) -> None:
    table = TextTable("", "About", "Found")
    for found, suggestions in diagnosis.advised():
        table.add(found.verdict, found.about, found.text)
        for suggestion in suggestions:
            table.add("", "", f"  suggestion: {suggestion}")
    table.print("Nothing was looked at")
    say(diagnosis.summary)
