"""How long a call waits for a server that refuses connections, by a clock of its own."""

from __future__ import annotations

import asyncio
import types

import httpx
import pytest

from registry.errors import OutcomeUnknownError, ServerUnreachableError
from registry.storage import aremote, call, servers
from registry.storage.call import CONNECT_RETRY_SECONDS, Call
from registry.storage.servers import Servers

A, B = "http://a:1", "http://b:1"
TIMEOUT = 60.0
REFUSED = httpx.ConnectError("[Errno 111] Connection refused")


class Clock:
    """Time that passes only while somebody sleeps, and a little with each attempt."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture(params=["blocking", "awaited"])
def runs(request, monkeypatch):
    """``runs(transport, servers, **call)``: the answer of a call, and the seconds that it took."""
    clock = Clock()
    monkeypatch.setattr(call, "time", types.SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    pauses = {"blocking": clock.sleep}

    async def sleep(seconds: float) -> None:
        clock.sleep(seconds)

    def run(respond, of, method="GET", headers=None, timeout=TIMEOUT, **options):
        made = Call(method, of, "/", headers or {}, None, started=clock.now, seconds=timeout, **options)

        def answer(of_call):
            clock.now += 0.001
            found = respond(of_call, clock.now - 1_000.0)
            if isinstance(found, Exception):
                raise found
            return httpx.Response(found)

        if request.param == "blocking":
            monkeypatch.setattr(made, "_answer", lambda pool, sent: answer(made))
            return made.run(lambda url: None, pauses["blocking"]), clock

        async def awaited(of_call, pool, sent):
            return answer(of_call)

        async def no_transport(url):
            return None

        monkeypatch.setattr(aremote, "_answer", awaited)
        monkeypatch.setattr(aremote.pools, "transport", no_transport)
        monkeypatch.setattr(
            aremote, "asyncio", types.SimpleNamespace(sleep=sleep, get_running_loop=asyncio.get_running_loop)
        )
        return asyncio.run(aremote.run(made)), clock

    run.clock = clock
    return run


def known(*urls):
    servers._answered.update(urls)


def down_until(moment):
    return lambda of_call, now: REFUSED if now < moment else 200


WRITES = [("POST", {}), ("POST", {"If-None-Match": "*"}), ("DELETE", {}), ("GET", {})]


@pytest.mark.parametrize(("method", "headers"), WRITES)
@pytest.mark.parametrize("of", [[A], [A, B]], ids=["one", "two"])
def test_a_server_that_has_answered_before_is_waited_for(runs, of, method, headers):
    known(A)

    answer, clock = runs(down_until(50.0), Servers(of), method, headers)

    assert answer.status_code == 200
    assert max(clock.slept) <= call.LONGEST_PAUSE


@pytest.mark.parametrize(
    ("setting", "at_least", "at_most"),
    [(None, 59, 61), ("", 59, 61), ("0", 0.4, 0.6), ("0.1", 0.4, 0.6), ("7", 6.9, 7.1), ("900", 59, 61)],
)
def test_the_wait_is_bounded_by_the_setting_and_the_timeout(runs, monkeypatch, setting, at_least, at_most):
    known(A)
    if setting is not None:
        monkeypatch.setenv("REGISTRY_SERVER_RESTART_WAIT", setting)

    with pytest.raises(ServerUnreachableError, match=r"^Cannot connect to registry server http://a:1:"):
        runs(down_until(1e9), Servers([A]))

    assert at_least < sum(runs.clock.slept) < at_most


@pytest.mark.parametrize("of", [[A], [A, B]], ids=["one", "two"])
def test_a_server_that_never_answered_fails_fast(runs, of):
    known("http://a:2")

    with pytest.raises(ServerUnreachableError, match=r"^Cannot connect to "):
        runs(down_until(1e9), Servers(of))

    assert sum(runs.clock.slept) < CONNECT_RETRY_SECONDS + 0.1


def test_a_caller_that_tries_again_itself_does_not_wait(runs):
    known(A)

    with pytest.raises(ServerUnreachableError):
        runs(down_until(1e9), Servers([A]), carries_over=False)

    assert sum(runs.clock.slept) < CONNECT_RETRY_SECONDS + 0.1


def test_another_server_is_tried_before_any_wait(runs):
    known(A)

    answer, clock = runs(lambda of_call, now: 200 if of_call.server == B else REFUSED, Servers([A, B]))

    assert (answer.status_code, sum(clock.slept)) == (200, 0.0)


@pytest.mark.parametrize("answered", [200, 404, 412])
def test_every_answer_but_a_gateways_makes_a_server_known(runs, answered):
    runs(lambda of_call, now: answered, Servers([A]))
    assert A in servers._answered

    runs(down_until(30.0), Servers([A]))


def test_a_restart_may_break_off_requests_before_and_after_it(runs):
    known(A)
    script = iter([httpx.ReadError("reset"), *[REFUSED] * 20, httpx.ReadError("reset"), 503, 200])

    answer, _ = runs(lambda of_call, now: next(script), Servers([A, B]))

    assert answer.status_code == 200


def test_a_write_that_was_cut_off_is_not_sent_again_after_the_restart(runs):
    known(A)
    script = iter([REFUSED, REFUSED, httpx.ReadError("reset")])

    with pytest.raises(OutcomeUnknownError):
        runs(lambda of_call, now: next(script), Servers([A]), "POST")


def test_a_last_attempt_that_has_no_time_to_connect_is_still_called_unreachable(runs):
    known(A)

    def respond(of_call, now):
        return REFUSED if now < TIMEOUT - 1 else httpx.ConnectTimeout("timed out")

    with pytest.raises(ServerUnreachableError, match=r"^Cannot connect to "):
        runs(respond, Servers([A]))
