"""What each operation asks of a caller, compiled from the specification once, at start-up.

An operation that any caller may use says so: ``security: []``. Every other one has ``x-scope``, and the
server does not start where one has none: an operation that was added in a hurry is not an open one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from registry_server.access.scopes import Permission

if TYPE_CHECKING:
    from connexion.operations import AbstractOperation

SCOPE: Final = "x-scope"
EACH: Final = "x-scope-each"
_OF_ANY_TOKEN: Final = "any"


class Needs(NamedTuple):
    """What an operation asks of its caller.

    Attributes:
        public: nothing, not even a token.
        permission: what its token must allow; 0 where any valid token will do.
        position: which segment of the path is the namespace that it must be allowed on; None for all of them.
        each: the operation answers about many namespaces, and is handed the caller's access, to leave out or
            refuse those that the caller may not see.
    """

    public: bool = False
    permission: int = 0
    position: int | None = None
    each: bool = False


PUBLIC: Final = Needs(public=True)


def needs_of(operation: AbstractOperation) -> Needs:
    """What ``operation`` asks, by the security that Connexion found for it and its ``x-scope``.

    Raises:
        ValueError: it does not say, or says what does not exist.
    """
    if operation.security == []:
        return PUBLIC
    schemes = operation.security_schemes or {}
    named = {name for requirement in operation.security or () for name in requirement}
    if not named or any(not _is_bearer(schemes.get(name, {})) for name in named):
        raise ValueError(f"{operation.operation_id}: its security is not by bearer token")
    definition: Mapping[str, Any] = operation._operation
    return _needs(operation.operation_id, definition, operation.path)


def _is_bearer(scheme: Mapping[str, Any]) -> bool:
    return scheme.get("type") == "http" and scheme.get("scheme") == "bearer"


def _needs(name: str, definition: Mapping[str, Any], path: str) -> Needs:
    scope = definition.get(SCOPE)
    known = {each.name.lower(): int(each) for each in Permission} | {_OF_ANY_TOKEN: 0}
    if scope not in known:
        raise ValueError(f"{name}: {SCOPE} is {scope!r}, and not one of {', '.join(known)}")
    segments = path.split("/")
    position = segments.index("{namespace}") if "{namespace}" in segments else None
    return Needs(permission=known[scope], position=position, each=definition.get(EACH, False))
