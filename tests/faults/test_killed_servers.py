"""Servers that are killed while clients write: nothing is lost, invented, doubled, torn or out of order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.experiment import experiment
from tests.faults.findings import Finding, bound, effort, record
from tests.faults.load import Load
from tests.faults.stores import Place

WRITERS, WATCHERS = 8, 3
KILLS = effort(3, 50)
ACKNOWLEDGED = effort(300, 20_000)
RECOVERY_SECONDS = 2.0

pytestmark = pytest.mark.timeout(bound(240, 3_600))


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgresql"])
async def test_a_server_killed_under_load_loses_invents_and_doubles_nothing(
    kind: str, start_place: Callable[..., Place]
) -> None:
    """Each acknowledged write is there, once, at its revision; watchers agree with the log."""
    place = start_place(kind, servers=1)

    async def harm(load: Load) -> list[float]:
        recoveries = []
        for number in range(KILLS):
            await load.acknowledge(ACKNOWLEDGED // KILLS)
            recoveries.append(await place.kill_server(number))
        await load.acknowledge(50)
        return recoveries

    seed = f"killed {kind}"
    outcome = await experiment(place, harm, clients=WRITERS, watchers=WATCHERS, reads=0.1, seed=seed)

    assert outcome.wrong == []
    assert outcome.acknowledged >= ACKNOWLEDGED
    assert outcome.failed, "no kill met a request: the test is blind"
    assert outcome.lists == 0, "a killed server makes nobody list again"
    done = f"{KILLS} kills, {outcome.acknowledged:,} acknowledged changes, {outcome.failed} failed requests"
    found = f"0 lost, 0 phantom, 0 doubled; serving again after {outcome.slowest:.1f} s at most"
    record(Finding("kill -9", kind, done, found, outcome.slowest <= RECOVERY_SECONDS, seed))
