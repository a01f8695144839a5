"""Several servers of one store: a call that one does not answer goes to another, where that is right."""

from __future__ import annotations

import asyncio
import pickle
import socket
import time
from contextlib import suppress

import httpx
import pytest

from registry import FunctionalRegistry, RemoteStorageProxy
from registry.errors import (
    OutcomeUnknownError,
    ServerFaultError,
    ServerTimeoutError,
    ServerUnreachableError,
    ValidationError,
)
from registry.storage.call import Call
from registry.storage.connection import Address, Connection
from registry.storage.line import Line
from registry.storage.server import RegistryServer
from registry.storage.servers import RETURN_SECONDS, Servers
from tests.unit.storage.bad_server import (
    ETAG,
    answers,
    entry,
    json_envelope,
    problem,
    resets,
    stays_silent,
    stored,
)

FOUND = answers(200, entry(json_envelope(42)))
STORED = answers(200, stored())
BUSY = problem(503, "storage_unavailable")
UNKNOWN = problem(503, "outcome_unknown")
BY_PROXY = answers(503, b"<html>No server is available</html>", content="text/html")


def dead() -> str:
    """The address of a server that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def proxy(*servers, timeout=20.0):
    urls = [getattr(server, "url", server) for server in servers]
    return RemoteStorageProxy("research.losses", url=urls, timeout=timeout)


READS = {
    "get": lambda storage: storage["mse"],
    "awaited get": lambda storage: asyncio.run(storage.awaiting("__getitem__", "mse")),
}
WRITES = {
    "set": lambda storage: storage.__setitem__("mse", 1),
    "insert": lambda storage: storage.insert("mse", 1),
}


@pytest.fixture(params=[*READS, *WRITES])
def call(request):
    """A call, and what a good server answers to it."""
    name = request.param
    return (READS[name], FOUND) if name in READS else (WRITES[name], STORED)


# ---- from server to server


def test_a_refused_connection_moves_every_call_on(server_that, call):
    make, good = call
    storage = proxy(dead(), dead(), server_that(good))

    make(storage)


def test_a_storage_that_one_server_cannot_reach_is_asked_for_through_another(server_that, call):
    make, good = call
    without, having = server_that(BUSY), server_that(good)

    make(proxy(without, having))

    assert (len(without.requests), len(having.requests)) == (1, 1)


def test_a_read_is_sent_again_after_whatever_503(server_that):
    for answer in (BUSY, UNKNOWN, BY_PROXY):
        assert proxy(server_that(answer), server_that(FOUND))["mse"] == 42


@pytest.mark.parametrize("answer", [UNKNOWN, BY_PROXY], ids=["outcome unknown", "by a proxy"])
def test_a_write_without_a_condition_is_not_sent_again_where_it_may_have_been_done(server_that, answer):
    first, second = server_that(answer), server_that(STORED)

    with pytest.raises((OutcomeUnknownError, ServerFaultError)):
        WRITES["set"](proxy(first, second))

    assert second.requests == []


def test_a_write_without_a_condition_is_not_sent_again_after_a_lost_connection(server_that):
    first, second = server_that(resets), server_that(STORED)

    with pytest.raises(OutcomeUnknownError):
        WRITES["set"](proxy(first, second))

    assert (len(first.requests), second.requests) == (1, [])


@pytest.mark.parametrize("make", [READS["get"], WRITES["insert"]], ids=["get", "insert"])
def test_a_server_that_breaks_off_twice_is_left(server_that, make):
    first, second = server_that(resets), server_that(FOUND if make is READS["get"] else STORED)

    make(proxy(first, second))

    assert (len(first.requests), len(second.requests)) == (2, 1)


@pytest.mark.parametrize("name", READS)
def test_a_read_does_not_wait_for_a_server_that_hangs_until_its_timeout(server_that, name):
    assert READS[name](proxy(server_that(stays_silent), server_that(FOUND), timeout=2)) is not None


@pytest.mark.parametrize("write", WRITES)
def test_a_write_is_not_sent_to_another_while_a_server_that_hangs_may_still_do_it(server_that, write):
    hanging, other = server_that(stays_silent), server_that(STORED)
    storage = proxy(hanging, other, timeout=0.3)

    with pytest.raises((ServerTimeoutError, OutcomeUnknownError)):
        WRITES[write](storage)
    assert other.requests == []

    WRITES[write](storage)  # but the next one does not begin with it

    assert (len(hanging.requests), len(other.requests)) == (1, 1)


def test_a_server_that_accepts_no_connection_is_passed_over(server_that):
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    try:
        for _ in range(4):  # fill the queue of connections: further ones are not answered at all
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            with suppress(BlockingIOError):
                waiting[-1].connect(full.getsockname())
        storage = proxy(f"http://127.0.0.1:{full.getsockname()[1]}", server_that(STORED))

        storage["mse"] = 1
    finally:
        for each in (*waiting, full):
            each.close()


def test_where_none_answers_the_error_names_them_all():
    first, second = dead(), dead()

    with pytest.raises(ServerUnreachableError) as caught:
        READS["get"](proxy(first, second))

    assert caught.value.message.startswith(
        f"Cannot connect to any of the registry servers {first}, {second}: "
    )


def test_servers_that_are_all_without_their_storage_are_a_server_fault(server_that, call):
    first, second = server_that(BUSY), server_that(BUSY)

    with pytest.raises(ServerFaultError):
        call[0](proxy(first, second))

    assert len(first.requests) >= 1
    assert len(second.requests) >= 1


def test_a_create_whose_first_answer_was_lost_is_won_at_the_other_server(server_that):
    storage = proxy("http://127.0.0.1:9")
    envelope = storage.prepare("mse", 1)
    own = {"revision": 7, "etag": ETAG, "digest": envelope.digest, "meta": {}}
    first, second = server_that(resets), server_that(problem(412, "precondition_failed", current=own))

    claim = proxy(first, second).claim("mse", 1)

    assert claim.won


# ---- behind a proxy

GATEWAY = answers(502, b"<html>Bad gateway</html>", content="text/html")
LATE = answers(504, b"<html>Gateway timeout</html>", content="text/html")


@pytest.mark.parametrize("answer", [GATEWAY, LATE], ids=["502", "504"])
def test_what_may_be_sent_again_is_sent_again_where_a_proxy_lost_its_server(server_that, answer):
    assert proxy(server_that(answer, FOUND))["mse"] == 42
    assert proxy(server_that(answer, STORED)).claim("mse", 1).won


@pytest.mark.parametrize("answer", [GATEWAY, LATE], ids=["502", "504"])
def test_a_write_whose_server_a_proxy_lost_may_have_been_done(server_that, answer):
    server = server_that(answer, STORED)

    with pytest.raises(OutcomeUnknownError):
        WRITES["set"](proxy(server))

    assert len(server.requests) == 1


@pytest.mark.parametrize("last", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_a_write_whose_answer_was_lost_is_in_doubt_where_nobody_can_be_asked_again(last):
    """Only what was sent last is known not to have arrived."""
    call = Call(
        "PUT", Servers((dead(),)), "/", {"If-None-Match": "*"}, b"", started=time.monotonic() - 1, seconds=9
    )
    for failure in (httpx.ReadError, last):
        call.next_request()
        if failure is not last:
            call.pause_after_failure(failure("broken off"))
            continue
        with pytest.raises(OutcomeUnknownError):
            call.pause_after_failure(failure("refused"))


def test_a_write_with_a_condition_is_in_doubt_where_a_proxy_lost_its_last_answer(server_that):
    lost = answers(502, b"<html>Bad Gateway</html>", content="text/html")

    with pytest.raises(OutcomeUnknownError):
        WRITES["insert"](proxy(server_that(BUSY, BUSY, lost)))


def test_a_proxy_that_has_lost_its_servers_for_good_is_a_server_fault_of_a_read(server_that):
    with pytest.raises(ServerFaultError, match="status 502"):
        READS["get"](proxy(server_that(GATEWAY)))


# ---- which one is asked


def test_all_calls_stay_with_the_server_that_answered(server_that):
    first, second = server_that(BUSY), server_that(FOUND)

    for storage in (proxy(first, second), proxy(first, second)):  # what is known is the process's
        for _ in range(3):
            assert storage["mse"] == 42

    assert (len(first.requests), len(second.requests)) == (1, 6)
    assert storage.url == second.url


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_first_is_tried_again_later_by_one_call():
    clock = Clock()
    servers = Servers(["http://a", "http://b", "http://c"], clock)
    assert not servers.may_return()

    assert servers.after("http://a") == "http://b"
    assert servers.after("http://b") == "http://c"
    servers.answered("http://c")
    assert (servers.current, servers.may_return()) == ("http://c", False)

    clock.now = RETURN_SECONDS
    assert [servers.may_return() for _ in range(3)] == [True, False, False]

    servers.answered("http://a")
    assert servers.current == "http://a"


def test_a_call_that_finds_out_late_moves_nobody_from_a_server_that_answers():
    servers = Servers(["http://a", "http://b", "http://c"])
    servers.after("http://a")
    servers.answered("http://b")

    assert servers.after("http://a") == "http://b"
    assert servers.current == "http://b"


def test_the_call_that_tries_the_first_again_is_answered_where_that_still_hangs(server_that, monkeypatch):
    monkeypatch.setattr("registry.storage.servers.RETURN_SECONDS", 0.0)
    first, second = server_that(BUSY, stays_silent), server_that(FOUND)
    storage = proxy(first, second)

    assert [storage["mse"] for _ in range(2)] == [42, 42]
    assert [len(first.requests), len(second.requests)] == [2, 2]


def test_the_first_is_returned_to_once_it_answers(server_that, monkeypatch):
    monkeypatch.setattr("registry.storage.servers.RETURN_SECONDS", 0.0)
    first, second = server_that(BUSY, FOUND), server_that(FOUND)
    storage = proxy(first, second)

    assert [storage["mse"] for _ in range(4)] == [42] * 4
    assert [len(first.requests), len(second.requests)] == [4, 1]


# ---- those who wait for changes


def test_who_waits_for_changes_goes_on_at_another_server(server_that):
    told = answers(200, {"changes": [], "cursor": ETAG})
    first, second = server_that(told, resets), server_that(told)
    line = Line(Address(url=f"{first.url},{second.url}"))
    try:
        line.watch("research.losses", None, 0)
        first.close()

        assert line.watch("research.losses", ETAG, 0)["cursor"] == ETAG
    finally:
        line.close()
    assert [len(first.requests), len(second.requests)] == [1, 1]


def test_a_wait_is_not_cut_short_to_ask_another(server_that):
    def late(exchange):
        exchange.closing.wait(0.8)
        exchange.answer(200, b'{"changes": [], "cursor": "e.8"}')

    first, second = server_that(late), server_that(stays_silent)
    line = Line(Address(url=f"{first.url},{second.url}"))
    line.seconds = 1.2
    try:
        assert line.watch("research.losses", ETAG, 1)["cursor"] == "e.8"
    finally:
        line.close()
    assert second.requests == []


# ---- how they are named


@pytest.mark.parametrize("text", ["http://a:1,http://b:2", " http://a:1/ , http://b:2/ ,http://a:1"])
def test_the_environment_names_several(text, monkeypatch):
    monkeypatch.setenv("REGISTRY_SERVER_URL", text)

    assert Connection(Address()).servers.urls == ("http://a:1", "http://b:2")
    assert RegistryServer().url == "http://a:1"


def test_a_registry_class_takes_a_list(server_that):
    class Losses(
        FunctionalRegistry, logic_namespace="research.losses", server=[dead(), server_that(FOUND).url]
    ):
        pass

    assert Losses.get_artifact("mse") == 42


def test_they_are_shown_and_travel_to_other_processes():
    storage = RemoteStorageProxy("research.losses", url=["http://a:1", "http://b:2"])

    assert repr(storage) == "RemoteStorageProxy('research.losses', url='http://a:1,http://b:2')"
    assert storage.location == "research.losses at http://a:1, http://b:2"
    assert repr(pickle.loads(pickle.dumps(storage))) == repr(storage)
    assert (storage.host, storage.port) == ("a", 1)


@pytest.mark.parametrize("wrong", ["http://a:1,", ",", "http://a:1,b:2", ["http://a", "ftp://b"], [], [7], 7])
def test_what_is_no_list_of_addresses_is_refused(wrong):
    with pytest.raises(ValidationError, match="Not a server's address"):
        len(RemoteStorageProxy("research.losses", url=wrong))
