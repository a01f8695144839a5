"""What clients did and were told, and what of it cannot be: a check of linearizability by revisions.

Every answer tells where in the order of changes it belongs: a write by its revisions, a read by its cursor.
So the order need not be searched for. What is left to check is that each answer is right at its place, and
that no place is before one that was told of before the request began.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

NEVER = float("inf")
ABSENT = 0


class Logged(NamedTuple):
    """A change as a watcher was told of it; its revision is its place in the log.

    ``token`` is the value that was set, each of which is used once; empty where the key was deleted.
    """

    key: str
    token: str


class Wanted(Logged):
    """A change that a client asked for."""

    __slots__ = ()


@dataclass(slots=True)
class Write:
    """One request that writes.

    Attributes:
        wanted: its changes, in order.
        began: when it was sent, in seconds.
        ended: when it was answered; `NEVER` without an answer.
        fate: ``done`` with ``revisions``; ``refused``, so it must not have happened; or ``unknown``.
        expected: the key's revision that it was made under; `ABSENT`, or None where it had no condition.
    """

    wanted: Sequence[Wanted]
    began: float
    ended: float = NEVER
    fate: Literal["done", "refused", "unknown"] = "unknown"
    revisions: Sequence[int] = ()
    expected: int | None = None


class Read(NamedTuple):
    """One answer about what is there at ``head``.

    ``found`` has, of each key asked for, its revision and its token (None where the answer has none); a key
    that is not there is at `ABSENT`. ``whole`` if these are all keys.
    """

    began: float
    ended: float
    head: int
    found: dict[str, tuple[int, str | None]]
    whole: bool = False


@dataclass(slots=True)
class History:
    """What all clients of one namespace did."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """Changes that were answered for."""
        return sum(len(write.revisions) for write in self.writes)


def violations(log: Sequence[Logged], history: History) -> list[str]:
    """What cannot be, of the changes in order and what clients were told; empty if nothing is wrong."""
    return [
        *_lost(log, history.writes),
        *_invented(log, history.writes),
        *_doubled(log),
        *_torn(log, history.writes),
        *_out_of_order(log, history),
        *_wrong(log, history),
    ]


def _lost(log: Sequence[Logged], writes: Sequence[Write]) -> Iterator[str]:
    given: set[int] = set()
    for write in writes:
        for wanted, revision in zip(write.wanted, write.revisions, strict=False):
            if revision in given:
                yield f"revision {revision} was given twice, again for {wanted}"
            given.add(revision)
            logged = log[revision - 1] if 0 < revision <= len(log) else None
            if logged != wanted:
                yield f"{wanted} was acknowledged as revision {revision}, where {logged} is"


def _invented(log: Sequence[Logged], writes: Sequence[Write]) -> Iterator[str]:
    acknowledged = {revision for write in writes for revision in write.revisions}
    possible = Counter(wanted for write in writes if write.fate == "unknown" for wanted in write.wanted)
    refused = {w.token for write in writes if write.fate == "refused" for w in write.wanted if w.token}
    for revision, logged in enumerate(log, 1):
        if logged.token in refused:
            yield f"revision {revision} is {logged}, which was refused"
        elif revision not in acknowledged:
            wanted = Wanted(*logged)
            if not possible[wanted]:
                yield f"revision {revision} is {logged}, which nobody asked for"
            possible[wanted] -= 1


def _doubled(log: Sequence[Logged]) -> Iterator[str]:
    for token, times in Counter(logged.token for logged in log if logged.token).items():
        if times > 1:
            yield f"{token} was written {times} times"


def _torn(log: Sequence[Logged], writes: Sequence[Write]) -> Iterator[str]:
    place = {logged.token: revision for revision, logged in enumerate(log, 1) if logged.token}
    for write in writes:
        if len(write.wanted) > 1:
            places = [place.get(wanted.token, 0) for wanted in write.wanted]
            whole = places == [*range(places[0], places[0] + len(places))] and places[0]
            if any(places) and not whole:
                yield f"the batch of {write.wanted[0]} is at {places}"


def _out_of_order(log: Sequence[Logged], history: History) -> Iterator[str]:
    """What began after an answer had ended, and is placed before it."""
    place = {logged.token: revision for revision, logged in enumerate(log, 1) if logged.token}
    spans = [(read.began, read.ended, read.head + 1, read.head, "a read") for read in history.reads]
    for write in history.writes:
        done = write.revisions or [place[w.token] for w in write.wanted if w.token in place]
        if done:
            spans.append((write.began, write.ended, min(done), max(done), str(write.wanted[0])))
    ended: list[tuple[float, int]] = []
    floor = 0
    for began, end, low, high, what in sorted(spans):
        while ended and ended[0][0] < began:
            floor = max(floor, heapq.heappop(ended)[1])
        if low <= floor:
            yield f"{what} is at revision {high}, though {floor} had been told of before it began"
        heapq.heappush(ended, (end, high))


def _wrong(log: Sequence[Logged], history: History) -> Iterator[str]:
    """Answers that were not so at their place, and conditions that did not hold at theirs."""
    revisions: dict[str, list[int]] = defaultdict(list)
    for revision, logged in enumerate(log, 1):
        revisions[logged.key].append(revision)

    def at(key: str, head: int) -> int:
        """The key's revision at ``head``."""
        before = bisect_right(revisions[key], head)
        last = revisions[key][before - 1] if before else ABSENT
        return last if last and log[last - 1].token else ABSENT

    for read in history.reads:
        for key, (revision, token) in read.found.items():
            really = at(key, read.head)
            if revision != really or (token is not None and really and token != log[really - 1].token):
                yield f"a read at {read.head} found {key} at {revision} ({token}), and it was at {really}"
        if read.whole:
            there = {key for key in list(revisions) if at(key, read.head)}
            if there != read.found.keys():
                yield f"a listing at {read.head} differs by {sorted(there ^ read.found.keys())}"
    for write in history.writes:
        if write.expected is not None and write.revisions:
            really = at(write.wanted[0].key, write.revisions[0] - 1)
            if really != write.expected:
                yield f"{write.wanted[0]} was written for {write.expected}, and the key was at {really}"
