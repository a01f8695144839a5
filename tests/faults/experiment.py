"""One experiment: clients and watchers over servers, faults meanwhile; at the end nothing may be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.follower import Follower
from tests.faults.history import Logged, violations
from tests.faults.load import Load
from tests.faults.stores import Place, until
from tests.faults.wire import Client, NoAnswerError

SPACE = "faults"
LIMITS = (1_000, 100, 1_000, 10)
"""Changes that the watchers ask for at most."""


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        acknowledged: changes that clients were answered for.
        answered: requests that were answered with success.
        failed: requests that were not.
        wrong: what cannot be; should be empty.
        recoveries: seconds that each fault took to heal.
        lists: how often the watchers had to list again.
        log: every change, from revision 1 on.
    """

    acknowledged: int
    answered: int
    failed: int
    wrong: list[str]
    recoveries: list[float] = field(default_factory=list)
    lists: int = 0
    log: list[Logged] = field(default_factory=list)

    @property
    def slowest(self) -> float:
        return max(self.recoveries, default=0.0)


async def experiment(
    place: Place,
    harm: Callable[[Load], Awaitable[list[float]]],
    *,
    clients: int,
    watchers: int,
    reads: float,
    seed: str,
) -> Outcome:
    """Run ``clients`` and ``watchers`` over running servers while ``harm`` does its work, then check all.

    The first watcher keeps the whole log, over epochs too; the others list again, as clients do.
    """
    load = Load(SPACE, place.ports, clients=clients, reads=reads, seed=seed)
    followers = [
        Follower(SPACE, place.ports, load.tokens, persists=not n, limit=LIMITS[n % len(LIMITS)])
        for n in range(watchers)
    ]
    with Client(place.ports[0]) as client:
        answer = await client.ask("GET", f"/registry/{SPACE}/length")
    followers[0].cursor = answer.body["cursor"]
    following = [asyncio.create_task(follower.run()) for follower in followers]
    load.start()
    recoveries = await harm(load)
    await load.stop()
    head = await _head(place.ports[-1])
    wrong = []
    try:
        await until(lambda: all(follower.reached == head for follower in followers))
    except TimeoutError:
        wrong.append(f"the head is {head}, watchers are at {[follower.reached for follower in followers]}")
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    log = [followers[0].log.get(revision, Logged("", "missing")) for revision in range(1, head + 1)]
    wrong += await _judge(load, followers, log, place)
    lists = sum(max(0, follower.lists - 1) for follower in followers)
    history = load.history
    return Outcome(history.acknowledged, load.answered, load.failed, wrong, recoveries, lists, log)


async def _judge(load: Load, followers: list[Follower], log: list[Logged], place: Place) -> list[str]:
    audit, *others = followers
    wrong = [text for follower in followers for text in follower.wrong] + load.unexpected
    wrong += violations(log, load.history)
    for other in others:
        differing = [n for n, logged in other.log.items() if audit.log.get(n) != logged]
        wrong += [f"a watcher was told {other.log[n]} of revision {n}" for n in differing]
    final = await _final(place.ports[0])
    wrong += ["a watcher's copy differs from the store" for one in followers if one.replica != final]
    if "Traceback" in place.log:
        wrong.append(place.log[place.log.index("Traceback") :][:2_000])
    return wrong


async def _head(port: int) -> int:
    async with asyncio.timeout(60):
        with Client(port) as client:
            while True:
                with suppress(NoAnswerError):
                    answer = await client.ask("GET", f"/registry/{SPACE}/length")
                    if answer.status == 200:
                        return answer.head
                await asyncio.sleep(0.05)


async def _final(port: int) -> dict[str, str]:
    store = Follower(SPACE, [port], {})
    async with asyncio.timeout(60):
        while not store.cursor:
            await store.step()
    store.close()
    return store.replica
