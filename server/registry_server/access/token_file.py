"""The file that holds what a server knows of its tokens: private, and replaced whole when it changes."""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, NoReturn

from registry.errors import ValidationError
from registry_server.access.scopes import parse_scope
from registry_server.access.tokens import Token

MAX_FILE_BYTES: Final = 8 * 1024 * 1024

Stamp = tuple[int, ...]


class TokenFileError(ValidationError):
    """A token file cannot be used or changed; nothing was changed."""


class TokenFile(NamedTuple):
    """What a token file holds.

    Attributes:
        tokens: by id, in the order of their making; revoked and expired ones too.
        session_key: authenticates the cookies of the pages, on every server that reads this file.
        stamp: changes when the file does.
    """

    tokens: Mapping[str, Token]
    session_key: bytes
    stamp: Stamp = ()

    def valid(self) -> list[Token]:
        """The tokens that are neither revoked nor expired."""
        now = datetime.now(UTC)
        return [token for token in self.tokens.values() if token.state(now) == "valid"]


def read_token_file(path: str) -> TokenFile:
    """The tokens in the file at ``path``.

    Raises:
        FileNotFoundError: there is none.
        TokenFileError: it is none, or others could read or change it. The message quotes nothing of it.
    """
    try:
        with open(path, "rb") as file:
            # Asked of the open file: between a check of the path and a read there could be another file.
            status = os.fstat(file.fileno())
            _check_private(path, status)
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror}", "see who owns it and its folder")
    return _parsed(path, raw)._replace(stamp=stamp_of(status))


def stamp_of(status: os.stat_result) -> Stamp:
    """What changes when the file does: content, by the times and file that hold it, and who may read it."""
    # ctime too: a copy may keep the mtime and size of what it overwrites.
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (*times, status.st_dev, status.st_ino, status.st_size, status.st_mode, status.st_uid)


def add_token(path: str, token: Token, *, show: Callable[[], None] = lambda: None) -> None:
    """Put a token into the file, which is made where it is not there, for its owner only.

    ``show`` is called when all that can fail is done: where it raises, the file is as it was.

    Raises:
        TokenFileError: the file cannot be used, or cannot be written; it is as it was.
    """

    def added(before: TokenFile) -> TokenFile:
        return before._replace(tokens={**before.tokens, token.id: token})

    _change(path, added, or_new=True, last=show)


def revoke_token(path: str, token_id: str) -> Token:
    """Mark a token as revoked; servers that read the file take it no more, within two seconds.

    Returns:
        The token. One that was revoked before keeps the time at which it was.

    Raises:
        TokenFileError: there is no such token, or as in `add_token`.
    """

    def revoked(before: TokenFile) -> TokenFile:
        token = before.tokens.get(token_id)
        if token is None:
            _refuse(path, f"has no token {token_id[:40]!r}", "registry token list shows their ids")
        ended = token.revoked_at or datetime.now(UTC).replace(microsecond=0)
        return before._replace(tokens={**before.tokens, token_id: replace(token, revoked_at=ended)})

    return _change(path, revoked, or_new=False).tokens[token_id]


def _change(
    path: str,
    change: Callable[[TokenFile], TokenFile],
    *,
    or_new: bool,
    last: Callable[[], None] = lambda: None,
) -> TokenFile:
    path = os.path.realpath(path)  # a link stays a link
    try:
        with _sole_writer(path) as (beside, descriptor):
            after = change(_read_or_new(path, or_new))
            _keep_owner(path, descriptor)
            _write(descriptor, _document(after))
            last()
            os.replace(beside, path)
        _sync_folder(path)
    except OSError as error:
        _refuse(path, f"cannot be written: {error.strerror}", "choose another place: --tokens FILE")
    return after


def _read_or_new(path: str, or_new: bool) -> TokenFile:
    try:
        return read_token_file(path)
    except FileNotFoundError:
        if or_new:
            return TokenFile({}, secrets.token_bytes(32))
        _refuse(path, "does not exist", "registry token new makes it, with a first token")


@contextmanager
def _sole_writer(path: str) -> Iterator[tuple[str, int]]:
    """A file beside, its name the lock: of two changes at once one would undo a revocation of the other."""
    beside = f"{path}.new"
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _refuse(path, "is being changed by another process", f"if none is, one left this behind: {beside}")
    try:
        try:
            yield beside, descriptor
        finally:
            os.close(descriptor)
    except BaseException:
        os.unlink(beside)  # only then: once it is in its place, a file of this name is the next writer's
        raise


def _keep_owner(path: str, descriptor: int) -> None:
    """What root changes for a server stays that server's: one that it could not read would revoke nothing."""
    if os.name != "posix":
        return
    there = os.path.exists(path)
    status = os.stat(path if there else os.path.dirname(path))
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & 0o740 if there else 0o600)
    if os.geteuid() == 0:
        os.fchown(descriptor, status.st_uid, status.st_gid)


def _write(descriptor: int, raw: bytes) -> None:
    while raw:
        raw = raw[os.write(descriptor, raw) :]
    os.fsync(descriptor)


def _sync_folder(path: str) -> None:
    """Make the change last: a revoked token must not be back after a power cut."""
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _document(file: TokenFile) -> bytes:
    key = base64.b64encode(file.session_key).decode()
    tokens = [_as_json(token) for token in file.tokens.values()]
    return json.dumps({"version": 1, "session_key": key, "tokens": tokens}, indent=1).encode() + b"\n"


def _as_json(token: Token) -> dict[str, Any]:
    times = {"created_at": token.created_at, "expires_at": token.expires_at, "revoked_at": token.revoked_at}
    return {
        "id": token.id,
        "name": token.name,
        "sha256": token.sha256,
        "scopes": [str(scope) for scope in token.scopes],
        **{name: time.isoformat() for name, time in times.items() if time is not None},
    }


def _parsed(path: str, raw: bytes) -> TokenFile:
    try:
        document = json.loads(raw)
        key = base64.b64decode(document["session_key"], validate=True)
        tokens = [_from_json(each) for each in document["tokens"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        document, key, tokens = {}, b"", []
    if document.get("version") != 1 or len(key) < 32 or len(raw) > MAX_FILE_BYTES:
        _refuse(
            path,
            "is no token file",
            "name another, which registry token new makes: --tokens FILE",
            "or remove this one, if nothing needs it",
        )
    return TokenFile({token.id: token for token in tokens}, key)


def _from_json(each: Mapping[str, Any]) -> Token:
    times = {
        name: datetime.fromisoformat(each[name]).astimezone(UTC)
        for name in ("created_at", "expires_at", "revoked_at")
        if name in each
    }
    scopes = tuple(parse_scope(text) for text in each["scopes"])
    sha256 = bytes.fromhex(each["sha256"]).hex()
    return Token(id=str(each["id"]), name=str(each["name"]), sha256=sha256, scopes=scopes, **times)


def _check_private(path: str, status: os.stat_result) -> None:
    # It holds no token, only hashes of 256 random bits; but who reads its session key could make a page's
    # cookie, and who writes it could make tokens. Its group may read it: so are secrets mounted into
    # containers.
    if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o037:
        _refuse(path, "is open to others", f"chmod 600 {path}")


def _refuse(path: str, reason: str, *suggestions: str) -> NoReturn:
    raise TokenFileError(f"The token file {path} {reason}", suggestions, {"path": path}) from None
