"""The preconditions of a request: which fields an operation honours, and what they ask for (RFC 9110, 13).

Each operation declares in the specification, as ``x-conditions``, what its conditions are about. The server
does not start if one declares nothing: an operation that is added in a hurry cannot ignore a condition.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from registry_server.access.scopes import Permission
from registry_server.problems import Problem
from registry_server.revisions import expected
from registry_server.storage.base import ABSENT, ANY, NEVER, PRESENT, ConditionFailedError, Entry, Expect

if TYPE_CHECKING:
    from connexion.operations import AbstractOperation

T = TypeVar("T")

CONDITIONS: Final = "x-conditions"

HONOURED: Final[Mapping[str, tuple[bytes, ...]]] = {
    "entry": (b"if-match", b"if-none-match"),
    "namespace": (b"if-match",),
    "body": (),
    "none": (),
}
"""The fields that an operation honours, by its ``x-conditions``."""

_DATES: Final = frozenset({b"if-modified-since", b"if-unmodified-since", b"if-range"})
FIELDS: Final = _DATES | {b"if-match", b"if-none-match"}
"""Every precondition field of RFC 9110."""

_LONGEST: Final = 1_024
_ONE_TAG = re.compile(r'"([\x21\x23-\x7e\x80-\xff]*)"')
_ELEMENT = re.compile(r'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|\Z)')


class _Every:
    """The ``*`` of a condition: every entity tag."""

    def __contains__(self, _etag: object) -> bool:
        return True


EVERY: Final = _Every()


class Condition(NamedTuple):
    """What a request asks of the resource; both fields must hold.

    Attributes:
        match: the entity tags of ``If-Match``, unquoted; None without the field.
        none_match: those of ``If-None-Match``.
    """

    match: Container[str] | None = None
    none_match: Container[str] | None = None

    def matched(self, etag: str | None) -> bool:
        """Whether ``If-Match`` holds; ``etag`` is None if there is no such resource."""
        return self.match is None or (etag is not None and etag in self.match)

    def none_matched(self, etag: str | None) -> bool:
        """Whether ``If-None-Match`` holds."""
        return self.none_match is None or etag is None or etag not in self.none_match

    def holds(self, etag: str | None) -> bool:
        """Whether the whole condition holds."""
        return self.matched(etag) and self.none_matched(etag)

    def expectation(self, epoch: str) -> Expect | None:
        """The storage's own form of the condition; None if it does not have one."""
        if self.match is None:
            return ABSENT if self.none_match is EVERY else None
        if self.none_match is not None:
            return None
        if not isinstance(self.match, frozenset):
            return PRESENT
        revisions = {expected(tag, epoch) for tag in self.match} - {NEVER}
        return next(iter(revisions), NEVER) if len(revisions) < 2 else None


class Preconditions:
    """Reads the precondition fields of one operation's requests."""

    __slots__ = ("_honoured", "_writes")

    def __init__(self, honoured: tuple[bytes, ...], *, writes: bool) -> None:
        self._honoured = honoured
        self._writes = writes

    def read(self, head: Mapping[bytes, bytes]) -> Condition | None:
        """The condition of a request; None if it only has fields that must be ignored.

        Raises:
            Problem: 400: a field cannot be read, or the operation cannot honour it.
        """
        tags: dict[bytes, Container[str]] = {}
        for name in head.keys() & FIELDS:
            if name in self._honoured:
                tags[name] = entity_tags(head[name].decode("latin-1"), name)
            elif name not in _DATES or self._writes:
                raise _not_honoured(name, self._honoured)
        return Condition(tags.get(b"if-match"), tags.get(b"if-none-match")) if tags else None


def preconditions_of(operation: AbstractOperation, permission: int) -> Preconditions:
    """The preconditions of an operation that needs ``permission``, from its ``x-conditions``.

    Raises:
        ValueError: the specification declares none, or an unknown one.
    """
    definition: Mapping[str, Any] = operation._operation
    about = definition.get(CONDITIONS)
    if not isinstance(about, str) or about not in HONOURED:
        raise ValueError(
            f"{operation.operation_id}: {CONDITIONS} is {about!r}, and not one of {', '.join(HONOURED)}"
        )
    return Preconditions(HONOURED[about], writes=permission >= Permission.WRITE)


def entity_tags(field: str, name: bytes) -> Container[str]:
    """The entity tags of a condition, unquoted: `EVERY` for ``*`` (RFC 9110 sections 5.6.1.2 and 8.8.3).

    ``If-Match`` compares strongly, so its weak tags are left out; they match nothing.

    Raises:
        Problem: 400: the field is neither ``*`` nor a list of at least one entity tag.
    """
    one = _ONE_TAG.fullmatch(field)
    if one is not None and len(field) <= _LONGEST:
        return frozenset((one[1],))
    if field.strip(" \t") == "*":
        return EVERY
    tags: list[tuple[bool, str]] = []
    position = 0
    while position < len(field) <= _LONGEST:
        element = _ELEMENT.match(field, position)
        if element is None:
            tags.clear()
            break
        if element[2] is not None:
            tags.append((element[1] is not None, element[2]))
        position = element.end()
    if not tags:
        raise Problem(
            400,
            "invalid_request",
            f"{_spelled(name)} is neither * nor a list of quoted ETags, of {_LONGEST:,} characters at most",
            suggestions=["give back the ETag of an answer as it came"],
        )
    strong = name == b"if-match"
    return frozenset(tag for weak, tag in tags if not (strong and weak))


def _not_honoured(name: bytes, honoured: tuple[bytes, ...]) -> Problem:
    known = ", ".join(map(_spelled, honoured)) or "none"
    return Problem(
        400,
        "invalid_request",
        f"This operation does not honour {_spelled(name)}; the conditions that it honours: {known}",
        suggestions=["leave the field out", "a batch carries its conditions in its body"],
    )


def _spelled(name: bytes) -> str:
    return name.decode().title()


async def write_if(
    condition: Condition | None,
    epoch: str,
    read: Callable[[], Awaitable[tuple[Entry | None, int]]],
    write: Callable[[Expect], Awaitable[T]],
) -> T:
    """Write an entry if the condition holds, atomically.

    A condition that the storage cannot check itself is checked here, and the write then expects the very
    revision for which it held.

    Raises:
        ConditionFailedError: it does not hold.
    """
    expect = ANY if condition is None else condition.expectation(epoch)
    if condition is None or expect is not None:
        return await write(ANY if expect is None else expect)
    current, head = await read()
    while condition.holds(None if current is None else f"{epoch}.{current.revision}"):
        try:
            return await write(ABSENT if current is None else current.revision)
        except ConditionFailedError as failure:  # another writer came between: decide again
            current, head = failure.current, failure.head
    raise ConditionFailedError(current, head)
