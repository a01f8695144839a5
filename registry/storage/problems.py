"""From a server's problem documents back to the exceptions that a local registry would raise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from registry import errors
from registry.errors import (
    PermissionDeniedError,
    PreconditionFailedError,
    RemoteError,
    ServerFaultError,
    ValidationError,
)
from registry_client.models import CurrentEntry, Problem

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
        errors.ServerFaultError,
    )
}
_BY_STATUS: Final[Mapping[int, type[ValidationError]]] = {
    401: PermissionDeniedError,
    403: PermissionDeniedError,
    412: PreconditionFailedError,
    413: errors.LimitExceededError,
}


def raise_problem(problem: Problem, server: str) -> NoReturn:
    """Raise what ``problem`` is: by its code where we have a class for it, else by its status."""
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(problem.status)
    if kind is None:
        kind = ServerFaultError if problem.status >= 500 else RemoteError
    context: dict[str, Any] = dict(problem.context.to_dict()) if problem.context else {}
    context |= {"server": server, "status": problem.status, "code": problem.code}
    if kind is PreconditionFailedError:
        context["current"] = current_of(problem)
    raise kind(_message(kind, problem, server), list(problem.suggestions or ()), context)


def _message(kind: type[ValidationError], problem: Problem, server: str) -> str:
    if issubclass(kind, RemoteError):
        return f"Registry server {server} answered {problem.status}: {problem.detail}"
    return problem.detail


def current_of(problem: Problem) -> dict[str, Any] | None:
    """The entry as the server says it is, where it tells the loser of a condition."""
    return problem.current.to_dict() if isinstance(problem.current, CurrentEntry) else None


def outside_contract(server: str, why: str) -> ServerFaultError:
    """The error for an answer that no registry server gives."""
    return ServerFaultError(
        f"{server} answered outside the registry protocol: {why}",
        suggestions=["check that REGISTRY_SERVER_URL names a registry server, and no proxy's login page"],
        context={"server": server},
    )
