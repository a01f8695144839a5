"""Mistakes that a cache could have made, each planted into ours: the machine has to find every one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from registry.envelope.form import Envelope
from registry.storage.cached import CachedStorage
from registry.storage.informer import Applied, Held, Informer, Position, Ticket
from registry.storage.observed import ObservedConnection
from registry.storage.poller import Poller
from registry.storage.window import is_unchangeable
from registry_server.storage.history import History


def _fill_that_overtakes_an_invalidation(self: CachedStorage[Any], key: str, held: Held) -> Any:
    value = self._decoded(key, Envelope.unread(held.wire), "")
    if is_unchangeable(value):
        self._window.put(key, value)
    return value


def _floor_that_forgets_what_was_read(self: ObservedConnection, cursor: object) -> None:
    pass


def _own_write_on_top_of_a_gap(self: Informer, epoch: str, changes: Any) -> None:
    for change in changes:
        if self.at is not None and self.at.epoch == epoch and change.revision > self.at.revision:
            self._apply([change])
        self._raise_floor(Position(epoch, change.revision))


def _poll_that_applies_before_its_turn(self: Informer, ticket: Ticket, told: Any) -> None:
    """What is told is applied as it comes, also on top of an own write that is newer."""
    if self.at is None or ticket.at is None or "gone" in told:
        self.forget()
        return
    reached = self.at
    for change in told["changes"]:
        held = Held(change["revision"], change.get("value")) if change["op"] == "set" else None
        self.entries.pop(change.get("key", ""), None)
        self._apply([Applied(change["revision"], change.get("key"), held)])
    self.at = max(reached, self.at)
    self._vouched_for(ticket)


def _vouches_as_of_the_answer(self: Informer, ticket: Ticket) -> None:
    assert self.at is not None
    self._drop_floors_of_other_epochs(ticket, self.at.epoch)
    self.away = False
    self.checked = self.clock()  # type: ignore[attr-defined]


def _serves_between_the_pages(self: Informer, ticket: Ticket, last: Position) -> None:
    self.entries, self._found = self._found, {}
    self.at, self._listed = self._listed, None
    for window in self.windows:
        window.clear()
    self._vouched_for(ticket)


def _lowers_the_floor_of_a_later_write(self: Informer, ticket: Ticket, epoch: str) -> None:
    self._floors = {other: revision for other, revision in self._floors.items() if other == epoch}


def _wake_up_that_is_lost(self: Poller) -> None:
    if self._waiting:
        self._line.interrupt()


def _watch_from_and_not_after(self: History, revision: int, limit: int) -> Any:
    return _since(self, max(self.floor, revision - 1), limit)


_since = History.since


def _deadline_that_outlives_the_bound(self: Poller, at_most: float) -> float:
    return at_most + 30


PLANTED: dict[str, AbstractContextManager[Any]] = {
    "a fill that overtakes an invalidation": mock.patch.object(
        CachedStorage, "_shown", _fill_that_overtakes_an_invalidation
    ),
    "a floor that forgets what was read": mock.patch.object(
        ObservedConnection, "_saw", _floor_that_forgets_what_was_read
    ),
    "an own write on top of a gap": mock.patch.object(Informer, "wrote", _own_write_on_top_of_a_gap),
    "a poll that applies before its turn": mock.patch.object(
        Informer, "moved", _poll_that_applies_before_its_turn
    ),
    "vouching as of the answer": mock.patch.object(Informer, "_vouched_for", _vouches_as_of_the_answer),
    "serving between the pages of a listing": mock.patch.object(
        Informer, "_listing_done", _serves_between_the_pages
    ),
    "a floor of a later write that falls": mock.patch.object(
        Informer, "_drop_floors_of_other_epochs", _lowers_the_floor_of_a_later_write
    ),
    "a wake-up that is lost": mock.patch.object(Poller, "nudge", _wake_up_that_is_lost),
    "a watch that uses >=": mock.patch.object(History, "since", _watch_from_and_not_after),
    "a deadline that outlives the bound": mock.patch.object(
        Poller, "_seconds_left", _deadline_that_outlives_the_bound
    ),
}
