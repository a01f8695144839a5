"""One change of a registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

Operation: TypeAlias = Literal["set", "delete", "clear", "resync"]


class Change:
    """What happened to a registry.

    Attributes:
        op: ``set``, ``delete`` or ``clear``; or ``resync``: changes before this one can no longer be told,
            because they are too old or the store was replaced. Whoever keeps a copy reads the registry again.
        key: the name that was set or deleted; None for the others.
        revision: the number of the change in its namespace, without gaps; of a resync, where it goes on.
        digest: of the envelope that was set, on a server; else None.
        updated_at: RFC 3339 time of the change, in UTC; empty for a resync.
        cursor: where to go on after this change: ``changes(since=change.cursor)``.
    """

    __slots__ = ("_load", "cursor", "digest", "key", "op", "revision", "updated_at")

    def __init__(
        self,
        op: Operation,
        key: Any,
        revision: int,
        cursor: str,
        *,
        digest: str | None = None,
        updated_at: str = "",
        load: Callable[[], Any] | None = None,
    ) -> None:
        self.op: Operation = op
        self.key = key
        self.revision = revision
        self.cursor = cursor
        self.digest = digest
        self.updated_at = updated_at
        self._load = load

    @property
    def value(self) -> Any:
        """The artifact that was set, decoded now, by the rules of the registry's ``trust=``.

        Raises:
            RegistryError: nothing was set; or it was replaced or removed since, and did not come along.
            UntrustedError: it may not be decoded here.
            RemoteError: it had to be fetched, and the server gave no usable answer.
        """
        if self._load is None:
            from registry.errors import RegistryError

            raise RegistryError(
                f"A {self.op} has no value", suggestions=["look at change.op first"], context={"op": self.op}
            )
        return self._load()

    def __repr__(self) -> str:
        key = "" if self.key is None else f" {self.key!r}"
        return f"<change {self.revision}: {self.op}{key}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Change):
            return NotImplemented
        return (self.op, self.key, self.cursor) == (other.op, other.key, other.cursor)

    def __hash__(self) -> int:
        return hash((self.op, self.key, self.cursor))
