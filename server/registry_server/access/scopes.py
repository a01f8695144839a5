"""What a token may do where: ``research.losses:write``, ``*:read``."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from registry.errors import NamespaceError
from registry.names import check_namespace


class Permission(IntEnum):
    """What may be done; each one includes those before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3


EVERYWHERE: Final = "*"
"""How a scope on all namespaces, and on the server itself, is written."""


class Scope(NamedTuple):
    """A permission on a namespace and all below it; an empty ``namespace`` is all of them."""

    namespace: str
    permission: Permission

    def covers(self, namespace: str) -> bool:
        """Whether it holds for ``namespace``: ``research`` covers ``research.losses``, not ``research2``."""
        own = self.namespace
        return not own or namespace == own or namespace.startswith(f"{own}.")

    def __str__(self) -> str:
        return f"{self.namespace or EVERYWHERE}:{self.permission.name.lower()}"


def parse_scope(text: str) -> Scope:
    """The scope that ``text`` spells, ``NAMESPACE:PERMISSION``.

    Raises:
        ValueError: it spells none; the message says what one is.
    """
    namespace, _, permission = text.rpartition(":")
    known = {each.name.lower(): each for each in Permission}
    try:
        if namespace != EVERYWHERE:
            check_namespace(namespace)
        return Scope("" if namespace == EVERYWHERE else namespace, known[permission])
    except (NamespaceError, KeyError):
        raise ValueError(
            f"{text[:100]!r} is no scope; one is NAMESPACE:PERMISSION, with {', '.join(known)}, "
            "as in research.losses:write, and *:read for every namespace"
        ) from None


def outermost(scopes: Iterable[Scope], permission: Permission) -> list[str]:
    """The namespaces on which ``scopes`` give ``permission``, none below another, in code point order."""
    found: list[str] = []
    for namespace, given in sorted(scopes):
        if given >= permission and not any(Scope(outer, given).covers(namespace) for outer in found):
            found.append(namespace)
    return found
