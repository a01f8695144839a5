"""What a process knows of one namespace: its entries as of one revision, and whether they may be served.

Knows no network, no thread and no clock: whoever asks the server hands in what it answered and when it was
asked. So every order in which answers can come is a test that can be written down.

The rules, each of which some order of events needs:

1. A change is applied only on top of the one before it. What does not connect is a gap: list again.
2. The *floor* is the furthest revision that this process has written or was told of, in each epoch. Below it
   nothing is served, so a reader sees its own writes and never goes back in time.
3. A write of our own that is the very next change goes straight in; any other raises the floor, until the
   poll has caught up.
4. What is known is vouched for as of the moment a poll was *sent*: its answer may have been on its way long.
5. A listing takes many answers. An entry that it found newer than a change is not set back by that change,
   and nothing is served before the changes up to its last page have come.
6. A floor of another epoch falls once a request that was sent after it was raised is answered in ours: the
   history it belonged to is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple
from weakref import WeakSet

from registry.storage.lock import ReentrantLock
from registry.storage.window import Window

NEVER: Final = float("-inf")


class Held(NamedTuple):
    """An entry as the server told of it; ``wire`` is its envelope, None where that did not come along."""

    revision: int
    wire: Mapping[str, Any] | None


class Applied(NamedTuple):
    """One change to what is known: ``held`` for a set, None for a delete; a clear has no ``key``."""

    revision: int
    key: str | None
    held: Held | None


class Position(NamedTuple):
    """How far a namespace has come: what a cursor says."""

    epoch: str
    revision: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.revision}"

    @classmethod
    def of(cls, cursor: str) -> Position:
        """What ``cursor`` says.

        Raises:
            ValueError: it is no cursor.
        """
        epoch, _, revision = cursor.rpartition(".")
        if not (epoch and revision.isascii() and revision.isdecimal()):
            raise ValueError("not a cursor")
        return cls(epoch, int(revision))


class Ticket(NamedTuple):
    """What was known when a request was sent, to be given back with its answer."""

    at: Position | None
    floors: Mapping[str, int]
    sent: float


class Counters:
    """What happened to one namespace's cache, in numbers; read by `CacheInfo`."""

    __slots__ = ("applied", "polls", "reconnects", "relists")

    def __init__(self) -> None:
        self.applied = self.polls = self.reconnects = self.relists = 0


class Informer:
    """The entries of one namespace, kept up with by whoever polls, seen through windows."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.counters = Counters()
        self.lock = ReentrantLock()
        self.windows: WeakSet[Window] = WeakSet()
        self.wanted: Callable[[], object] = lambda: None
        """Called where a request is needed before the one under way is answered."""
        self._floors: Mapping[str, int] = {}  # replaced and never changed, so that a ticket can hold it
        self.forget()

    def forget(self) -> None:
        """Know nothing, but for how far this process has seen: as when a cursor cannot be gone on from."""
        with self.lock:
            self.entries: dict[str, Held] = {}
            self.at: Position | None = None
            self.page: str | None = None
            self.away = False
            self.checked = NEVER
            self._listed: Position | None = None
            self._found: dict[str, Held] = {}
            for window in self.windows:
                window.clear()

    def forked(self) -> None:
        """In a forked child: know nothing, whatever was being changed at that moment."""
        for window in list(self.windows):
            window.forked()
        self.forget()

    # ---- what is known

    @property
    def current(self) -> bool:
        """Whether nothing that this process has written or seen is missing."""
        at = self.at
        return at is not None and all(
            epoch == at.epoch and revision <= at.revision for epoch, revision in self._floors.items()
        )

    def may_serve(self, window: Window, now: float) -> bool:
        """Whether what is known may be served through ``window`` now. Call with ``lock`` held."""
        return self.current and now < self.expires(window)

    def expires(self, window: Window) -> float:
        """Until when what is known may be served through ``window``, if it is current."""
        return self.checked + window.bound(away=self.away)

    def publish(self, now: float) -> None:
        """Open the windows through which what is known may be served now, and shut the others."""
        with self.lock:
            for window in self.windows:
                if self.may_serve(window, now):
                    window.open()
                else:
                    window.close()

    def adopt(self, other: Informer) -> None:
        """Serve nothing older than what ``other``, of the same namespace, has seen."""
        with self.lock:
            for epoch, revision in other._floors.items():
                self._raise_floor(Position(epoch, revision))

    # ---- what this process saw or did itself

    def saw(self, cursor: object) -> None:
        """Some answer about the namespace carried ``cursor``: nothing older is served from now on."""
        try:
            seen = Position.of(cursor) if isinstance(cursor, str) else None
        except ValueError:
            return
        if seen is not None:
            with self.lock:
                self._raise_floor(seen)
        if self.away:
            self.wanted()  # the server answers again

    def wrote(self, epoch: str, changes: Iterable[Applied]) -> None:
        """The server has answered these writes of ours, in the order of their revisions."""
        with self.lock:
            for change in changes:
                at = self.at
                if at is not None and at.epoch == epoch and change.revision == at.revision + 1:
                    self._apply([change])
                self._raise_floor(Position(epoch, change.revision))

    def _raise_floor(self, seen: Position) -> None:
        if self._floors.get(seen.epoch, -1) >= seen.revision:
            return
        self._floors = {**self._floors, seen.epoch: seen.revision}
        if not self.current:
            for window in self.windows:
                window.close()
            if self.at is not None and self.at.epoch != seen.epoch:
                self.wanted()  # the poll under way waits for changes of a history that is over

    # ---- what a poll tells

    def ticket(self, now: float) -> Ticket:
        """To be taken before a request is sent, and given back with its answer."""
        with self.lock:
            return Ticket(self.at, self._floors, now)

    def unmoved(self, ticket: Ticket) -> None:
        """The answer to a poll sent with ``ticket`` has no word of this namespace: nothing has changed."""
        with self.lock:
            if ticket.at is not None and self.at is not None and ticket.at.epoch == self.at.epoch:
                self._vouched_for(ticket)

    def moved(self, ticket: Ticket, told: Mapping[str, Any]) -> None:
        """A poll sent with ``ticket`` told this of the namespace.

        Raises:
            ValueError: it is nothing that a registry server says.
        """
        changes = [_applied(change) for change in told["changes"]]
        reached, head = Position.of(told["cursor"]), Position.of(told["head"])
        with self.lock:
            if self.at is None or ticket.at is None or ticket.at.epoch != self.at.epoch:
                return  # listed anew since
            fresh = [change for change in changes if change.revision > self.at.revision]
            if "gone" in told or reached.epoch != self.at.epoch or not self._connect(fresh):
                self._lose(ticket, reached if "gone" in told else None)
                return
            self._apply(fresh)
            if reached == head:
                self._vouched_for(ticket)

    def _connect(self, changes: list[Applied]) -> bool:
        assert self.at is not None
        first = self.at.revision + 1
        return [change.revision for change in changes] == list(range(first, first + len(changes)))

    def _lose(self, ticket: Ticket, now_at: Position | None) -> None:
        if now_at is not None:
            self._lower_floors(ticket, now_at)
        self.counters.relists += 1
        self.forget()

    def _lower_floors(self, ticket: Ticket, found: Position) -> None:
        """The store said that it is at ``found``, asked with ``ticket``: what was seen further is no more."""
        before = ticket.floors.get(found.epoch)
        if before is not None and before == self._floors.get(found.epoch) and before > found.revision:
            self._floors = {**self._floors, found.epoch: found.revision}

    def _drop_floors_of_other_epochs(self, ticket: Ticket, epoch: str) -> None:
        self._floors = {
            other: revision
            for other, revision in self._floors.items()
            if other == epoch or ticket.floors.get(other) != revision
        }

    def _vouched_for(self, ticket: Ticket) -> None:
        assert self.at is not None
        self._drop_floors_of_other_epochs(ticket, self.at.epoch)
        self.away = False
        self.checked = max(self.checked, ticket.sent)

    def _apply(self, changes: list[Applied]) -> None:
        """Take the changes over, all at once for whoever looks through a window."""
        if not changes:
            return
        assert self.at is not None
        stale: set[str] = set()
        for change in changes:
            stale |= self._take(change)
        self.at = Position(self.at.epoch, changes[-1].revision)
        self.counters.applied += len(changes)
        for window in self.windows:
            window.drop(stale)

    def _take(self, change: Applied) -> set[str]:
        """Apply one change to ``entries``; returns the keys whose values are not what they were."""
        if change.key is None:
            gone = {key for key, held in self.entries.items() if held.revision < change.revision}
            for key in gone:
                del self.entries[key]
            return gone
        known = self.entries.get(change.key)
        if known is not None and known.revision >= change.revision:
            return set()  # the listing found it newer
        if change.held is not None:
            self.entries[change.key] = change.held
        elif known is not None:
            del self.entries[change.key]
        return {change.key}

    # ---- what a listing tells

    def listed(self, ticket: Ticket, page: Mapping[str, Any]) -> None:
        """The next page of a listing that is asked for with ``page``, checked by `bulk.is_page`.

        Raises:
            ValueError: it is nothing that a registry server says.
        """
        seen = Position.of(page["cursor"])
        with self.lock:
            if self._listed is None or self.page is None:
                self._listed, self._found = seen, {}
            if seen.epoch != self._listed.epoch:
                self.page = self._listed = None
                return  # of two stores: from the first page again
            for item in page["items"]:
                self._found.pop(item["key"], None)  # found again is removed and made again: it comes last
                self._found[item["key"]] = _held(item)
            self.page = page.get("next")
            if self.page is None:
                self._listing_done(ticket, seen)

    def _listing_done(self, ticket: Ticket, last: Position) -> None:
        self.entries, self._found = self._found, {}
        self.at, self._listed = self._listed, None
        for window in self.windows:
            window.clear()
        self._vouched_for(ticket)
        self._raise_floor(last)

    def fill(self, key: str, held: Held, envelope: Mapping[str, Any]) -> None:
        """The value of an entry that did not come along; kept if the entry is still this one."""
        with self.lock:
            if self.entries.get(key) is held:
                self.entries[key] = held._replace(wire=envelope)


def _held(item: Mapping[str, Any]) -> Held:
    if type(item["revision"]) is not int:
        raise ValueError("not a revision")
    return Held(item["revision"], item.get("value"))


def _applied(change: Mapping[str, Any]) -> Applied:
    op, revision = change["op"], change["revision"]
    if type(revision) is not int or op not in ("set", "delete", "clear"):
        raise ValueError("not a change")
    if op == "clear":
        return Applied(revision, None, None)
    if not isinstance(change["key"], str):
        raise ValueError("not a key")
    return Applied(revision, change["key"], _held(change) if op == "set" else None)
