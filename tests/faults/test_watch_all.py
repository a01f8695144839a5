"""Watching, by its properties: ordered, unique, reliable, atomic, and resumable from every revision."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.experiment import SPACE, experiment
from tests.faults.findings import Finding, bound, effort, record
from tests.faults.history import Logged
from tests.faults.load import Load
from tests.faults.stores import Place
from tests.faults.wire import Client

CHANGES = effort(2_000, 100_000)
KEPT = 10_000
"""Changes that a server keeps at least (REG-CHG-03)."""
STEP = effort(10, 1)
"""Of the revisions that watching is begun from."""

pytestmark = pytest.mark.timeout(bound(240, 3_600))


@pytest.mark.parametrize(("kind", "servers"), [("sqlite", 1), ("redis", 2), ("postgresql", 2)])
async def test_every_change_is_told_once_in_order_and_whole_and_from_anywhere(
    kind: str, servers: int, start_place: Callable[..., Place]
) -> None:
    place = start_place(kind, servers=servers)

    async def harm(load: Load) -> list[float]:
        """None; there are so many changes that watchers have enough to do."""
        await load.acknowledge(CHANGES, patience=bound(200, 3_000))
        return []

    seed = f"watch {kind}"
    outcome = await experiment(place, harm, clients=16, watchers=4, reads=0, seed=seed)
    resumed, wrong = await _resume(place, outcome.log)

    assert outcome.wrong == []
    assert wrong == []
    done = (
        f"{len(outcome.log):,} changes, 4 watchers over {servers} server(s), begun from {resumed:,} revisions"
    )
    found = f"0 violations; {outcome.lists} times behind what is kept, and listed again"
    record(Finding("watching", kind, done, found, True, seed))


async def _resume(place: Place, log: list[Logged]) -> tuple[int, list[str]]:
    """Watch from every revision that is kept, at the servers in turn: the next change is the next one."""
    clients = [Client(port) for port in place.ports]
    answer = await clients[0].ask("GET", f"/registry/{SPACE}/length")
    epoch, _, head = answer.body["cursor"].rpartition(".")
    starts = range(max(0, int(head) - KEPT), int(head), STEP)
    wrong = []
    for start in starts:
        answer = await clients[start % len(clients)].watch(SPACE, f"{epoch}.{start}", wait=0, limit=1)
        changes = answer.body.get("changes") or [{}]
        told = changes[0].get("revision"), changes[0].get("key")
        if told != (start + 1, log[start].key):
            wrong.append(f"after {start} came {told}: {answer.status}")
    for client in clients:
        client.close()
    return len(starts), wrong
