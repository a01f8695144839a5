"""No answer of a server makes a client ask it in a loop."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack, closing

import pytest

from registry.errors import ValidationError
from registry.storage.cached import CachedStorage
from registry.storage.poller import pollers
from registry.storage.remote import RemoteStorageProxy
from registry.watching import Change, Changes
from registry.watching.pace import EARLY_SECONDS, FAILURE_SECONDS, Pace
from tests.unit.storage.bad_server import BadServer, answers, problem

LISTING = {"items": [], "cursor": "e.7"}
OLD = {"op": "set", "key": "a", "revision": 7, "digest": "sha256:" + "0" * 64}


def _many(**told):
    return answers(200, {"namespaces": [{"namespace": "pace.cache", "head": "e.7", "cursor": "e.7", **told}]})


def _epochs():
    """Another epoch with each answer, as from a store that is made anew each time."""
    numbers = iter(range(1_000_000))

    def answering(exchange):
        cursor = f"x{next(numbers)}.7"
        body = {"changes": [], "cursor": cursor, "namespaces": []}
        exchange.answer(200, json.dumps(body).encode())

    return answering


AT_ONCE = {
    "empty": answers(200, {"changes": [], "cursor": "e.7", "namespaces": []}),
    "an old change": answers(200, {"changes": [OLD], "cursor": "e.7", "namespaces": []}),
    "an old change of many": _many(changes=[OLD]),
    "no change of many": _many(changes=[]),
    "gone": problem(410, "epoch_changed", cursor="f.7"),
    "gone of many": _many(changes=[], gone="epoch_changed", cursor="f.7", head="f.7"),
    "other epochs": _epochs(),
    "nonsense": answers(200, b"<html>"),
    "no body": answers(200),
    "204": answers(204),
    "304": answers(304),
    "redirect": answers(302, b"", "Location: /registry/pace.watch/watch"),
    "429": answers(429, b"", "Retry-After: 0"),
    "503": problem(503, "storage_unavailable"),
    "503 of a proxy": answers(503, b"<html>", "Retry-After: 0", content="text/html"),
    "504": answers(504, b"<html>", content="text/html"),
    "reset": lambda exchange: exchange.reset(),
}


def _polls_are_answered(answer):
    def answering(exchange):
        target = exchange.request.target
        if "/items" in target:
            exchange.answer(200, json.dumps(LISTING).encode())
        elif "/watch" in target and "since=" not in target and exchange.request.method == "GET":
            exchange.answer(200, b'{"changes": [], "cursor": "e.7"}')
        else:
            answer(exchange)

    return BadServer([answering])


def _iterate(url, done):
    """An iterator that goes on for as long as it may; what ends it is that nobody listens any more."""
    changes = RemoteStorageProxy("pace.watch", url=url).changes()

    def run():
        try:
            for _ in changes:
                pass
        except ValidationError:
            pass

    thread = threading.Thread(target=run)
    thread.start()

    def stop():
        changes.close()
        thread.join(30)
        assert not thread.is_alive()

    return stop


def _take(url, done):
    """A caller that takes what is there, time and again, as one that has other work to do."""
    storage = RemoteStorageProxy("pace.watch", url=url)

    def run():
        cursor = "e.7"
        while not done.is_set():
            changes = storage.changes(cursor, timeout=1)
            try:
                for change in changes:
                    cursor = change.cursor
                    if done.is_set():
                        break
            except ValidationError:
                return
            finally:
                changes.close()

    thread = threading.Thread(target=run)
    thread.start()

    def stop():
        thread.join(30)
        assert not thread.is_alive()

    return stop


def _cache(url, done):
    storage = CachedStorage("pace.cache", url=url)
    storage._followed()
    return storage.close


@pytest.mark.parametrize("follow", [_iterate, _take, _cache])
def test_a_server_that_answers_every_poll_at_once_is_not_asked_in_a_loop(follow):
    done = threading.Event()
    with ExitStack() as stack:
        servers = {name: _polls_are_answered(answer) for name, answer in AT_ONCE.items()}
        for server in servers.values():
            stack.callback(server.close)
        stack.callback(pollers.close)
        for server in servers.values():
            stack.callback(follow(server.url, done))
        time.sleep(2)  # not a wait: what is counted is what happens in this time
        counted = {name: len(server.requests) for name, server in servers.items()}
        done.set()
    # A poll may be sent three times, and a namespace be listed before each; a loop sends hundreds.
    assert {name: count for name, count in counted.items() if not 0 < count < 60} == {}


class Answers:
    """A source that answers what a script says, by a clock that it moves."""

    def __init__(self, script):
        self.script = iter(script)
        self.now = 0.0
        self.asked = 0

    def __call__(self):
        return self.now

    def sent(self, pace, *, wait=25.0, took=0.0, news=False, restarted=False):
        pace.sends(wait)
        self.now += took
        return pace.answered(news=news, restarted=restarted)


EARLY = {"took": 0.001}
RULES = [
    ({"took": 0.0, "news": True}, False),
    ({"took": 25.0}, False),
    ({"took": 0.9, "wait": 1.0}, False),
    ({"took": 0.49999, "wait": 0.5}, False),
    ({"took": 0.0, "wait": 0.0}, False),
    ({"took": 1.0}, False),
    (EARLY, True),
    ({"took": 0.001, "wait": 1.0}, True),
    ({"took": 0.001, "wait": 0.1}, True),
    ({"took": 0.001, "restarted": True, "wait": 0.0}, True),
    ({"took": 2.0, "restarted": True}, False),
]


@pytest.mark.parametrize(("how", "pauses"), RULES)
def test_the_next_poll_pauses_after_an_answer_that_came_too_soon(how, pauses):
    clock = Answers([])

    assert (clock.sent(Pace(clock), **how) > 0) is pauses


def test_pauses_grow_to_a_bound_and_news_or_a_real_wait_ends_them():
    clock = Answers([])
    pace = Pace(clock)
    for ends in ({"news": True}, {"took": 25.0}):
        early = [clock.sent(pace, **EARLY) for _ in range(2_000)]
        assert early[0] <= 0.2
        assert EARLY_SECONDS / 2 <= min(early[10:]) <= max(early) <= EARLY_SECONDS
        failed = [pace.failed() for _ in range(2_000)]
        assert FAILURE_SECONDS / 2 <= min(failed) <= max(failed) <= FAILURE_SECONDS

        assert clock.sent(pace, **ends) == 0
        assert clock.sent(pace, **EARLY) <= 0.1


def test_failures_between_early_answers_do_not_end_the_pauses():
    clock = Answers([])
    pace = Pace(clock)
    for _ in range(10):
        clock.sent(pace, **EARLY)
        pace.failed()
        clock.sent(pace, wait=0.0)

    assert pace.setbacks == 20


class Script:
    """A source whose answers come at once."""

    def __init__(self, *found):
        self.found = list(found)
        self.closed = False

    def now(self):
        return "e.0"

    def after(self, cursor, seconds):
        return self.found.pop(0) if self.found else ([], cursor)

    def interrupt(self):
        pass

    def close(self):
        self.closed = True


def _change(revision, op="delete"):
    return Change(op, "a", revision, f"e.{revision}")


def test_a_change_after_early_answers_is_told_and_real_changes_are_not_held_up():
    empty = ([], "e.0")
    real = [([_change(n)], f"e.{n}") for n in range(1, 400)]
    changes = Changes(Script(empty, empty, *real))

    assert [next(changes).revision for _ in range(399)] == list(range(1, 400))
    assert changes._pause == 0


def test_closing_ends_a_pause():
    changes = Changes(Script())
    thread = threading.Thread(target=lambda: list(changes))
    thread.start()
    changes.close()

    thread.join(30)

    assert not thread.is_alive()


@pytest.mark.parametrize("timeout", [0, 0.2])
def test_a_timeout_ends_the_iteration_whatever_the_pauses(timeout):
    resyncs = [([_change(n, "resync")], f"e.{n}") for n in range(1, 4)]

    assert [change.op for change in Changes(Script(*resyncs), timeout=timeout)] == ["resync"] * 3


def _stores():
    """A page of another store with each answer, as of a balancer before servers that share nothing."""
    numbers = iter(range(1_000_000))

    def answering(exchange):
        body = {"items": [], "cursor": f"x{next(numbers)}.7", "next": "page"}
        exchange.answer(200, json.dumps(body).encode())

    return answering


LISTINGS = {
    "a page followed by itself": answers(200, {"items": [], "cursor": "e.7", "next": "page"}),
    "pages of two stores": _stores(),
    "refused": problem(403, "forbidden"),
}


@pytest.mark.parametrize("answer", LISTINGS.values(), ids=LISTINGS)
def test_a_listing_that_never_ends_is_not_asked_for_in_a_loop(answer):
    with closing(BadServer([answer])) as server:
        storage = CachedStorage("pace.listed", url=server.url)
        storage._followed()
        poller = pollers.of(storage._observed)
        turns, turn = [], poller.turn
        poller.turn = lambda: turns.append(0) or turn()
        try:
            time.sleep(1)  # not a wait: what is counted is what happens in this time
        finally:
            storage.close()
            pollers.close()

    assert 0 < len(server.requests) < 60
    assert len(turns) < 60
