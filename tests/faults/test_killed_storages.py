"""The storage is killed, or cannot be reached, under load: servers say so, and come back by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.faults.experiment import experiment
from tests.faults.findings import Finding, bound, effort, record
from tests.faults.load import Load
from tests.faults.proxy import Weather
from tests.faults.stores import Place, until

KILLS = effort(2, 12)
PAUSE = bound(0.0, 5.0)
RECOVERY_SECONDS = 5.0
SERVERS = 2
WEATHERS: list[Weather] = ["cut", "half_open", "black_hole", "refused"]
CUT_OFF_SECONDS = bound(2.5, 4.0)
ROUNDS = effort(1, 3)
CONNECTIONS = {"redis": 7, "postgresql": 10}
"""At most, of one server."""

# What is killed leaves sockets behind, in our proxies too, which are collected whenever that may be.
pytestmark = [
    pytest.mark.timeout(bound(240, 1_200)),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("kind", ["redis", "postgresql"])
async def test_a_storage_killed_under_load_loses_nothing_and_servers_come_back(
    kind: str, start_place: Callable[..., Place]
) -> None:
    """Nothing that was acknowledged is lost, nothing that was refused is there, and no connection leaks."""
    place = start_place(kind, servers=SERVERS)

    async def harm(load: Load) -> list[float]:
        recoveries = []
        for _ in range(KILLS):
            await load.acknowledge(60)
            await asyncio.sleep(PAUSE)  # the period of the kills
            failed = load.failed
            recoveries.append(await place.kill_storage(lambda failed=failed: load.failed > failed))
        await load.acknowledge(60)
        return recoveries

    seed = f"storage {kind}"
    outcome = await experiment(place, harm, clients=8, watchers=3, reads=0.3, seed=seed)

    assert outcome.wrong == []
    assert outcome.failed, "no kill met a request: the test is blind"
    storage = place.storage
    assert storage is not None
    await until(lambda: storage.connections() <= SERVERS * CONNECTIONS[kind])
    connections = storage.connections()
    done = (
        f"{KILLS} kills, one every {PAUSE:.0f} s; {SERVERS} servers, {outcome.acknowledged:,} acknowledged "
        f"changes, {outcome.failed} failed requests"
    )
    found = (
        f"0 lost, 0 phantom, 0 doubled; recovered in {outcome.slowest:.1f} s at most; "
        f"{connections} connections at the end"
    )
    record(Finding("storage killed", kind, done, found, outcome.slowest <= RECOVERY_SECONDS, seed))


@pytest.mark.parametrize("kind", ["redis", "postgresql"])
async def test_a_storage_that_cannot_be_reached_loses_and_doubles_nothing(
    kind: str, start_place: Callable[..., Place]
) -> None:
    """The network between servers and storage fails in each of the usual ways, in the middle of writes."""
    place = start_place(kind, servers=SERVERS, network=True)

    async def harm(load: Load) -> list[float]:
        recoveries = []
        for weather in WEATHERS * ROUNDS:
            await load.acknowledge(40)
            recoveries.append(await place.cut_off(weather, CUT_OFF_SECONDS))
        await load.acknowledge(40)
        return recoveries

    seed = f"cut off {kind}"
    outcome = await experiment(place, harm, clients=8, watchers=3, reads=0.3, seed=seed)

    assert outcome.wrong == []
    assert outcome.failed, "no fault met a request: the test is blind"
    done = (
        f"{len(outcome.recoveries)} times {CUT_OFF_SECONDS:.1f} s of {', '.join(WEATHERS)}; "
        f"{SERVERS} servers, {outcome.acknowledged:,} acknowledged changes, {outcome.failed} failed requests"
    )
    found = f"0 lost, 0 phantom, 0 doubled; recovered in {outcome.slowest:.1f} s at most"
    record(Finding("storage cut off", kind, done, found, outcome.slowest <= RECOVERY_SECONDS, seed))
