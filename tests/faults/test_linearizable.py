"""Clients that read and write under kills and pauses see one order of changes; servers that lie are found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.faults import faulty
from tests.faults.experiment import Outcome, experiment
from tests.faults.findings import Finding, bound, effort, record
from tests.faults.history import History, Logged, Read, Wanted, Write, violations
from tests.faults.load import Load
from tests.faults.stores import Place, Stopped

CLIENTS = effort(16, 32)
SECONDS = effort(0, 60)
ROUNDS = 2
"""Of kill and pause, at least."""
LONGEST = 60.0
"""Seconds in which a planted bug has to be found."""

pytestmark = pytest.mark.timeout(bound(240, 1_200))


async def _trouble(place: Place, load: Load) -> list[float]:
    """Kill and pause servers in turn, each in the middle of work, for `SECONDS`."""
    recoveries = []
    deadline = time.monotonic() + SECONDS
    round_ = 0
    while round_ < ROUNDS or time.monotonic() < deadline:
        await load.acknowledge(60)
        recoveries.append(await place.kill_server(round_))
        await load.acknowledge(60)
        paused = place.servers[(round_ + 1) % len(place.servers)]
        with Stopped(paused.process.pid):
            await asyncio.sleep(0.3)  # the pause is what is tested
        round_ += 1
    await load.acknowledge(60)
    return recoveries


async def _observe(place: Place, seed: str) -> Outcome:
    return await experiment(
        place, lambda load: _trouble(place, load), clients=CLIENTS, watchers=3, reads=0.6, seed=seed
    )


@pytest.mark.parametrize(("kind", "servers"), [("sqlite", 1), ("redis", 2), ("postgresql", 2)])
async def test_what_clients_see_is_linearizable(
    kind: str, servers: int, start_place: Callable[..., Place]
) -> None:
    place = start_place(kind, servers=servers)
    seed = f"linearizable {kind}"

    outcome = await _observe(place, seed)

    assert outcome.wrong == []
    assert outcome.failed, "no kill met a request: the test is blind"
    done = (
        f"{CLIENTS} clients, {servers} server(s), {SECONDS} s, {len(outcome.recoveries)} kills and as many "
        f"pauses; {outcome.answered:,} answers"
    )
    record(Finding("linearizability", kind, done, "0 violations", True, seed))


@pytest.mark.parametrize("fault", faulty.FAULTS)
async def test_a_planted_bug_is_found(fault: str, start_place: Callable[..., Place]) -> None:
    place = start_place("sqlite", module="tests.faults.faulty", faults=fault)
    began = time.monotonic()
    seed = f"planted {fault}"

    async def harm(load: Load) -> list[float]:
        """A restart for the bug that needs one; the others need nothing but load."""
        await load.acknowledge(400)
        if fault == "revision_reused":
            await place.kill_server(0)
            await load.acknowledge(50)
        return []

    outcome = await experiment(place, harm, clients=CLIENTS, watchers=2, reads=0.6, seed=seed)

    seconds = time.monotonic() - began
    assert outcome.wrong, "the planted bug was not found"
    found = f"found in {seconds:.1f} s: {outcome.wrong[0]}"
    record(Finding("planted bugs", fault, f"{outcome.answered:,} answers", found, seconds <= LONGEST, seed))


A, B = Wanted("k", "a.1/1"), Wanted("k", "b.1/1")
LOG = [Logged(*A), Logged(*B)]


def _done(wanted: Wanted, revision: int, began: float, **more: int) -> Write:
    return Write([wanted], began, began + 1, "done", [revision], **more)


IDS = ["lost", "invented", "refused", "doubled", "order"]
IDS += ["stale-head", "wrong-revision", "wrong-value", "listing", "condition", "torn"]


@pytest.mark.parametrize(
    ("log", "writes", "reads"),
    [
        ([LOG[0]], [_done(A, 1, 0), _done(B, 2, 2)], []),
        (LOG, [_done(A, 1, 0)], []),
        (LOG, [_done(A, 1, 0), Write([B], 2, 3, "refused")], []),
        ([*LOG, LOG[0]], [_done(A, 1, 0), _done(B, 2, 2), Write([A], 1)], []),
        (LOG, [_done(A, 1, 5), _done(B, 2, 2)], []),
        (LOG, [_done(A, 1, 0), _done(B, 2, 2)], [Read(5, 6, 1, {})]),
        (LOG, [_done(A, 1, 0), _done(B, 2, 2)], [Read(2, 6, 2, {"k": (1, None)})]),
        (LOG, [_done(A, 1, 0), _done(B, 2, 2)], [Read(2, 6, 2, {"k": (2, "c")})]),
        (LOG, [_done(A, 1, 0), _done(B, 2, 2)], [Read(2, 6, 2, {}, True)]),
        (LOG, [_done(A, 1, 0), _done(B, 2, 2, expected=0)], []),
        ([LOG[0]], [Write([A, B], 0)], []),
    ],
    ids=IDS,
)
def test_the_check_finds_what_cannot_be(log, writes, reads) -> None:
    assert len(violations(log, History(writes, reads))) == 1


def test_the_check_accepts_what_can_be() -> None:
    writes = [_done(A, 1, 0, expected=0), Write([B], 2)]
    reads = [Read(2, 3, 1, {"k": (1, "a.1/1")}), Read(2, 6, 2, {"k": (2, "b.1/1")}, True)]

    assert violations(LOG, History(writes, reads)) == []
