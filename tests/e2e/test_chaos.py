"""Our own client against a server that fails on purpose: what it promises is what it does.

Fixed seeds (or the first one that leaves the client a chance): the server's faults are the same in every run,
and how many of each there were is read from its log, so that no test passes because nothing happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from registry import (
    FunctionalRegistry,
    OutcomeUnknownError,
    RegistryError,
    RemoteError,
    ServerFaultError,
    ServerUnreachableError,
)
from registry.moving import export_entries, import_entries
from registry.storage.remote import RemoteStorageProxy
from registry.storage.server import RegistryServer
from registry_client.api.watch import watch_namespace
from registry_server.chaos.options import Chaos, parse_chaos
from tests.server.processes import LiveServer

SPACE = "chaos.losses"


class Pair:
    """Two servers over one file, one after the other: the faulty one, then a calm one to see what is true."""

    def __init__(self, start: Callable[..., LiveServer], chaos: str) -> None:
        self.faulty = start(None, "--chaos", chaos)
        self._start = start

    def proxy(self, namespace: str = SPACE) -> RemoteStorageProxy[Any]:
        return RemoteStorageProxy(namespace, url=self.faulty.url, timeout=30)

    def faults(self) -> dict[str, int]:
        """How often what happened; the faulty server is stopped."""
        self.faulty.stop()
        said = [
            line.rpartition(": ")[2].strip() for line in self.faulty.log.splitlines() if "chaos: " in line
        ]
        return {fault: said.count(fault) for fault in set(said)}

    def truth(self, namespace: str = SPACE) -> dict[str, Any]:
        """What is stored, by a server without faults."""
        self.faulty.stop()
        calm = self._start(self.faulty.storage)
        return dict(RemoteStorageProxy(namespace, url=calm.url, timeout=30).items())


@pytest.fixture
def pair(start_server: Callable[..., LiveServer]) -> Callable[[str], Pair]:
    return lambda chaos: Pair(start_server, chaos)


def double(x: float) -> float:
    return 2 * x


def _merciful(chaos: str, *, requests: int) -> str:
    """``chaos`` with the first seed by which no three requests in a row fail: so often the client tries."""
    options = parse_chaos(chaos)
    for seed in range(10_000):
        fates = [options._replace(seed=seed).fate(number, watch=False) for number in range(1, requests + 1)]
        failed = "".join("x" if any(fate[1:6]) else "." for fate in fates)
        if "xxx" not in failed:
            return f"{chaos},seed={seed}"
    raise AssertionError("there is no such seed")


def test_reads_get_through_refused_lost_and_cut_answers(pair: Callable[[str], Pair]) -> None:
    here = pair(_merciful("errors=0.07,truncate=0.04", requests=500))
    storage = here.proxy()
    _insist(lambda: storage.update({f"k{n}": n for n in range(50)}))

    answers = [storage[f"k{n}"] for n in range(50) for _ in range(3)]

    assert answers == [n for n in range(50) for _ in range(3)]
    assert "k1" in storage
    assert len(storage) == 50
    assert list(storage) == [f"k{n}" for n in range(50)]
    with pytest.raises(RegistryError):
        storage["missing"]
    faults = here.faults()
    assert min(faults.get(fault, 0) for fault in ("refused", "lost", "cut")) >= 5, faults


def test_conditional_writes_are_tried_again_and_happen_once(pair: Callable[[str], Pair]) -> None:
    """A claim whose answer was lost finds itself in its place, and has won; nobody else could have."""
    here = pair(_merciful("errors=0.1,truncate=0.05", requests=300))
    storage = here.proxy()

    claims = [storage.claim(f"k{n}", n) for n in range(150)]

    assert all(claim.won for claim in claims)
    faults = here.faults()
    assert faults["lost"] >= 5
    assert faults["refused"] >= 3
    assert here.truth() == {f"k{n}": n for n in range(150)}


def test_of_racing_claims_one_wins_whatever_is_lost(pair: Callable[[str], Pair]) -> None:
    here = pair("errors=0.2,truncate=0.1,latency=0.01,seed=3")
    won: dict[int, list[int]] = {n: [] for n in range(30)}

    def race(racer: int) -> None:
        storage = here.proxy()
        for n in won:
            claim = _insist(lambda n=n: storage.claim(f"k{n}", {"racer": racer}))
            if claim.won or claim.same:  # same: an attempt that was given up had won
                won[n].append(racer)

    racers = [threading.Thread(target=race, args=(racer,)) for racer in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)

    assert all(len(winners) == 1 for winners in won.values()), won
    assert here.truth() == {f"k{n}": {"racer": winners[0]} for n, winners in won.items()}


def test_an_unconditional_write_is_never_sent_twice(pair: Callable[[str], Pair]) -> None:
    """Refused: an error, and it is not there. Lost or cut: the outcome is unknown, and here it is there."""
    here = pair("errors=0.4,truncate=0.2,seed=9")
    storage = here.proxy()
    outcomes: dict[str, str] = {}
    for n in range(60):
        try:
            storage[f"k{n}"] = n
        except OutcomeUnknownError:
            outcomes[f"k{n}"] = "unknown"
        except ServerFaultError as error:
            assert error.context["status"] == 503
            outcomes[f"k{n}"] = "refused"
        else:
            outcomes[f"k{n}"] = "stored"

    faults = here.faults()
    assert sum(faults.values()) == sum(outcome != "stored" for outcome in outcomes.values())
    assert list(outcomes.values()).count("unknown") == faults["lost"] + faults["cut"]
    assert list(outcomes.values()).count("refused") == faults["refused"]
    assert set(outcomes.values()) == {"unknown", "refused", "stored"}
    assert here.truth().keys() == {key for key, outcome in outcomes.items() if outcome != "refused"}


def test_a_conditional_write_that_is_given_up_after_a_lost_answer_is_of_unknown_outcome(
    pair: Callable[[str], Pair],
) -> None:
    """Done and lost at first, then refused: to say that it was refused would be untrue."""
    seed = next(
        seed
        for seed in range(10_000)
        if (fates := [Chaos(errors=1.0, seed=seed).fate(n, watch=False) for n in (1, 2, 3)])[0].lost
        and fates[1].refused
        and fates[2].refused
    )
    here = pair(f"errors=1,seed={seed}")

    with pytest.raises(OutcomeUnknownError):
        here.proxy().claim("k", 1)

    assert here.truth() == {"k": 1}


def test_a_server_that_never_answers_is_given_up_with_a_typed_error(pair: Callable[[str], Pair]) -> None:
    here = pair("truncate=1,seed=1")
    storage = here.proxy()

    with pytest.raises(ServerUnreachableError, match="Lost the connection"):
        storage["k"]
    with pytest.raises(OutcomeUnknownError, match="Outcome unknown"):
        storage["k"] = 1
    with pytest.raises(ServerUnreachableError):
        storage.get("k", "default")  # no default hides that nobody knows
    with pytest.raises(OutcomeUnknownError):
        storage.claim("other", 1)
    assert here.truth() == {"k": 1, "other": 1}


def test_a_server_that_refuses_all_is_given_up_and_nothing_was_done(pair: Callable[[str], Pair]) -> None:
    here = pair("errors=0,seed=1")
    assert len(here.proxy()) == 0  # nothing happens where nothing is asked for
    there = Pair(here._start, f"errors=1,seed={_refusing_seed(12)}")
    storage = there.proxy()

    for attempt in (lambda: storage["k"], lambda: storage.claim("k", 1), lambda: storage.update(k=1)):
        with pytest.raises(RemoteError) as refused:
            attempt()
        assert refused.value.context["status"] == 503

    assert there.truth() == {}


def _refusing_seed(requests: int) -> int:
    """A seed by which the first requests are all refused, none lost."""
    for seed in range(1_000_000):
        chaos = Chaos(errors=1.0, seed=seed)
        if all(chaos.fate(number, watch=False).refused for number in range(1, requests + 1)):
            return seed
    raise AssertionError("there is no such seed")


def test_registries_work_through_faults(pair: Callable[[str], Pair]) -> None:
    here = pair(_merciful("errors=0.1,truncate=0.05", requests=200))

    class Losses(FunctionalRegistry, logic_namespace=SPACE, server=here.faulty.url):
        pass

    for n in range(30):
        Losses.register_artifact(f"double{n}", double)
        Losses.register_artifact(f"double{n}", double)  # the same again

    assert all(Losses.get_artifact(f"double{n}")(2) == 4 for n in range(30))
    assert here.faults().get("lost", 0) >= 3
    assert len(here.truth()) == 30


class Follower:
    """A cache as any client keeps one: list, watch from the list's cursor, list again when told to."""

    def __init__(self, storage: RemoteStorageProxy[Any]) -> None:
        self._storage = storage
        self._server = RegistryServer(storage.url, timeout=30)
        self.relisted = 0
        self.lost_polls = 0
        self.list()

    def list(self) -> None:
        # The cursor first: what is written between the two comes a second time, and is never missed.
        self.cursor = self._server.cursor(self._storage.namespace)
        self.entries = {stored.key: stored.digest for stored in self._storage.entries()}

    def poll(self, wait: int) -> None:
        """One watch; faults are met as the protocol says."""
        try:
            answer = self._storage._connection.call(
                watch_namespace, self._storage.namespace, since=self.cursor, wait=wait
            )
        except RemoteError as error:
            if error.context.get("status") == 410:
                assert error.context["code"] == "compacted"
                self.relisted += 1
                self.list()
            else:
                self.lost_polls += 1  # the same cursor again: nothing is skipped
            return
        for change in answer.changes:
            if change.op == "set":
                self.entries[change.key] = change.digest
            elif change.op == "delete":
                self.entries.pop(change.key, None)
        self.cursor = answer.cursor


def test_a_follower_misses_nothing_when_polls_are_dropped_and_compacted(
    pair: Callable[[str], Pair], until: Callable[..., None]
) -> None:
    here = pair("drop-watch=0.6,compact=0.2,truncate=0.05,errors=0.05,seed=4")
    writer = here.proxy()
    follower = Follower(here.proxy())
    done = threading.Event()

    def write() -> None:
        for n in range(60):
            _insist(lambda n=n: writer.__setitem__(f"k{n % 20}", n))
            if n % 7 == 0:
                with suppress(RegistryError):
                    _insist(lambda n=n: writer.__delitem__(f"k{(n + 3) % 20}"))
        done.set()

    writing = threading.Thread(target=write)
    writing.start()
    while not (done.is_set() and follower.relisted >= 2):
        follower.poll(wait=1)
    writing.join(60)
    until(lambda: follower.poll(wait=0) or _is_current(follower, here))

    assert here.faults()["dropped"] >= 3
    storage = RemoteStorageProxy(SPACE, url=here._start(here.faulty.storage).url)
    assert follower.entries == {stored.key: stored.digest for stored in storage.entries()}


def _is_current(follower: Follower, here: Pair) -> bool:
    return follower.cursor == RegistryServer(here.faulty.url, timeout=30).cursor(SPACE)


def test_entries_are_moved_through_faults_by_running_it_again(
    pair: Callable[[str], Pair], tmp_path: Any
) -> None:
    here, there = pair("truncate=0.2,errors=0.1,seed=2"), pair("truncate=0.3,errors=0.3,seed=6")
    _insist(lambda: here.proxy().update({f"k{n}": n for n in range(1_200)}))
    runs = 0

    _insist(lambda: export_entries(tmp_path / "all.jsonl", server=here.faulty.url))
    while True:
        runs += 1
        try:
            import_entries(tmp_path / "all.jsonl", server=there.faulty.url, on_conflict="skip")
        except RemoteError as error:
            assert runs < 50, error
        else:
            break

    assert runs > 1, "nothing went wrong on the way"
    assert there.truth() == {f"k{n}": n for n in range(1_200)}


def _insist(attempt: Callable[[], Any]) -> Any:
    """Until it goes through: what is written here may be written twice."""
    for _ in range(100):
        try:
            return attempt()
        except RemoteError:
            continue
    raise AssertionError("it never went through")
