"""Why a name is not there: the look-up rule walked step by step, telling what is found at each.

Nothing that is inspected is decoded, imported or run, no key file is made, and no value or secret is shown.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from registry.discovery import is_shared, what_went_wrong
from registry.doctor import surroundings
from registry.doctor.entries import judged
from registry.doctor.findings import Diagnosis, Finding, finding, from_error
from registry.doctor.modules import why_not_importable
from registry.errors import CoercionError, RegistryError, RemoteError, ValidationError
from registry.hierarchy import levels
from registry.suggest import did_you_mean, near_names

if TYPE_CHECKING:
    from registry.base import Registry
    from registry.storage.connection import Address
    from registry.storage.remote import RemoteStorageProxy

__all__ = ["Diagnosis", "Finding", "explain", "explain_namespace", "explain_server", "unimportable"]

_NO_NAME: Any = object()


def explain_server(url: str | None = None) -> Diagnosis:
    """Whether the settings can be understood and the server answers."""
    from registry.storage.connection import Address

    return _diagnosis("registry server", _Servers().reached(Address(url=url)))


def explain_namespace(namespace: str, key: str | None = None, *, url: str | None = None) -> Diagnosis:
    """Why ``key`` is in this namespace of a server or is not, and whether it could be decoded here.

    It is read as a registry without a ``trust=`` of its own would read it.

    Raises:
        NamespaceError: ``namespace`` is none.
    """
    from registry.storage.remote import RemoteStorageProxy

    storage: RemoteStorageProxy[Any] = RemoteStorageProxy(namespace, url=url)

    def findings() -> Iterator[Finding]:
        yield from _Servers().reached(storage.address)
        yield from _namespace(storage)
        if key is not None:
            near = yield from _stored(storage, key)
            if near is not None:
                yield _nowhere(key, namespace, near)

    return _diagnosis(namespace if key is None else f"{key!r} in {namespace}", findings())


def explain(cls: type[Registry[Any]], key: Any = _NO_NAME) -> Diagnosis:
    """Why ``key`` is found in a registry or is not, and whether it can be used; without it, the registry.

    Raises:
        ValidationError: ``cls`` is a base, not a registry.
    """
    cls._storage()  # a base is none, and says so
    if key is _NO_NAME:
        return _diagnosis(cls.__name__, _whole(cls))
    return _diagnosis(f"{key!r} in {cls.__name__}", _meaning(cls, key, _Servers()))


def unimportable(asked: str, module: str, error: BaseException) -> Diagnosis:
    """That the module which defines a registry raised ``error`` when it was imported."""
    text = f"{module} cannot be imported: {what_went_wrong(error)}"
    found = finding("module", "wrong", text, [f"python -c 'import {module}' shows where"], module=module)
    return _diagnosis(asked, [found])


def _diagnosis(asked: str, findings: Iterable[Finding]) -> Diagnosis:
    """All findings; the walk ends at the first thing that keeps it from looking further."""
    found: list[Finding] = []
    try:
        found.extend(surroundings.settings_in_force())
        for each in findings:
            found.append(each)
    except _UnansweredError:
        pass
    except ValidationError as error:  # a setting that cannot be understood, say
        about = "server" if isinstance(error, RemoteError) else "setting"
        last = from_error(about, error)
        if last.text not in [each.text for each in found if each.verdict == "wrong"]:
            found.append(last)
    return Diagnosis(asked, tuple(found))


class _UnansweredError(Exception):
    """A server does not answer, so what it holds is not asked for."""


class _Servers:
    """The servers that were reached; the keys are looked at before the first, and each server once."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def reached(self, address: Address) -> Iterator[Finding]:
        """Whether the server answers that was given, or that the environment names."""
        from registry.storage.connection import Connection

        if not self._known:
            yield from surroundings.signing_keys()
        servers = Connection(address).servers
        if servers.text in self._known:
            return
        self._known.add(servers.text)
        source, answer = surroundings.where_the_server_is(address), 0
        for url in servers.urls:
            findings = list(surroundings.server(url, source))
            yield from findings
            answer += findings[0].verdict != "wrong"
        if not answer:
            raise _UnansweredError


# ---- the look-up rule


def _whole(cls: type[Registry[Any]]) -> Iterator[Finding]:
    servers = _Servers()
    for level in levels(cls):
        yield from _level(level, servers)
        for key, source in {**level._declared.plugins, **level._declared.lazy}.items():
            yield _declared(level, key, source)


def _meaning(cls: type[Registry[Any]], key: Any, servers: _Servers) -> Iterator[Finding]:
    """What a look-up of ``key`` would find, level by level."""
    near: list[str] = []
    for level in levels(cls):
        if key in level._stand_ins():
            text = f"{key!r} is a stand-in that {level.__name__}.overriding put in place"
            yield finding("name", "ok", text)
            return
        yield from _level(level, servers)
        storage: Any = level._storage()
        shared = is_shared(level)
        missing = yield from _stored(storage, key, level is not cls) if shared else _held(level, key)
        if missing is None:
            return
        declared = level._declared
        if key in declared.aliases:
            target = declared.aliases[key]
            yield finding("name", "note", f"{key!r} is an alias of {target!r} in {level.__name__}")
            yield from _meaning(level, target, servers)
            return
        if source := declared.lazy.get(key) or declared.plugins.get(key):
            yield _declared(level, key, source)
            return
        near += [*missing, *map(str, declared.all_names())]
    yield _nowhere(key, " or ".join(level.__name__ for level in levels(cls)), near)


def _nowhere(key: Any, where: str, candidates: Iterable[str]) -> Finding:
    near = near_names(key, dict.fromkeys(candidates)) if isinstance(key, str) else []
    steps = near or [
        "import the module that registers it: registering happens when it is imported",
        "see that whoever registers it uses this server and namespace",
    ]
    return finding("name", "wrong", f"{key!r} is not in {where}.{did_you_mean(near)}", steps, near_names=near)


_Looked: TypeAlias = Generator[Finding, None, "list[str] | None"]
"""Findings, and in the end names like the one that was looked for, or None where it was found."""


def _stored(storage: RemoteStorageProxy[Any], key: Any, inherited: bool = False) -> _Looked:
    """Look for a key on a server."""
    try:
        stored = storage.entry(key)
    except CoercionError as error:
        yield from_error("name", error, "note" if inherited else "wrong")
        return [] if inherited else None
    except RegistryError as error:
        yield finding("name", "note", f"{key!r} is not in {storage.location}", near_names=error.suggestions)
        return error.suggestions
    yield from judged(storage, stored)
    return None


def _held(cls: type[Registry[Any]], key: Any) -> _Looked:
    """Look for a key in a registry of this process."""
    storage = cls._storage()
    if key in storage:
        from registry.origin import origin_of

        origin = str(origin_of(storage[key]))
        yield finding("name", "ok", f"{key!r} is in {cls.__name__}, registered from {origin}", origin=origin)
        return None
    return storage.near_names(key)


def _level(cls: type[Registry[Any]], servers: _Servers) -> Iterator[Finding]:
    """A registry, and how much it holds."""
    storage: Any = cls._storage()
    if is_shared(cls):
        yield from servers.reached(storage.address)
        yield from _namespace(storage, cls.__name__)
        return
    count = len(storage)
    place = f"is kept in a {storage.location}" if storage.location else "is of this process"
    text = f"{cls.__name__} {place} and holds {_counted(count, 'artifact')}"
    share = [] if count or cls._parent else ["share one: class ...(logic_namespace='research.losses')"]
    yield finding("registry", "ok" if count else "note", text, share, registry=cls.__name__, entries=count)


def _namespace(storage: RemoteStorageProxy[Any], name: str = "") -> Iterator[Finding]:
    """How much a namespace holds; where it is empty, namespaces that are called alike."""
    count = len(storage)
    facts: dict[str, Any] = {"namespace": storage.namespace, "entries": count, "registry": name or None}
    holder = f"{name} is {storage.namespace}, which" if name else storage.namespace
    if count:
        yield finding("namespace", "ok", f"{holder} holds {_counted(count, 'entry')}", **facts)
        return
    others = _namespaces(storage._connection.servers.text)
    near = near_names(storage.namespace, (found.namespace for found in others))
    yield finding("namespace", "note", f"{holder} is empty.{did_you_mean(near)}", near, **facts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else noun.replace('entry', 'entrie') + 's'}"


def _namespaces(url: str) -> Iterator[Any]:
    from registry.storage.server import RegistryServer

    return RegistryServer(url).namespaces()


# ---- what this process declared


def _declared(cls: type[Registry[Any]], key: Any, source: Any) -> Finding:
    """A lazy artifact or an entry point, not imported."""
    what = str(source) if hasattr(source, "distribution") else f"lazily from {source}"
    facts = {"key": str(key), "source": str(source)}
    if " and " in getattr(source, "distribution", ""):
        text = f"{key!r} of {cls.__name__}: {source.distribution} both offer it"
        return finding("name", "wrong", text, ["uninstall one of them"], **facts)
    value = str(getattr(source, "value", source)).partition("[")[0]
    module, _, attribute = (part.strip() for part in value.partition(":"))
    if reason := why_not_importable(module, attribute):
        text = f"{key!r} of {cls.__name__}, {what}, cannot be imported here: {reason}"
        return finding("name", "wrong", text, ["install what is missing, or put it on sys.path"], **facts)
    return finding("name", "ok", f"{key!r} of {cls.__name__} is found {what}", **facts)
