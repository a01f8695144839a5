"""Any script of operations, run on a backend and on a dict: every answer has to be the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from itertools import count
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from registry_server.storage.base import (
    ABSENT,
    ANY,
    NEVER,
    PRESENT,
    BatchWritten,
    ConditionFailedError,
    Drop,
    Expect,
    Put,
    Refused,
    Removed,
    Stored,
    Written,
)
from registry_server.testing.values import PLENTY, OpenBackend, stored

T = TypeVar("T")
Line = tuple[str, bytes, str, int, int]
"""An entry without its time."""

KEYS = st.sampled_from(["a", "ab", "a\0", "b", "\u00e9", "e\u0301", "\U0001f600"])
VALUES = {"0": stored(0), "1": stored(1), "1, other meta": stored(1, by="me"), "large": stored("x" * 300_000)}
NAMES = st.sampled_from(sorted(VALUES))
EXPECTED = st.sampled_from([ANY, ABSENT, PRESENT, NEVER, "same", "other"])
Wanted = int | str
Told = tuple[int, str, str, str, int]
"""A change without its time and value."""


class Model:
    """One namespace, in the plainest terms: a dict in creation order, a number, and a list of changes."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.head = 0
        self.changes: list[Told] = []

    def expect(self, key: str, wanted: Wanted) -> Expect:
        revision = self.lines[key][3] if key in self.lines else 1
        return wanted if isinstance(wanted, int) else revision + (wanted == "other")

    def holds(self, key: str, expect: Expect) -> bool:
        if expect in (ANY, NEVER):
            return expect == ANY
        if expect in (ABSENT, PRESENT):
            return (key in self.lines) == (expect == PRESENT)
        return key in self.lines and self.lines[key][3] == expect

    def put(self, key: str, value: Stored) -> str:
        if key in self.lines and self.lines[key][1] == value.envelope:
            return "unchanged"
        self._changed("set", key, value.digest)
        created = self.lines[key][4] if key in self.lines else self.head
        outcome = "replaced" if key in self.lines else "created"
        self.lines[key] = (key, value.envelope, value.digest, self.head, created)
        return outcome

    def delete(self, key: str) -> bool:
        existed = self.lines.pop(key, None) is not None
        if existed:
            self._changed("delete", key)
        return existed

    def clear(self) -> int:
        removed = len(self.lines)
        if removed:
            self._changed("clear")
        self.lines.clear()
        return removed

    def end_batch(self, before: int) -> None:
        """What changed after revision ``before`` was one batch."""
        self.changes[before:] = [(*change[:4], self.head) for change in self.changes[before:]]

    def carried(self, change: Told) -> bytes:
        """The value that the change's entry still has."""
        line = self.lines.get(change[2])
        return line[1] if change[1] == "set" and line is not None and line[3] == change[0] else b""

    def _changed(self, op: str, key: str = "", digest: str = "") -> None:
        self.head += 1
        self.changes.append((self.head, op, key, digest, self.head))


class _Subject:
    """The backend under test and its loop; one for all scripts, each of which has a namespace of its own."""

    def __init__(self, open_backend: OpenBackend, runner: asyncio.Runner) -> None:
        self._open_backend = open_backend
        self._runner = runner
        self.numbers = count()
        self.backend = open_backend()
        self.run(self.backend.open())

    def run(self, awaitable: Awaitable[T]) -> T:
        async def wait() -> T:
            return await awaitable

        return self._runner.run(wait())

    def reopen(self) -> None:
        self.run(self.backend.close())
        self.backend = self._open_backend()
        self.run(self.backend.open())


class _Comparison(RuleBasedStateMachine):
    """Runs each operation on both and compares what they answer."""

    subject: _Subject
    survives_reopening: bool

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.namespace = f"script.n{next(self.subject.numbers)}"

    @rule(key=KEYS, value=NAMES, wanted=EXPECTED)
    def put(self, key: str, value: str, wanted: Wanted) -> None:
        expect = self.model.expect(key, wanted)
        awaitable = self.subject.backend.put(self.namespace, key, VALUES[value], expect=expect)
        written = self._conditional(key, expect, awaitable)
        if written is not None:
            assert written.outcome == self.model.put(key, VALUES[value])
            assert (_line(written.entry), written.head) == (self.model.lines[key], self.model.head)

    @rule(key=KEYS, wanted=EXPECTED)
    def delete(self, key: str, wanted: Wanted) -> None:
        expect = self.model.expect(key, wanted)
        awaitable = self.subject.backend.delete(self.namespace, key, expect=expect)
        removed = self._conditional(key, expect, awaitable)
        if removed is not None:
            assert removed == (self.model.delete(key), self.model.head)

    @rule(
        writes=st.lists(st.tuples(KEYS, NAMES, EXPECTED), max_size=4, unique_by=lambda write: write[0]),
        atomic=st.booleans(),
    )
    def put_many(self, writes: list[tuple[str, str, Wanted]], atomic: bool) -> None:
        puts = [Put(key, VALUES[value], self.model.expect(key, wanted)) for key, value, wanted in writes]
        held = [self.model.holds(put.key, put.expect) for put in puts]

        done = self.subject.run(self.subject.backend.put_many(self.namespace, puts, atomic=atomic))

        assert [isinstance(outcome, Written) for outcome in done.outcomes] == held
        assert done.applied == (not atomic or all(held))
        for put, outcome in zip(puts, done.outcomes, strict=True):
            if isinstance(outcome, Refused):
                assert _line(outcome.current) == self.model.lines.get(put.key)
        if done.applied:
            before = self.model.head
            self._follow(puts, done)
            self.model.end_batch(before)
        assert done.head == self.model.head

    @rule(keys=st.lists(KEYS, max_size=4, unique=True), wanted=EXPECTED, atomic=st.booleans())
    def delete_many(self, keys: list[str], wanted: Wanted, atomic: bool) -> None:
        drops = [Drop(key, self.model.expect(key, wanted)) for key in keys]
        done = self.subject.run(self.subject.backend.delete_many(self.namespace, drops, atomic=atomic))
        held = [self.model.holds(*drop) for drop in drops]
        assert [isinstance(outcome, Removed) for outcome in done.outcomes] == held
        assert done.applied == (all(held) or not atomic)
        before = self.model.head
        for drop, outcome in zip(drops, done.outcomes, strict=True):
            if isinstance(outcome, Refused):
                assert _line(outcome.current) == self.model.lines.get(drop.key)
            elif done.applied:
                assert outcome == (self.model.delete(drop.key), self.model.head)
        self.model.end_batch(before)
        assert done.head == self.model.head

    @rule(keys=st.lists(KEYS, max_size=5))
    def get_many(self, keys: list[str]) -> None:
        found, head = self.subject.run(self.subject.backend.get_many(self.namespace, keys, max_bytes=PLENTY))
        assert [_line(entry) for entry in found] == [self.model.lines.get(key) for key in keys]
        assert head == self.model.head

    @rule(back=st.integers(0, 12), limit=st.integers(1, 5))
    def changes(self, back: int, limit: int) -> None:
        since = max(0, self.model.head - back)
        found = self.subject.run(
            self.subject.backend.changes(
                self.namespace, since, limit=limit, max_bytes=PLENTY, max_value=PLENTY
            )
        )
        until = self.model.changes[since : since + limit][-1][4] if since < self.model.head else since
        expected = self.model.changes[since:until]
        assert [(*change[:4], change.last) for change in found.changes] == expected
        assert [change.envelope for change in found.changes] == [*map(self.model.carried, expected)]
        assert found.head == self.model.head

    @rule(ahead=st.sampled_from([None, 0, 1]))
    def clear(self, ahead: int | None) -> None:
        expected = None if ahead is None else self.model.head + ahead
        clearing = self.subject.backend.clear(self.namespace, head=expected)
        if ahead:
            with pytest.raises(ConditionFailedError):
                self.subject.run(clearing)
        else:
            assert self.subject.run(clearing) == (self.model.clear(), self.model.head)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        entry, head = self.subject.run(self.subject.backend.get(self.namespace, key))
        assert (_line(entry), head) == (self.model.lines.get(key), self.model.head)
        contains = self.subject.run(self.subject.backend.contains(self.namespace, key))
        assert contains == (key in self.model.lines, self.model.head)

    @rule(
        prefix=st.sampled_from(["", "a", "a\0", "e"]),
        after=st.integers(0, 20),
        limit=st.integers(1, 4),
        max_bytes=st.sampled_from([1, 150, PLENTY]),
        values=st.booleans(),
    )
    def page(self, prefix: str, after: int, limit: int, max_bytes: int, values: bool) -> None:
        page = self.subject.run(
            self.subject.backend.page(
                self.namespace, prefix=prefix, after=after, limit=limit, max_bytes=max_bytes, values=values
            )
        )
        lines = [line if values else (line[0], b"", *line[2:]) for line in self.model.lines.values()]
        lines = [line for line in lines if line[0].startswith(prefix) and line[4] > after]
        fitting = [
            line
            for index, line in enumerate(lines)
            if index == 0 or (index < limit and sum(len(one[1]) for one in lines[: index + 1]) <= max_bytes)
        ]
        assert [_line(entry) for entry in page.entries] == fitting
        assert (page.head, page.more) == (self.model.head, len(fitting) < len(lines))

    @precondition(lambda self: self.survives_reopening)
    @rule()
    def reopen(self) -> None:
        self.subject.reopen()

    @invariant()
    def sizes_agree(self) -> None:
        counted = self.subject.run(self.subject.backend.count(self.namespace))
        assert counted == (len(self.model.lines), self.model.head)

    def _conditional(self, key: str, expect: Expect, awaitable: Awaitable[T]) -> T | None:
        """The answer where the condition holds; where it does not, that it was refused as it should."""
        try:
            answer = self.subject.run(awaitable)
        except ConditionFailedError as failed:
            assert not self.model.holds(key, expect), f"refused, though {expect} is what it is"
            assert (_line(failed.current), failed.head) == (self.model.lines.get(key), self.model.head)
            return None
        assert self.model.holds(key, expect), f"not refused, though it expects {expect}"
        return answer

    def _follow(self, puts: list[Put], done: BatchWritten) -> None:
        for put, outcome in zip(puts, done.outcomes, strict=True):
            if isinstance(outcome, Written):
                assert outcome.outcome == self.model.put(put.key, put.value)
                assert _line(outcome.entry) == self.model.lines[put.key]


def _line(entry: tuple[str, bytes, str, int, int, str] | None) -> Line | None:
    return None if entry is None else entry[:5]


def check_against_model(
    open_backend: OpenBackend, *, survives_reopening: bool, scripts: int = 60, shrink: bool = False
) -> None:
    """Run ``scripts`` random scripts of up to 30 operations; `AssertionError` at the first difference.

    ``shrink`` looks for a shorter script that fails too, which can take minutes.
    """
    with asyncio.Runner() as runner:
        shared = _Subject(open_backend, runner)
        kept = survives_reopening

        class Comparison(_Comparison):
            subject = shared
            survives_reopening = kept

        try:
            run_state_machine_as_test(
                Comparison,
                settings=settings(
                    max_examples=scripts,
                    stateful_step_count=30,
                    deadline=None,
                    database=None,
                    report_multiple_bugs=False,
                    phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            shared.run(shared.backend.close())
