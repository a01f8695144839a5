"""Lock files: what namespaces held at one moment, envelopes and signatures included.

A JSON object, written the same for the same content: namespaces by name, entries in the order of their
creation, which is that in which registries list them. It says nothing of when, where and by whom::

    {
     "lock": 1,
     "namespaces": {
      "research.losses": {
       "mse@1": {
        "digest": "sha256:...",
        "seal": "sha256:...",
        "envelope": {"type": ..., "data": ..., "encoding": ..., "meta": {...}, "signature": ...}
       }
      }
     }
    }

``digest`` is the protocol's, of the content alone, to compare with a server. ``seal`` is over all of the
envelope and the name it stands under, so that no edit goes unnoticed, and no two entries change places. It
is no signature: whose code may run is decided by those of the envelopes, as always.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from registry.envelope.form import Envelope, parse_json
from registry.envelope.signing import signing_input
from registry.errors import LockFileError, NamespaceError, SerializationError, ValidationError
from registry.files import placed
from registry.names import check_key, check_namespace
from registry.versions.aliases import is_alias

if TYPE_CHECKING:
    from registry.storage.remote import RemoteStorageProxy
    from registry.storage.stored import Stored

FORMAT: Final = 1
_ATTEMPTS: Final = 20

Content = Mapping[str, Mapping[str, Any]]
"""Namespaces, keys, and what the file says of each entry, not checked."""


class Locked(NamedTuple):
    """An entry of a lock file, checked; `registry.storage.remote.Stored` without what a server adds."""

    key: str
    envelope: Envelope
    digest: str
    updated_at: str = ""


class Difference(NamedTuple):
    """An entry that is not on the server as it is in a lock file.

    Attributes:
        namespace: its namespace.
        key: its key.
        state: ``changed``, ``gone`` (only in the file) or ``new`` (only on the server).
        locked: its digest in the file; None where it is new.
        found: its digest on the server; None where it is gone.
    """

    namespace: str
    key: str
    state: str
    locked: str | None
    found: str | None


# ---- write


def freeze(
    namespaces: Iterable[str],
    path: str | os.PathLike[str],
    *,
    server: str | None = None,
    allow_empty: bool = False,
) -> int:
    """Write all that these namespaces hold into a lock file; returns the number of entries.

    Each namespace is read as it was at one moment. The file is replaced in one step.

    Args:
        namespaces: their names.
        path: of the lock file.
        server: the server's URL, as `Registry`'s ``server=``.
        allow_empty: freeze a namespace that holds nothing too, as such.

    Raises:
        LockFileError: a namespace went on changing while it was read, or the file cannot be written.
        NamespaceError: one is no namespace, or holds nothing. An older file is as it was.
        RemoteError: the server gave no usable answer.
    """
    from registry.storage.remote import RemoteStorageProxy
    from registry.storage.server import RegistryServer

    storages: list[RemoteStorageProxy[Any]] = [
        RemoteStorageProxy(name, url=server) for name in dict.fromkeys(namespaces)
    ]
    text = frozen_text(storages)
    content = parse_lock(text, str(path))
    if not allow_empty and (empty := next((name for name, held in content.items() if not held), None)):
        raise RegistryServer(server).nothing_in(empty)
    write(path, text)
    return sum(map(len, content.values()))


def frozen_text(storages: Iterable[RemoteStorageProxy[Any]]) -> str:
    """The text of the lock file of these namespaces."""
    content = {
        storage.namespace: {
            stored.key: {
                "digest": stored.envelope.digest,
                "seal": seal(storage.namespace, stored.key, stored.envelope),
                "envelope": stored.envelope.to_dict(),
            }
            for stored in entries_at_one_moment(storage)
        }
        for storage in sorted(storages, key=lambda storage: storage.namespace)
    }
    return json.dumps({"lock": FORMAT, "namespaces": content}, indent=1, ensure_ascii=False) + "\n"


def entries_at_one_moment(storage: RemoteStorageProxy[Any]) -> list[Stored]:
    """The entries of a namespace with no write between the first page and the last.

    Raises:
        LockFileError: there was one in each of 20 attempts.
    """
    from registry.storage.server import RegistryServer

    connection = storage._connection
    server = RegistryServer(connection.servers.text, timeout=storage.timeout, token=connection._token)
    cursor = server.cursor(storage.namespace)
    for _ in range(_ATTEMPTS):
        entries = list(storage.entries())
        before, cursor = cursor, server.cursor(storage.namespace)
        if before == cursor:
            return entries
    raise LockFileError(
        f"{storage.location} was written to each time it was read",
        suggestions=["freeze it when nobody writes to it"],
        context={"namespace": storage.namespace, "attempts": _ATTEMPTS},
    )


def write(path: str | os.PathLike[str], text: str) -> None:
    """Put a lock file in its place, whole or not at all; see `registry.files.placed`.

    Raises:
        LockFileError: it cannot be written.
    """
    try:
        with placed(path, 0o666) as file:
            file.write(text.encode())
    except OSError as error:
        raise LockFileError(f"Cannot write {path}: {error.strerror}", context={"path": str(path)}) from None


def seal(namespace: str, key: str, envelope: Envelope) -> str:
    """The digest of an entry with its name, its ``meta`` and its signature."""
    message = signing_input(envelope, namespace=namespace, key=key, key_id=envelope.signature or "")
    return f"sha256:{sha256(message).hexdigest()}"


# ---- read


def read_lock(path: str | os.PathLike[str]) -> Content:
    """The content of a lock file; its entries are checked when they are `opened`.

    Raises:
        LockFileError: it cannot be read, or is no lock file.
    """
    try:
        about = os.stat(path)
        return _read_lock(str(path), about.st_mtime_ns, about.st_size)
    except OSError as error:
        raise LockFileError(
            f"Cannot read the lock file {path}: {error.strerror}",
            suggestions=[f"write one: registry freeze NAMESPACE -o {path}"],
            context={"path": str(path)},
        ) from None


@lru_cache(4)
def _read_lock(path: str, modified: int, size: int) -> Content:
    """One file holds many registries, each of which reads it."""
    return parse_lock(Path(path).read_bytes(), path)


def parse_lock(text: str | bytes, path: str) -> Content:
    """The content of the text of a lock file.

    Raises:
        LockFileError: it is none; names ``path``.
    """
    try:
        document = parse_json(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _no_lock(path, "it is not UTF-8") from None
    except SerializationError as error:
        raise _no_lock(path, error.message) from None
    if not isinstance(document, dict) or "lock" not in document:
        raise _no_lock(path, "it says of no lock format")
    if document["lock"] != FORMAT or isinstance(document["lock"], bool):
        raise _no_lock(path, f"its format is {document['lock']!r:.40}, and this version reads {FORMAT}")
    return _checked(document.get("namespaces"), path)


def _checked(namespaces: object, path: str) -> Content:
    if not isinstance(namespaces, dict) or not all(isinstance(each, dict) for each in namespaces.values()):
        raise _no_lock(path, "its namespaces are not objects")
    try:
        for namespace, entries in namespaces.items():
            check_namespace(namespace)
            for key in entries:
                check_key(key)
    except ValidationError as error:
        raise _no_lock(path, error.message) from None
    return namespaces


def opened(path: str, namespace: str, key: str, said: Any) -> Locked:
    """An entry of a lock file, if it is what was frozen.

    Raises:
        LockFileError: it was changed, or is none; names it.
    """
    if not (isinstance(said, dict) and said.keys() == {"digest", "seal", "envelope"}):
        raise _changed(path, namespace, key, "it has not the form of an entry")
    try:
        envelope = Envelope.from_dict(said["envelope"])
        sealed = seal(namespace, key, envelope)
    except (SerializationError, UnicodeEncodeError) as error:
        raise _changed(path, namespace, key, getattr(error, "message", "it is no text")) from None
    for name, found in (("digest", envelope.digest), ("seal", sealed)):
        if said[name] != found:
            raise _changed(path, namespace, key, f"its {name} is another one")
    return Locked(key, envelope, envelope.digest)


def _no_lock(path: str, why: str) -> LockFileError:
    return LockFileError(
        f"{path} is not a lock file: {why}",
        suggestions=["restore it, or write it anew: registry freeze NAMESPACE -o FILE"],
        context={"path": path},
    )


def _changed(path: str, namespace: str, key: str, why: str) -> LockFileError:
    return LockFileError(
        f"{key!r} in {namespace} is not what was frozen in {path}: {why}; nothing of it was decoded",
        suggestions=["restore the file", f"freeze anew: registry freeze {namespace} -o {path}"],
        context={"path": path, "namespace": namespace, "key": key},
    )


# ---- compare


def differences(
    path: str | os.PathLike[str], *, namespaces: Iterable[str] = (), server: str | None = None
) -> Iterator[Difference]:
    """What is not on the server as it is in a lock file: by namespace, first what is in the file.

    Compared is what a look-up finds: digests, and what is an alias. Signatures and other ``meta`` may differ.

    Args:
        path: of the lock file.
        namespaces: some of those in it; all of them unless given.
        server: the server's URL.

    Raises:
        LockFileError: it is no lock file, an entry of it was changed, or it has not one of ``namespaces``.
        RemoteError: the server gave no usable answer.
    """
    from registry.storage.remote import RemoteStorageProxy

    content = read_lock(path)
    for namespace in list(dict.fromkeys(namespaces)) or content:
        if namespace not in content:
            raise NamespaceError(
                f"{namespace} is not in {path}",
                suggestions=list(content)[:10],
                context={"namespace": namespace, "path": str(path)},
            )
        storage: RemoteStorageProxy[Any] = RemoteStorageProxy(namespace, url=server)
        found = {stored.key: stored.envelope for stored in entries_at_one_moment(storage)}
        locked = {
            key: opened(str(path), namespace, key, said).envelope for key, said in content[namespace].items()
        }
        yield from _compared(namespace, locked, found)


def _compared(
    namespace: str, locked: Mapping[str, Envelope], found: Mapping[str, Envelope]
) -> Iterator[Difference]:
    for key, envelope in locked.items():
        now = found.get(key)
        if now is None:
            yield Difference(namespace, key, "gone", envelope.digest, None)
        elif (now.digest, is_alias(now)) != (envelope.digest, is_alias(envelope)):
            yield Difference(namespace, key, "changed", envelope.digest, now.digest)
    for key, envelope in found.items():
        if key not in locked:
            yield Difference(namespace, key, "new", None, envelope.digest)
