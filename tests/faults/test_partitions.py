"""A network that is bad in each of the usual ways: no call outlasts its timeout, and then all is well."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from registry import OutcomeUnknownError, RemoteError, ServerTimeoutError
from registry.storage.remote import RemoteStorageProxy
from tests.faults.findings import FULL, Finding, bound, effort, record
from tests.faults.proxy import Proxy, Weather
from tests.faults.stores import Place

TIMEOUT = bound(1.0, 2.0)
GRACE = 1.0
ROUNDS = effort(1, 5)
PATIENCE = 60
"""Seconds; more than any call may take, so that one that hangs fails here."""

BAD: list[Weather] = ["slow", "drip", "half_open", "black_hole", "cut", "refused"]
Storage = RemoteStorageProxy[Any]

CALLS: dict[str, Callable[[Storage], object]] = {
    "get": lambda storage: storage["key"],
    "contains": lambda storage: "key" in storage,
    "len": len,
    "list": list,
    "items": lambda storage: dict(storage.items()),
    "set": lambda storage: storage.__setitem__("key", 1),
    "claim": lambda storage: storage.claim("other", 2),
    "delete": lambda storage: storage.pop("missing", None),
    "update": lambda storage: storage.update({"a": 1, "b": 2}),
    "clear": lambda storage: storage.clear(),
}

pytestmark = pytest.mark.timeout(bound(120, 900))


def _timed(call: Callable[[], object]) -> tuple[float, BaseException | None]:
    began = time.monotonic()
    try:
        call()
    except Exception as error:
        return time.monotonic() - began, error
    return time.monotonic() - began, None


def _at_once(calls: list[Callable[[], object]]) -> list[tuple[float, BaseException | None]]:
    """Make all calls at one time, each in a thread; what came of them."""
    results: list[tuple[float, BaseException | None]] = [(float("inf"), None)] * len(calls)

    def run(number: int) -> None:
        results[number] = _timed(calls[number])

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return results


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One server for all the weather; it is never the one that is harmed."""
    place = Place("sqlite", tmp_path_factory.mktemp("place"))
    place.start()
    yield place
    place.end()


@pytest.mark.parametrize("weather", BAD)
def test_no_call_outlasts_its_timeout(weather: Weather, place: Place) -> None:
    """Over connections that were open, and over new ones; afterwards every call works again."""
    slowest, wrong = 0.0, []
    with Proxy(place.ports[0]) as proxy:
        storage: Storage = RemoteStorageProxy("weather", url=proxy.url, timeout=TIMEOUT)
        for _ in range(ROUNDS):
            storage["key"] = 1
            proxy.become(weather)
            results = _at_once([partial(call, storage) for call in CALLS.values()])
            proxy.become("fair")
            for name, (seconds, error) in zip(CALLS, results, strict=True):
                slowest = max(slowest, seconds)
                if not isinstance(error, RemoteError) and error is not None:
                    wrong.append(f"{name}: {error!r}")
                if seconds == float("inf") or (FULL and seconds > TIMEOUT + GRACE):
                    wrong.append(f"{name} took {seconds:.1f} s")
            storage.update({"key": 1, "other": 2})
            assert (storage["key"], len(storage) >= 2) == (1, True)
    assert wrong == []
    done = f"{ROUNDS * len(CALLS)} calls of 10 kinds at once, timeout {TIMEOUT:.0f} s"
    found = f"the longest took {slowest:.2f} s"
    record(Finding("bad network", weather, done, found, slowest <= TIMEOUT + GRACE))


async def test_awaited_calls_do_not_outlast_their_timeout_either(place: Place) -> None:
    with Proxy(place.ports[0]) as proxy:
        storage: Storage = RemoteStorageProxy("weather", url=proxy.url, timeout=TIMEOUT)
        storage["kept"] = 1
        proxy.become("black_hole")
        async with asyncio.timeout(PATIENCE):
            calls = (storage.awaiting("__getitem__", "kept") for _ in range(8))
            results = await asyncio.gather(*calls, return_exceptions=True)

        assert all(isinstance(error, ServerTimeoutError) for error in results), results
        proxy.become("fair")
        assert storage["kept"] == 1


def test_a_write_whose_answer_is_lost_is_of_unknown_outcome(place: Place) -> None:
    """It was written, and the client does not say that it was not, nor writes it again."""
    direct: Storage = RemoteStorageProxy("weather", url=place.servers[0].url)
    with Proxy(place.ports[0]) as proxy:
        storage: Storage = RemoteStorageProxy("weather", url=proxy.url, timeout=TIMEOUT)
        storage["key"] = 1
        proxy.become("half_open")
        with pytest.raises((OutcomeUnknownError, ServerTimeoutError)):
            storage["key"] = 2

    assert direct["key"] == 2
