"""From what a server answers back to the exceptions that a local registry would raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from registry import errors
from registry.errors import (
    PermissionDeniedError,
    PreconditionFailedError,
    RemoteError,
    ServerFaultError,
    ValidationError,
)
from registry_client.models import (
    BatchSetResult,
    Capabilities,
    ContainsAnswer,
    CurrentEntry,
    EntryAnswer,
    ItemPage,
    KeyPage,
    LengthAnswer,
    NamespacePage,
    Problem,
    SetEntryResult,
    Stats,
)
from registry_client.types import Unset

_BY_CODE: Final[Mapping[str, type[ValidationError]]] = {
    kind.code: kind
    for kind in (
        errors.NamespaceError,
        errors.CoercionError,
        errors.RegistryError,
        errors.MalformedEnvelopeError,
        errors.EnvelopeTooLargeError,
        errors.PreconditionFailedError,
        errors.LimitExceededError,
        errors.OutcomeUnknownError,
        errors.ServerFaultError,
    )
}
_BY_STATUS: Final[Mapping[int, type[ValidationError]]] = {
    401: PermissionDeniedError,
    403: PermissionDeniedError,
    412: PreconditionFailedError,
    413: errors.LimitExceededError,
}


_NEXT_STEPS: Final[Mapping[type[ValidationError], str]] = {
    PermissionDeniedError: "set REGISTRY_SERVER_TOKEN, or token=, to a token that may do this",
    errors.LimitExceededError: "see what the server takes at most: /capabilities",
    errors.OutcomeUnknownError: "read the entry before writing again",
    ServerFaultError: "see the server's log, and try again",
    RemoteError: "check that client and server are of one version: /stats has the server's",
}
"""What to suggest where a server suggests nothing."""


def raise_problem(problem: Problem, server: str, *, repeated: bool = False) -> NoReturn:
    """Raise what ``problem`` is: by its code where we have a class for it, else by its status.

    ``repeated``: it answers a request that was sent again, so it may be about what the first one did.
    """
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(problem.status)
    if kind is None:
        kind = ServerFaultError if problem.status >= 500 else RemoteError
    context: dict[str, Any] = dict(problem.context.to_dict()) if problem.context else {}
    context |= {"server": server, "status": problem.status, "code": problem.code}
    if kind is PreconditionFailedError:
        context |= {"current": current_of(problem), "repeated": repeated}
    suggestions = problem.suggestions or _next_steps(kind, problem, server)
    raise at_cursor(kind(_message(kind, problem, server), suggestions, context), problem.cursor)


def _next_steps(kind: type[ValidationError], problem: Problem, server: str) -> list[str]:
    if problem.code == "invalid_cursor":
        return ["give the cursor of a change, or none: what changes from now on"]
    step = _NEXT_STEPS.get(kind)
    about_the_path = _about_the_path(server) if problem.status == HTTPStatus.NOT_FOUND else []
    return about_the_path or ([step] if step else [])


def _about_the_path(server: str) -> list[str]:
    """What to try where nothing is found under an address with a path."""
    path = urlsplit(server).path
    return [f"leave out the path, if no proxy adds it: {server.removesuffix(path)}"] if path else []


def _message(kind: type[ValidationError], problem: Problem, server: str) -> str:
    if issubclass(kind, RemoteError):
        return f"Registry server {server} answered {problem.status}: {problem.detail}"
    return problem.detail


def at_cursor(error: ValidationError, cursor: object) -> ValidationError:
    """``error``, which the server answered when the namespace was at ``cursor``; for `cursor_of`."""
    if isinstance(cursor, str):
        vars(error)["_cursor"] = cursor
    return error


def cursor_of(error: ValidationError) -> str | None:
    """How far the namespace had come when the server answered ``error``, where it said so."""
    return vars(error).get("_cursor")


def current_of(problem: Problem) -> dict[str, Any] | None:
    """The entry as the server says it is, where it tells the loser of a condition."""
    return problem.current.to_dict() if isinstance(problem.current, CurrentEntry) else None


def outside_contract(server: str, why: str) -> ServerFaultError:
    """The error for an answer that no registry server gives."""
    return ServerFaultError(
        f"{server} answered outside the registry protocol: {why}",
        suggestions=[
            *_about_the_path(server),
            "check that REGISTRY_SERVER_URL names a registry server, and no proxy's login page",
        ],
        context={"server": server},
    )


def refused(server: str, status: int) -> PermissionDeniedError:
    """The error for a 401 or 403 that no registry server wrote: something in front of it asks who we are."""
    return PermissionDeniedError(
        f"Registry server {server}, or a proxy in front of it, answered {status}",
        suggestions=[_NEXT_STEPS[PermissionDeniedError]],
        context={"server": server, "status": status},
    )


def is_as_specified(answer: object) -> bool:
    """Whether what we use of a parsed answer has the types of the specification.

    The generated client looks for fields, not for their types.
    """
    check = _AS_SPECIFIED.get(type(answer))
    return check is None or check(answer)


def _is_text(value: object) -> bool:
    return type(value) is str


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(map(_is_text, values))


def _is_page(page: Any, members: object) -> bool:
    return type(members) is list and (isinstance(page.next_, Unset) or _is_text(page.next_))


def _is_entry(entry: Any) -> bool:
    return type(entry.revision) is int and _is_text(entry.etag) and _is_text(entry.digest)


def _is_current(current: CurrentEntry | Unset | None) -> bool:
    return isinstance(current, Unset | None) or is_current(current.to_dict())


def is_current(current: object) -> bool:
    """Whether this is what the loser of a condition is told of the entry, or nothing."""
    if current is None:
        return True
    return (
        isinstance(current, dict)
        and type(current.get("revision")) is int
        and all(type(current.get(name)) is str for name in ("etag", "digest"))
        and isinstance(current.get("signature"), str | None)
        and _is_meta(current.get("meta"))
    )


def _is_meta(meta: object) -> bool:
    return meta is None or (isinstance(meta, dict) and all(map(_is_text, meta.values())))


_AS_SPECIFIED: Final[Mapping[type, Callable[[Any], bool]]] = {
    EntryAnswer: _is_entry,
    SetEntryResult: _is_entry,
    LengthAnswer: lambda answer: type(answer.length) is int and answer.length >= 0,
    ContainsAnswer: lambda answer: type(answer.contains) is bool,
    KeyPage: lambda page: _is_page(page, page.keys) and all(map(_is_text, page.keys)),
    ItemPage: lambda page: (
        _is_page(page, page.items) and all(_is_text(item.key) and _is_entry(item) for item in page.items)
    ),
    BatchSetResult: lambda result: all(
        _is_current(outcome.current) if outcome.outcome == "refused" else _is_text(outcome.etag)
        for outcome in result.outcomes
    ),
    Capabilities: lambda offers: _is_text(offers.protocol) and _are_texts(offers.profiles),
    NamespacePage: lambda page: (
        _is_page(page, page.namespaces)
        and all(_is_text(found.namespace) and type(found.entries) is int for found in page.namespaces)
    ),
    Stats: lambda stats: (
        _is_text(stats.version)
        and all(type(size) is int for size in stats.namespace_sizes.additional_properties.values())
    ),
    Problem: lambda problem: (
        type(problem.status) is int
        and _is_text(problem.detail)
        and _is_text(problem.code)
        and _is_current(problem.current)
        and (isinstance(problem.suggestions, Unset) or _are_texts(problem.suggestions))
    ),
}
