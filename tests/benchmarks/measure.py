"""Paired rounds: what a machine does beside us hits both sides of a ratio, so ratios are what counts.

A benchmark has contenders. In each round every contender is measured once, in turn forwards and backwards,
and each question (a ratio mostly) is answered from that round's numbers alone. A finding is the median over
rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median
from typing import Literal

from tests.benchmarks.servers import Servers

Contender = Callable[[float], float]
"""Works for about as many seconds as it is told; returns a rate, or a time per call."""

Numbers = Mapping[str, float]
"""What one round measured, by contender."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a finding should be; ``when`` tells whether the product promises it already."""

    side: Literal["at least", "at most"]
    limit: float
    when: Literal["now", "later"]

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.side == "at least" else value <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.side == "at least" else "≤"
        return f"{sign} {self.limit:,g}" + (" later" if self.when == "later" else "")


def at_least(limit: float, when: Literal["now", "later"] = "now") -> Target:
    return Target("at least", limit, when)


def at_most(limit: float, when: Literal["now", "later"] = "now") -> Target:
    return Target("at most", limit, when)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each round; ``unit`` is empty for a ratio."""

    name: str
    unit: str
    answer: Callable[[Numbers], float]
    targets: tuple[Target, ...]


def ratio(of: str, to: str, *targets: Target) -> Question:
    return Question(f"{of} / {to}", "", lambda numbers: numbers[of] / numbers[to], targets)


def difference(of: str, to: str, unit: str, *targets: Target) -> Question:
    return Question(f"{of} - {to}", unit, lambda numbers: numbers[of] - numbers[to], targets)


def figure(of: str, unit: str, *targets: Target) -> Question:
    """The number itself; it tells of this machine at this moment, unlike a ratio."""
    return Question(of, unit, lambda numbers: numbers[of], targets)


@dataclass(frozen=True, slots=True)
class Finding:
    """The answers to one question, round by round."""

    question: Question
    values: Sequence[float]

    @property
    def median(self) -> float:
        return median(self.values)

    def verdicts(self) -> list[tuple[Target, bool]]:
        return [(target, target.holds(self.median)) for target in self.question.targets]


@dataclass(frozen=True, slots=True)
class Effort:
    """How to measure.

    Attributes:
        rounds: paired rounds of each benchmark.
        seconds: for each contender in a round.
        load: what makes the load over the wire.
        clock: ``wall``, or ``cpu`` for the time that the measured process computes, which other work beside
            it does not stretch; it leaves out waiting, for a disk or a server.
        most: entries or watchers that are made at most. With fewer than a benchmark names it only shows that
            it runs.
    """

    rounds: int = 9
    seconds: float = 1.0
    load: Literal["auto", "wrk", "bundled"] = "auto"
    clock: Literal["wall", "cpu"] = "wall"
    most: int = 100_000

    def time(self) -> float:
        """Seconds by this process's clock."""
        return time.process_time() if self.clock == "cpu" else time.perf_counter()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Contenders, and what is asked of them.

    Attributes:
        name: what ``--only`` calls it.
        about: one line for people.
        unit: of the contenders' numbers.
        questions: answered from each round.
        contenders: opens what they need and closes it again.
        slices: cuts each round into so many shorter ones, where a short measurement is as good as a long one.
    """

    name: str
    about: str
    unit: str
    questions: Sequence[Question]
    contenders: Callable[[Effort, Servers], AbstractContextManager[Mapping[str, Contender]]]
    slices: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark measured; ``series`` has every number, by contender and in the order of rounds."""

    benchmark: Benchmark
    series: Mapping[str, Sequence[float]]

    @property
    def findings(self) -> list[Finding]:
        names = list(self.series)
        rounds = [
            dict(zip(names, numbers, strict=True)) for numbers in zip(*self.series.values(), strict=True)
        ]
        return [
            Finding(question, [question.answer(numbers) for numbers in rounds])
            for question in self.benchmark.questions
        ]


Watcher = Callable[[str, int, int], object]
"""Told of each measurement before it begins: the contender, how many are done, and of how many."""


def run(benchmark: Benchmark, effort: Effort, servers: Servers, watch: Watcher = lambda *_: None) -> Result:
    """Measure.

    Raises:
        BenchmarkError: a contender could not be measured.
    """
    seconds = effort.seconds / benchmark.slices
    with benchmark.contenders(effort, servers) as contenders:
        series: dict[str, list[float]] = {name: [] for name in contenders}
        turns = list(contenders.items())
        rounds = effort.rounds * benchmark.slices
        for number in range(rounds):
            for turn, (name, measure) in enumerate(reversed(turns) if number % 2 else turns):
                watch(name, number * len(turns) + turn, rounds * len(turns))
                series[name].append(measure(seconds))
    return Result(benchmark, series)
