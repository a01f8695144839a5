"""What a storage backend is: the one seam between the server and where entries live.

A backend keeps, for each namespace, entries in creation order, one dense counter of changes (its *head*),
and the latest of these changes. Every visible change is the head plus one, made in the write's own
transaction, so a client that sees revision 7 after 5 knows that it missed one. Backends import this module
and the small helpers beside it (``rules``, ``batch``, ``spaces``, ``history``, ``rounds``, ``times``,
``weights``), and nothing else of the server; no backend imports another.

The contract is executable: subclass ``registry_server.testing.BackendContract`` and it runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

Expect = int
"""What a conditional write expects of the entry: a revision (1 or more), or one of the four below."""

ANY: Final = -1
"""Nothing is expected: the write is unconditional."""
ABSENT: Final = 0
"""The key is free."""
PRESENT: Final = -2
"""The key is taken, by whichever version."""
NEVER: Final = -3
"""A version of another epoch: no entry is ever that, so the condition fails."""

Outcome = Literal["created", "replaced", "unchanged"]
Operation = Literal["set", "delete", "clear"]

Listener = Callable[[str], object]
"""Called with the name of a namespace whose head has moved."""


class Stored(NamedTuple):
    """A value to be stored.

    Attributes:
        envelope: the envelope as JSON text in UTF-8, its fields in the protocol's order: two envelopes are
            equal in every field exactly if these bytes are equal.
        digest: the envelope's digest, ``sha256:...``.
    """

    envelope: bytes
    digest: str


class Entry(NamedTuple):
    """A stored value under its key.

    Attributes:
        key: 1 to 1,024 bytes of UTF-8; any code point but surrogates, NUL included.
        envelope: as in `Stored`; empty where the caller asked for no values.
        digest: as in `Stored`.
        revision: the number of the entry's last change in its namespace, 1 or more.
        created: the revision at which the key came to be; the order of listings; kept when it is replaced.
        updated_at: time of the last change, RFC 3339 in UTC with milliseconds (``2026-01-31T12:00:00.000Z``).
    """

    key: str
    envelope: bytes
    digest: str
    revision: int
    created: int
    updated_at: str


class Put(NamedTuple):
    """One write of a batch."""

    key: str
    value: Stored
    expect: Expect = ANY


class Drop(NamedTuple):
    """One delete of a batch."""

    key: str
    expect: Expect = ANY


class Written(NamedTuple):
    """What a write did: the entry as it now is, and the namespace's head."""

    outcome: Outcome
    entry: Entry
    head: int


class Removed(NamedTuple):
    """What a delete did. ``head`` is the revision of the change where ``existed``, else nothing changed."""

    existed: bool
    head: int


class Cleared(NamedTuple):
    """What a clear did: ``count`` entries went in one change; none and no change where it was empty."""

    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks of it
    head: int


class Refused(NamedTuple):
    """A write of a batch whose condition failed: the entry as it is, or None where there is none."""

    current: Entry | None


class BatchWritten(NamedTuple):
    """What a batch did, by index. Where an atomic batch holds a `Refused`, nothing was written."""

    outcomes: list[Written | Refused]
    head: int
    applied: bool


class BatchRemoved(NamedTuple):
    """What a batch of deletes did, by index; as `BatchWritten`."""

    outcomes: list[Removed | Refused]
    head: int
    applied: bool


class Change(NamedTuple):
    """One change of a namespace.

    Attributes:
        revision: its number, 1 or more.
        op: what was done.
        key: of the entry that was set or deleted; empty for a clear.
        digest: of the value that was set; empty for the others.
        updated_at: its time, as in `Entry`.
        last: the revision of the last change of the same batch; of a single write its own.
        envelope: of the value that was set, where it is asked for and at hand; else empty.
    """

    revision: int
    op: Operation
    key: str
    digest: str
    updated_at: str
    last: int
    envelope: bytes = b""


class Changes(NamedTuple):
    """Changes that follow upon each other without gaps, and the namespace's head."""

    changes: list[Change]
    head: int


class Page(NamedTuple):
    """A part of a listing, in creation order; ``more`` if entries follow the last one."""

    entries: list[Entry]
    head: int
    more: bool


class NamespaceInfo(NamedTuple):
    """A namespace that holds at least one entry."""

    namespace: str
    entries: int
    head: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole store in numbers; ``largest`` are the namespaces with most entries, largest first."""

    namespaces: int
    entries: int
    largest: Sequence[NamespaceInfo]


@dataclass(slots=True)
class StorageCounters:
    """What a storage counts of its own work, since it was made.

    Attributes:
        commits: how many transactions were committed, by the number of operations in them.
        queued: operations that wait for their transaction, now.
        errors: how many transactions and reads failed for the storage's sake, not the caller's.
    """

    commits: dict[int, int] = field(default_factory=dict)
    queued: int = 0
    errors: int = 0

    def committed(self, operations: int) -> None:
        """Count one transaction."""
        self.commits[operations] = self.commits.get(operations, 0) + 1


class ConditionFailedError(Exception):
    """The entry is not as the write expected it; nothing was written.

    Carries the entry as it is (None where there is none) and the namespace's head, read in the write's own
    transaction.
    """

    def __init__(self, current: Entry | None, head: int) -> None:
        super().__init__("the entry is not as the write expected it")
        self.current = current
        self.head = head


class CompactedError(Exception):
    """Changes after the revision asked for are no longer kept. Carries the namespace's head."""

    def __init__(self, head: int) -> None:
        super().__init__("these changes are no longer kept")
        self.head = head


class StorageError(Exception):
    """The storage cannot do it; nothing was written. The text is for the operator and the client.

    (`OutcomeUnknownError` alone says otherwise.)
    """


class OutcomeUnknownError(StorageError):
    """The connection to the storage broke while a write was under way: it may be stored, or not."""


class StorageUnavailableError(StorageError):
    """The storage cannot be reached, or has more work queued than it takes; try again later."""


class StorageFullError(StorageError):
    """The storage has no room left."""


class StorageSetupError(StorageError):
    """The store cannot be opened as configured; the text says what to do next."""


class StorageBackend(ABC):
    """Entries of all namespaces, behind one asynchronous interface.

    All methods may be called concurrently from one event loop, and each is atomic: it happens wholly or not
    at all, and is seen wholly or not at all. A write that returned is durable if `durable`. Arguments were
    checked by the caller: namespaces, keys and envelopes are well-formed and within limits.

    Any method raises `StorageUnavailableError` while the storage cannot be reached and, where it writes,
    `StorageFullError` when there is no room, and `OutcomeUnknownError` if it cannot tell whether it wrote.
    """

    durable: bool
    """Whether a write that returned survives the death of this process and of its machine's power."""

    epoch: str
    """Names the history; hexadecimal, set by `open`. Changes whenever history may have been lost."""

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the data lies, for people; holds no password."""

    @abstractmethod
    async def open(self) -> None:
        """Make the store ready, creating it where there is none.

        Raises:
            StorageSetupError: it cannot be opened; the text says what to do.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what was begun and let go of the store. Closing twice is harmless."""

    @abstractmethod
    async def ping(self) -> None:
        """Return if the store can be read now, else raise `StorageUnavailableError`."""

    @abstractmethod
    async def get(self, namespace: str, key: str) -> tuple[Entry | None, int]:
        """The entry, or None, and the namespace's head, both as of one moment."""

    @abstractmethod
    async def contains(self, namespace: str, key: str) -> tuple[bool, int]:
        """Whether the key is taken, and the head; no value is read."""

    @abstractmethod
    async def count(self, namespace: str) -> tuple[int, int]:
        """The number of entries and the head, in constant time."""

    @abstractmethod
    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        """Store ``value`` and return the entry with its new revision.

        A value equal to the stored one in every byte is ``unchanged``: no revision is used. ``expect`` is
        checked first, in the same transaction as the write.

        Raises:
            ConditionFailedError: the entry is not as expected; carries the current entry.
        """

    @abstractmethod
    async def put_many(self, namespace: str, writes: Sequence[Put], *, atomic: bool = False) -> BatchWritten:
        """Store many values in one transaction, in order, each with a revision of its own.

        The revisions used are adjacent. Without ``atomic`` a failed condition refuses its own write only;
        with it, nothing is written, and the outcomes tell which conditions failed (the others are `Written`
        as they would have been). No key comes twice.
        """

    @abstractmethod
    async def delete(self, namespace: str, key: str, *, expect: Expect = ANY) -> Removed:
        """Remove the entry, if there is one.

        Raises:
            ConditionFailedError: the entry is not as expected (a missing one matches only `ANY` and
                `ABSENT`).
        """

    @abstractmethod
    async def get_many(
        self, namespace: str, keys: Sequence[str], *, max_bytes: int
    ) -> tuple[list[Entry | None], int]:
        """The entries by index, None where there is none, and the namespace's head, all as of one moment.

        Once the envelopes sum to more than ``max_bytes``, the entries after the first come without theirs
        (`Entry.envelope` is empty).
        """

    @abstractmethod
    async def delete_many(
        self, namespace: str, drops: Sequence[Drop], *, atomic: bool = False
    ) -> BatchRemoved:
        """Remove many entries in one transaction, in order, as `put_many` stores them; no key comes twice."""

    @abstractmethod
    async def clear(self, namespace: str, *, head: int | None = None) -> Cleared:
        """Remove all entries in one change. Revisions go on from the head.

        Args:
            namespace: the namespace, which may be empty.
            head: the head that the namespace must have, checked in the same transaction; None for any.

        Raises:
            ConditionFailedError: the namespace has another head; carries no entry.
        """

    @abstractmethod
    async def page(
        self,
        namespace: str,
        *,
        prefix: str = "",
        after: int = 0,
        limit: int,
        max_bytes: int,
        values: bool = True,
    ) -> Page:
        """Up to ``limit`` entries whose key begins with ``prefix``, in creation order.

        Args:
            after: the `Entry.created` of the last entry of the page before; 0 for the first page.
            limit: 1 or more.
            max_bytes: stop before the envelopes of the page sum to more than this; one entry always comes.
            values: False leaves `Entry.envelope` empty and reads no value.
        """

    @abstractmethod
    async def changes(
        self, namespace: str, since: int, *, limit: int, max_bytes: int, max_value: int
    ) -> Changes:
        """The changes after the revision ``since``, in order, and the namespace's head, as of one moment.

        At least the latest `history.KEPT` changes of a namespace are kept; the watermark below which they are
        gone moves in the transaction that removes them.

        Args:
            since: 0 or more; where it is the head or more, there are none.
            limit: 1 or more; the batch of the last change is completed beyond it.
            max_bytes: envelopes are left out once they would sum to more.
            max_value: envelopes larger than this are left out, and those that the entry no longer has.

        Raises:
            CompactedError: some of them are no longer kept.
        """

    @abstractmethod
    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` on the event loop after a namespace's head has moved, whoever wrote.

        By then `changes` has what was written. Several moves may be told as one; a move by another server
        over the same store is told within a second. May be called before `open`; holds after reopening too.
        """

    @abstractmethod
    async def namespaces(
        self, *, prefix: str = "", after: str = "", limit: int
    ) -> tuple[list[NamespaceInfo], bool]:
        """Namespaces that hold an entry, by name after ``after``, and whether more follow."""

    @abstractmethod
    async def totals(self, *, largest: int) -> Totals:
        """The store in numbers, with its ``largest`` largest namespaces."""

    def counters(self) -> StorageCounters | None:
        """What it counts of its work, for `/metrics`; None where it has nothing to count."""
        return None
