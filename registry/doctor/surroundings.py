"""What a look-up depends on before any name: settings, signing keys, the server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from registry import settings
from registry.doctor.findings import Finding, Verdict, finding, from_error, redacted
from registry.errors import PermissionDeniedError, RemoteError, ValidationError
from registry.suggest import near_names

if TYPE_CHECKING:
    from registry.envelope.signing import Keyring
    from registry.storage.connection import Address

_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD")


def settings_in_force() -> Iterator[Finding]:
    """What each setting of a client is, and who says so; what cannot be understood, and what is misspelt."""
    known = list(dict.fromkeys(re.findall(r"REGISTRY_[A-Z_]+", settings.__doc__ or "")))
    for variable in known:
        if _is_set(variable) or not _is_moot(variable):
            yield _setting(variable)
    for variable in sorted(os.environ):
        if variable.startswith("REGISTRY_") and variable not in known:
            text = f"{variable} is set, and nothing reads it"
            yield finding("setting", "note", text, near_names(variable, known), variable=variable)


def _is_set(variable: str) -> bool:
    return bool(os.environ.get(variable, "").strip())


def _is_moot(variable: str) -> bool:
    """Whether the default of a variable says nothing about a client here."""
    of_address = variable in ("REGISTRY_SERVER_HOST", "REGISTRY_SERVER_PORT")
    return variable == "REGISTRY_SERVER_STORAGE" or (of_address and _is_set("REGISTRY_SERVER_URL"))


def _setting(variable: str) -> Finding:
    source = "environment" if _is_set(variable) else "default"
    read = getattr(settings, variable.removeprefix("REGISTRY_").lower())
    try:
        value = read()
    except ValidationError as error:
        return from_error("setting", error, variable=variable, source=source)
    shown = "not set" if value is None else redacted(str(value))
    if _SECRET.search(variable) and value is not None:
        shown = "set, and not shown"
    return finding(
        "setting", "ok", f"{variable} is {shown} ({source})", variable=variable, value=shown, source=source
    )


def signing_keys() -> Iterator[Finding]:
    """The key file of this process, its keys by their ids; none is made."""
    from registry.envelope import keyfile

    configured = settings.signing_key_file()
    path = keyfile.key_file_path()
    source = "environment" if configured else "default"
    try:
        ring = keyring_as_it_is()
    except ValidationError as error:
        yield from_error("keys", error, path=path, source=source)
        return
    if ring is None:
        text = "there is no signing key here, and none can be made: code that others sign is not decoded"
        yield finding("keys", "note", text, [keyfile.why_no_keyring()], path=path, source=source)
    elif not os.path.exists(path or ""):
        text = f"there is no signing key at {path} ({source}) yet; one is made at first need"
        share = "share one key file with whoever registers: REGISTRY_SIGNING_KEY_FILE"
        yield finding("keys", "note", text, [share], path=path, source=source)
    else:
        ids = list(ring)
        text = f"{path} ({source}) holds {', '.join(ids)}; the first one signs"
        yield finding("keys", "ok", text, path=path, source=source, keys=ids)


def keyring_as_it_is() -> Keyring | None:
    """The keyring that `load_keyring` would give, without making a file.

    A file that would be made would hold a key that has signed nothing, and so does this one then.
    """
    from registry.envelope import keyfile
    from registry.envelope.signing import Keyring, new_key

    path = keyfile.key_file_path()
    if path is None:
        return None
    if settings.signing_key_file() or os.path.exists(path):
        return keyfile.load_keyring()
    folder = path
    while not os.path.exists(folder := os.path.dirname(folder)):
        pass
    return Keyring([new_key()]) if os.access(folder, os.W_OK) else None


def where_the_server_is(address: Address) -> str:
    """Who says so: ``given`` by code or by an option, the ``environment``, or the ``default``."""
    if address.url or address.host or address.port:
        return "given"
    asked = ("REGISTRY_SERVER_URL", "REGISTRY_SERVER_HOST", "REGISTRY_SERVER_PORT")
    return "environment" if any(map(_is_set, asked)) else "default"


def server(url: str, source: str) -> Iterator[Finding]:
    """Whether a server answers, can serve, and what it says of itself; ``source`` tells who named it."""
    from registry.storage.server import RegistryServer

    asked = RegistryServer(url)
    facts: dict[str, Any] = {"url": redacted(url), "source": source}
    try:
        asked.health()
    except ValidationError as error:
        yield from_error("server", error, **facts)
        return
    yield finding("server", "ok", f"{url} ({source}) answers", **facts)
    for look in (_readiness, _version, _capabilities):
        try:
            yield look(asked)
        except PermissionDeniedError as error:
            if error.context.get("status") == HTTPStatus.UNAUTHORIZED:  # nor is it told of any name
                yield from_error("server", error, **facts)
                return
            yield from_error("server", error, "note", **facts)  # which names it may read is another question
        except RemoteError as error:
            yield from_error("server", error, **facts)


def _readiness(asked: Any) -> Finding:
    asked.ready()
    return finding("server", "ok", "it reaches its storage", ready=True)


def _version(asked: Any) -> Finding:
    theirs, ours = asked.stats()["version"], own_version()
    text = f"it is version {theirs}, this is {ours or 'an unknown one'}"
    verdict: Verdict = "ok" if ours in (None, theirs) else "note"
    return finding("server", verdict, text, version=theirs, own_version=ours)


def _capabilities(asked: Any) -> Finding:
    offers = asked.capabilities()
    text = f"it speaks protocol {offers['protocol']}, with {', '.join(offers['profiles'])}"
    return finding("server", "ok", text, protocol=offers["protocol"], profiles=offers["profiles"])


def own_version() -> str | None:
    """The version of this distribution, where it is installed."""
    from importlib import metadata

    try:
        return metadata.version("namestead")
    except metadata.PackageNotFoundError:
        return None
