"""A local registry in threads: what readers see while somebody writes, and how many of them it bears."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from typing import Any

from registry import FunctionalRegistry
from tests.benchmarks.measure import (
    Benchmark,
    Contender,
    Effort,
    Numbers,
    Question,
    at_least,
    at_most,
    figure,
)
from tests.benchmarks.servers import Servers

READERS = 16
_BATCH = {f"batch{number}": len for number in range(20)}
_LOOPS = 100
"""Reads between two glances at whether time is up."""


def _read_and_write(
    read: Callable[[], int], write: Callable[[], object], readers: int, effort: Effort, seconds: float
) -> tuple[int, float]:
    """What the readers' counts add up to, and how long they ran, beside one thread that writes."""
    done, counts = threading.Event(), [0] * readers

    def reader(number: int) -> None:
        while not done.is_set():
            counts[number] += read()

    def writer() -> None:
        while not done.is_set():
            write()

    threads = [threading.Thread(target=reader, args=(number,)) for number in range(readers)]
    threads.append(threading.Thread(target=writer))
    started = effort.time()
    for thread in threads:
        thread.start()
    done.wait(seconds)
    done.set()
    for thread in threads:
        thread.join()
    return sum(counts), effort.time() - started


def _looking_up(look_up: Callable[[str], Any]) -> Callable[[], int]:
    def read() -> int:
        for _ in range(_LOOPS):
            look_up("function")
        return _LOOPS

    return read


def _replacing(put: Callable[[str, Any], object]) -> Callable[[], object]:
    values = cycle([min, max])
    return lambda: put("other", next(values))


@contextmanager
def _readers(effort: Effort, _servers: Servers) -> Iterator[Mapping[str, Contender]]:
    """Look-ups a second, in one thread and in many, beside one thread that writes."""

    class Functions(FunctionalRegistry[..., Any], on_duplicate="replace"):
        pass

    Functions.safe_register_batch({"function": len, "other": min})
    table: dict[str, Any] = {"function": len, "other": min}
    looking = {
        "get_artifact": (_looking_up(Functions.get_artifact), _replacing(Functions.update_artifact)),
        "dict": (_looking_up(table.__getitem__), _replacing(table.__setitem__)),
    }

    def rate(name: str, readers: int, seconds: float) -> float:
        count, spent = _read_and_write(*looking[name], readers, effort, seconds)
        return count / spent

    yield {
        f"{name}, {readers} reading": partial(rate, name, readers)
        for name in looking
        for readers in (1, READERS)
    }


def _scaling(numbers: Numbers) -> float:
    """How many times as much many readers read as one, against how many times that is with a dict."""
    registry, table = (
        numbers[f"{name}, {READERS} reading"] / numbers[f"{name}, 1 reading"]
        for name in ("get_artifact", "dict")
    )
    return registry / table


@contextmanager
def _torn(effort: Effort, _servers: Servers) -> Iterator[Mapping[str, Contender]]:
    """Views that show part of a batch or of a clear."""

    class Functions(FunctionalRegistry[..., Any]):
        pass

    table: dict[str, Any] = {}
    whole = (0, len(_BATCH))

    def torn(
        view: Callable[[], list[str]], put: Callable[[], object], clear: Callable[[], object]
    ) -> Contender:
        steps = cycle([put, clear])

        def read() -> int:
            return sum(len(view()) not in whole for _ in range(_LOOPS))

        return lambda seconds: _read_and_write(read, lambda: next(steps)(), READERS, effort, seconds)[0]

    def put_one_by_one() -> None:
        for name, function in _BATCH.items():
            table[name] = function

    yield {
        "registry": torn(
            lambda: list(Functions), lambda: Functions.safe_register_batch(_BATCH), Functions.clear_artifacts
        ),
        "dict, one by one": torn(lambda: list(table), put_one_by_one, table.clear),
    }


BENCHMARKS = (
    Benchmark(
        "threads",
        f"Look-ups a second in a local registry by {READERS} threads, and by one, while another one writes",
        "look-ups/s",
        (
            Question(f"{READERS} readers' gain, registry / dict", "", _scaling, (at_least(0.9),)),
            figure(f"get_artifact, {READERS} reading", "/s"),
        ),
        _readers,
        slices=2,
    ),
    Benchmark(
        "torn",
        f"Views of half a batch or half a clear, seen by {READERS} threads while another one writes",
        "views",
        (figure("registry", "views", at_most(0)), figure("dict, one by one", "views")),
        _torn,
        slices=2,
    ),
)
