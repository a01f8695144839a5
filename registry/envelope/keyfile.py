"""Where signing keys are kept: a private text file, made at first need.

One key a line, ``hmac-sha256 <id> <secret in base64>``; the first one signs, all verify; ``#`` begins a
comment. The file is the one that ``REGISTRY_SIGNING_KEY_FILE`` names, else the user's own,
``namestead/signing.keys`` under ``$XDG_CONFIG_HOME`` or ``~/.config``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple, NoReturn

from registry import settings
from registry.envelope.form import decode_base64
from registry.envelope.signing import ALGORITHM, Keyring, SigningKey, new_key
from registry.errors import MalformedEnvelopeError, SignatureError

ENVIRONMENT_VARIABLE: Final = "REGISTRY_SIGNING_KEY_FILE"
MAX_KEY_FILE_BYTES: Final = 65_536

_HEADER = """\
# Signing keys of namestead. Whoever reads this file can have code run wherever its keys are trusted.
# One key a line; the first one signs, all of them verify. `registry key rotate` puts a new one in front.
"""


class KeyListing(NamedTuple):
    """One key of a file as it may be shown: never its secret."""

    id: str
    signs: bool


class _Location(NamedTuple):
    path: str
    configured: bool


# --- the keyring of this process ---------------------------------------------------------------------------

# By path, with the file's stamp. One assignment replaces an entry whole, so no lock is needed, and a fork
# can find none held.
_loaded: dict[str, tuple[tuple[int, ...], Keyring]] = {}


def load_keyring() -> Keyring | None:
    """The keyring of this process, its file read again whenever it has changed.

    The user's own file is made if it is not there. ``None`` if no file is configured and none can be made:
    `why_no_keyring` then says what to do.

    Raises:
        SignatureError: there is a file, and it cannot be used: missing though configured, readable by
            others, not readable by this process, or not a key file.
    """
    location = _locate()
    if location is None:
        return None
    try:
        return _read_cached(location)
    except FileNotFoundError:
        if location.configured:
            _refuse(
                location.path,
                "does not exist",
                f"registry key new --file PATH, or unset {ENVIRONMENT_VARIABLE}",
            )
    with suppress(OSError):  # another process was faster, and its key is the one; or nothing can be written
        _make_file(location.path)
    try:
        return _read_cached(location)
    except FileNotFoundError:
        return None


def why_no_keyring() -> str:
    """The next step where `load_keyring` returned ``None``."""
    location = _locate()
    place = "there is no home directory" if location is None else f"{location.path} cannot be made"
    return f"no signing key: {place}; registry key new --file PATH, and set {ENVIRONMENT_VARIABLE} to it"


def key_file_path() -> str | None:
    """The key file that this process would use now, whether it exists or not."""
    location = _locate()
    return location and location.path


def _locate() -> _Location | None:
    configured = settings.signing_key_file()
    if configured:
        return _Location(os.path.abspath(os.path.expanduser(configured)), True)
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(folder):  # the XDG specification: a relative path is ignored
        folder = os.path.expanduser("~/.config")
    if not os.path.isabs(folder):  # no home: the tilde was left as it was
        return None
    return _Location(os.path.join(folder, "namestead", "signing.keys"), False)


def _read_cached(location: _Location) -> Keyring:
    stamp = _current_stamp(location)
    cached = _loaded.get(location.path)
    if cached is not None and cached[0] == stamp:
        return cached[1]
    stamp, text = _read_private(location)
    keyring = parse(text, location.path)
    _loaded[location.path] = (stamp, keyring)
    return keyring


def _current_stamp(location: _Location) -> tuple[int, ...]:
    try:
        return _stamp(os.stat(location.path))
    except FileNotFoundError:
        raise
    except OSError as error:
        if location.configured:
            _refuse_unreadable(location, error)
        raise FileNotFoundError(location.path) from None  # a home this process may not enter, or no folder


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    """What changes when the file does. Access bits and owner too: opening it to others is noticed at once."""
    return (status.st_mtime_ns, status.st_ino, status.st_size, status.st_mode, status.st_uid)


def _read_private(location: _Location) -> tuple[tuple[int, ...], str]:
    try:
        with open(location.path, "rb") as file:
            # Asked of the open file: between a check of the path and a read there could be another file.
            status = os.fstat(file.fileno())
            _check_private(location, status)
            raw = file.read(MAX_KEY_FILE_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        _refuse_unreadable(location, error)
    if len(raw) > MAX_KEY_FILE_BYTES:
        _refuse(location.path, "is no key file: it is too large", "see docs/trust.md, 'The key file'")
    return _stamp(status), raw.decode("utf-8-sig", "replace")


def _check_private(location: _Location, status: os.stat_result) -> None:
    if os.name != "posix":  # elsewhere these bits say nothing
        return
    # A team may share one file through a Unix group, so a configured one may be readable by its group.
    forbidden = 0o037 if location.configured else 0o077
    if stat.S_IMODE(status.st_mode) & forbidden:
        _refuse(
            location.path, "is open to others", f"chmod 600 {location.path}", "if they read it: a new key"
        )
    if not location.configured and status.st_uid not in (os.geteuid(), 0):
        _refuse(location.path, "belongs to another user", "see who put it there")


def parse(text: str, path: str) -> Keyring:
    """The keyring that the text of a key file is.

    Raises:
        SignatureError: it is none; the message has the line's number and nothing of its content.
    """
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.partition("#")[0].split()
        if fields:
            keys.append(_parse_key(fields, path, number))
    if not keys:
        _refuse(path, "has no key", "remove it, and make one with `registry key new`")
    try:
        return Keyring(keys)
    except ValueError:
        _refuse(path, "has a key twice", "take one of the two lines out")


def _parse_key(fields: list[str], path: str, number: int) -> SigningKey:
    try:
        algorithm, key_id, secret = fields
        key = SigningKey(decode_base64(secret))
    except (ValueError, MalformedEnvelopeError):
        _refuse_line(path, number)
    # The id is made from the secret, so it also shows a line that was cut or mistyped on its way.
    if algorithm != ALGORITHM or key_id != key.id:
        _refuse_line(path, number)
    return key


def _refuse_line(path: str, number: int) -> NoReturn:
    _refuse(
        path, f"has no signing key in line {number}", f"a line is: {ALGORITHM} <id> <secret>, as it was made"
    )


def _refuse(path: str, reason: str, *suggestions: str) -> NoReturn:
    # From None: what went wrong below may quote the line, and the line is a secret.
    raise SignatureError(f"The signing key file {path} {reason}", suggestions, {"path": path}) from None


def _refuse_unreadable(location: _Location, error: OSError) -> NoReturn:
    if isinstance(error, IsADirectoryError):
        _refuse(location.path, "is a directory", "name a file in it")
    _refuse(location.path, f"cannot be read: {error.strerror}", "see who owns it and its folder")


# --- making and changing files -----------------------------------------------------------------------------


def create_key_file(path: str | None = None) -> KeyListing:
    """Make a key file with one new key, mode 0600, in a folder made with mode 0700.

    ``path`` is `key_file_path` unless given. The file appears whole or not at all.

    Raises:
        FileExistsError: there is one. It is left as it is.
        OSError: it cannot be made.
    """
    return _make_file(_chosen(path))


def rotate_keys(path: str | None = None) -> KeyListing:
    """Put a new key in front: it signs from now on, and the older ones still verify.

    Running processes see it at their next signature. Comments and order of the rest are kept.

    Raises:
        SignatureError: the file cannot be used, or another rotation is under way.
        OSError: it cannot be written.
    """
    path = os.path.realpath(_chosen(path))  # a link stays a link
    key = new_key()
    with _sole_writer(path) as (beside, descriptor):
        status = os.stat(path)
        _, text = _read_private(_Location(path, True))
        parse(text, path)
        _set_mode(descriptor, stat.S_IMODE(status.st_mode))
        _write(descriptor, _with_key_in_front(text, key))
        os.replace(beside, path)
    _sync_folder(path)
    return KeyListing(key.id, signs=True)


def remove_key(key_id: str, path: str | None = None) -> None:
    """Take a key out: what it signed is refused from now on. Running processes see it at their next read.

    Comments and order of the rest are kept.

    Raises:
        SignatureError: the file cannot be used, has no such key or no other, or is being changed.
        OSError: it cannot be written.
    """
    path = os.path.realpath(_chosen(path))
    with _sole_writer(path) as (beside, descriptor):
        status = os.stat(path)
        _, text = _read_private(_Location(path, True))
        keys = list(parse(text, path))
        if key_id not in keys:
            _refuse(path, f"has no key {key_id}", "registry key list shows what it has")
        if len(keys) == 1:
            _refuse(path, f"has {key_id} as its only key", "registry key rotate puts another in front")
        kept = [line for line in text.splitlines(keepends=True) if line.split()[1:2] != [key_id]]
        _set_mode(descriptor, stat.S_IMODE(status.st_mode))
        _write(descriptor, "".join(kept))
        os.replace(beside, path)
    _sync_folder(path)


def list_keys(path: str | None = None) -> list[KeyListing]:
    """The keys of a file, the signing one first.

    Raises:
        SignatureError: it cannot be used.
        FileNotFoundError: there is none.
    """
    path = _chosen(path)
    _, text = _read_private(_Location(path, True))
    return [KeyListing(key_id, signs=index == 0) for index, key_id in enumerate(parse(text, path))]


def _chosen(path: str | None) -> str:
    chosen = path or key_file_path()
    if chosen is None:
        raise FileNotFoundError(why_no_keyring())
    return os.path.abspath(chosen)


def _line(key: SigningKey) -> str:
    return f"{ALGORITHM} {key.id} {key.export()}\n"


def _with_key_in_front(text: str, key: SigningKey) -> str:
    lines = text.splitlines(keepends=True)
    first = next(index for index, line in enumerate(lines) if line.partition("#")[0].strip())
    return "".join([*lines[:first], _line(key), *lines[first:]])


def _make_file(path: str) -> KeyListing:
    folder = os.path.dirname(path)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    key = new_key()
    beside = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with _closing(descriptor):
            _set_mode(descriptor, 0o600)
            _write(descriptor, _HEADER + _line(key))
        # A link, not a rename: of many processes starting at once one wins, and the others get
        # FileExistsError instead of replacing a key that has already signed something.
        os.link(beside, path)
    finally:
        os.unlink(beside)
    _sync_folder(path)
    return KeyListing(key.id, signs=True)


def _set_mode(descriptor: int, mode: int) -> None:
    if os.name == "posix":
        os.fchmod(descriptor, mode)  # whatever the umask made of it


def _write(descriptor: int, text: str) -> None:
    raw = text.encode()
    while raw:
        raw = raw[os.write(descriptor, raw) :]
    os.fsync(descriptor)


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _sole_writer(path: str) -> Iterator[tuple[str, int]]:
    """A file beside, its name the lock: two rotations at once would lose one's key, and all it signed."""
    beside = f"{path}.new"
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _refuse(path, "is being changed by another process", f"if none is, one left this behind: {beside}")
    try:
        with _closing(descriptor):
            yield beside, descriptor
    except BaseException:
        # Only then: after it was renamed into place, a file of this name is the next rotation's.
        os.unlink(beside)
        raise


def _sync_folder(path: str) -> None:
    """Make the new name durable: a key that has signed must not be gone after a power cut."""
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
        with _closing(descriptor):
            os.fsync(descriptor)
