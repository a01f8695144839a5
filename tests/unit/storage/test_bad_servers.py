"""What a client makes of servers that are dead, slow or no registries: a typed error, in time."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from contextlib import suppress

import pytest

from registry.errors import (
    CoercionError,
    LimitExceededError,
    MalformedEnvelopeError,
    NamespaceError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RegistryError,
    RemoteError,
    ServerFaultError,
    ServerTimeoutError,
    ServerUnreachableError,
    UntrustedError,
    ValidationError,
)
from registry.storage.call import CONNECT_RETRY_SECONDS, MAX_ANSWER_BYTES
from registry.storage.remote import RemoteStorageProxy
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

CALLS = {
    "get": lambda storage: storage["mse"],
    "get with a default": lambda storage: storage.get("mse", None),
    "in": lambda storage: "mse" in storage,
    "len": len,
    "iter": list,
    "items": lambda storage: list(storage.items()),
    "set": lambda storage: storage.__setitem__("mse", 1),
    "insert": lambda storage: storage.insert("mse", 1),
    "update": lambda storage: storage.update(mse=1),
    "delete": lambda storage: storage.__delitem__("mse"),
    "pop with a default": lambda storage: storage.pop("mse", None),
    "clear": lambda storage: storage.clear(),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def proxy(server, *, timeout=5.0, **options):
    return RemoteStorageProxy("research.losses", url=server.url, timeout=timeout, **options)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def raised(call, storage):
    with pytest.raises(ValidationError) as caught:
        call(storage)
    assert caught.value.suggestions, "an error says what to do next"
    return caught.value


# ---- no server


@every_call
def test_a_dead_server_is_a_connection_error_within_the_time_for_retries(call):
    storage = RemoteStorageProxy("research.losses", port=free_port(), host="127.0.0.1")
    started = time.monotonic()

    error = raised(call, storage)

    assert isinstance(error, ServerUnreachableError)
    assert isinstance(error, ConnectionError)
    assert error.message.startswith(f"Cannot connect to registry server {storage.url}")
    assert "python -m registry" in error.suggestions[0]
    assert time.monotonic() - started < CONNECT_RETRY_SECONDS + 1


def test_an_unknown_host_is_unreachable():
    storage = RemoteStorageProxy("research.losses", host="registry.invalid", timeout=1)

    error = raised(len, storage)

    assert error.message.startswith("Cannot connect to registry server http://registry.invalid:8001")


@pytest.mark.parametrize("write", ["set", "insert", "clear"])
def test_a_server_that_comes_up_while_a_call_is_connecting_gets_it_also_a_write(server_that, write):
    port = free_port()
    storage = RemoteStorageProxy("research.losses", url=f"http://127.0.0.1:{port}")
    cleared = answers(200, {"status": "cleared", "count": 0, "revision": 1, "cursor": ETAG})
    good = cleared if write == "clear" else answers(200, stored())
    # A timer, and not a wait: that the port refuses for this long is what is tested.
    starting = threading.Timer(0.3, lambda: server_that(good, port=port))
    starting.start()

    CALLS[write](storage)

    starting.join()


# ---- slow servers


@every_call
def test_a_silent_server_is_a_timeout(server_that, call):
    storage = proxy(server_that(stays_silent), timeout=0.3)
    started = time.monotonic()

    error = raised(call, storage)

    assert isinstance(error, ServerTimeoutError | OutcomeUnknownError)
    assert "timeout" in error.message
    assert time.monotonic() - started < 1.3


@pytest.mark.parametrize("call", ["get", "insert"])
def test_a_timeout_of_a_read_or_a_conditional_write_is_a_timeout_error(server_that, call):
    error = raised(CALLS[call], proxy(server_that(stays_silent), timeout=0.2))

    assert isinstance(error, ServerTimeoutError)
    assert isinstance(error, TimeoutError)
    assert error.context["timeout"] == pytest.approx(0.2, abs=0.01)
    assert "REGISTRY_SERVER_TIMEOUT" in error.suggestions[0]


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"


@pytest.mark.parametrize(
    "dripped",
    [
        lambda exchange: exchange.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 60, seconds=0.2),
        lambda exchange: (exchange.send(WHOLE), exchange.drip(b" " * 60, seconds=0.2)),
        lambda exchange: [exchange.drip(b"HTTP/1.1 100 Continue\r\n\r\n", seconds=0.02) for _ in range(20)],
    ],
    ids=["the header", "the body", "interim answers"],
)
def test_a_server_that_drips_its_answer_does_not_outlast_the_timeout(server_that, dripped):
    storage = proxy(server_that(dripped), timeout=0.7)
    started = time.monotonic()

    error = raised(CALLS["get"], storage)

    assert isinstance(error, ServerTimeoutError)
    assert time.monotonic() - started < 1.7


def test_a_server_that_answers_late_and_then_falls_silent_does_not_double_the_timeout(server_that):
    def late(exchange):
        exchange.closing.wait(0.9)
        exchange.send(WHOLE)
        exchange.closing.wait()

    storage = proxy(server_that(late), timeout=1)
    started = time.monotonic()

    raised(CALLS["get"], storage)

    assert time.monotonic() - started < 1.7


def test_a_server_that_does_not_read_a_large_write_does_not_outlast_the_timeout():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    enough = threading.Event()

    def sip():
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            while not enough.wait(0.1):
                connection.recv(65_536)

    sipping = threading.Thread(target=sip)
    sipping.start()
    storage = RemoteStorageProxy(
        "research.losses", url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.7
    )
    started = time.monotonic()

    try:
        error = raised(lambda storage: storage.__setitem__("mse", "x" * 8_000_000), storage)
    finally:
        enough.set()
        sipping.join()
        listener.close()

    assert isinstance(error, OutcomeUnknownError)
    assert time.monotonic() - started < 1.7


def test_the_timeout_is_read_from_the_environment_at_each_call(server_that, monkeypatch):
    server = server_that(stays_silent)
    storage = RemoteStorageProxy("research.losses", url=server.url)
    monkeypatch.setenv("REGISTRY_SERVER_TIMEOUT", "0.2")

    error = raised(len, storage)

    assert error.context["timeout"] == pytest.approx(0.2, abs=0.01)


# ---- answers that no registry gives


def bomb() -> bytes:
    return gzip.compress(b" " * 50_000_000)


def endless(exchange):
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not exchange.closing.is_set():
        exchange.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")


HTML = b"<html><body>Please log in</body></html>"
NONSENSE = {
    "HTML": answers(200, HTML, content="text/html"),
    "an HTML page for what is missing": answers(404, HTML, content="text/html"),
    "a proxy's page": answers(500, HTML, content="text/html"),
    "nothing": answers(200),
    "no JSON": answers(200, b'{"value": '),
    "no UTF-8": answers(200, b'{"value": "\xff"}'),
    "a list": answers(200, []),
    "null": answers(200, b"null"),
    "a number": answers(200, b"7"),
    "no fields": answers(200, {}),
    "JSON nested too deep": answers(200, b"[" * 200_000),
    "another program's 404": answers(404, {"error": "not found"}),
    "another program's 412": answers(412, {"error": "precondition"}),
    "an unknown status": answers(299, {"status": "fine"}),
    "a redirect": answers(302, b"", "Location: http://127.0.0.1:1/elsewhere"),
    "a permanent redirect": answers(308, b"", "Location: /elsewhere"),
    "not modified, which nobody asked": answers(304),
    "a teapot": answers(418, b"short and stout", content="text/plain"),
    "a gzip bomb": lambda exchange: exchange.answer(200, bomb(), "Content-Encoding: gzip"),
}


@every_call
@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_an_answer_that_no_registry_gives_is_a_server_fault(server_that, nonsense, call):
    error = raised(call, proxy(server_that(nonsense)))

    assert type(error) is ServerFaultError
    assert error.context["server"].startswith("http://127.0.0.1")


def test_a_redirect_is_not_followed(server_that):
    elsewhere = server_that(answers(200, entry(json_envelope(1))))
    server = server_that(answers(307, b"", f"Location: {elsewhere.url}/registry/research.losses/get?key=mse"))

    raised(CALLS["get"], proxy(server))

    assert elsewhere.requests == []


def test_an_endless_answer_is_not_read_to_the_end(server_that):
    error = raised(CALLS["get"], proxy(server_that(endless), timeout=30))

    assert type(error) is ServerFaultError
    assert f"{MAX_ANSWER_BYTES:,}" in error.message


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01\x00\x00", b"\r\n" * 3])
def test_a_server_of_another_protocol_is_a_remote_error(server_that, garbage):
    def greet(exchange):
        exchange.send(garbage)
        exchange.connection.shutdown(socket.SHUT_RDWR)

    assert isinstance(raised(CALLS["get"], proxy(server_that(greet))), RemoteError)


MISTYPED = {
    "length": (len, [{"length": wrong, "cursor": ETAG} for wrong in ("3", -1, None, 1.5, [], True)]),
    "contains": (CALLS["in"], [{"contains": wrong, "cursor": ETAG} for wrong in ("false", 1, None, [])]),
    "keys": (list, [{"keys": wrong, "cursor": ETAG} for wrong in ("mse", [1], [None], {"mse": 1}, 3)]),
    "items": (
        CALLS["items"],
        [{"items": wrong, "cursor": ETAG} for wrong in ("mse", [1], [[]], 3, [{"key": 1, **entry({})}])],
    ),
    "get": (
        CALLS["get"],
        [
            entry(json_envelope(1), etag=None),
            entry(json_envelope(1), etag=7),
            entry(json_envelope(1), revision="7"),
            entry(json_envelope(1), updated_at="yesterday"),
            entry("1"),
        ],
    ),
    "set": (CALLS["insert"], [{**stored(), "etag": 5}, {**stored(), "outcome": "maybe"}]),
    "update": (
        CALLS["update"],
        [
            {"status": "success", "outcomes": wrong, "cursor": ETAG}
            for wrong in ([], [{"outcome": "created", "etag": "e.1"}] * 2, "x", [{}], {"0": 1})
        ],
    ),
}


@pytest.mark.parametrize(
    ("call", "body"),
    [(call, body) for call, bodies in MISTYPED.values() for body in bodies],
    ids=[f"{name}-{index}" for name, (_, bodies) in MISTYPED.items() for index in range(len(bodies))],
)
def test_an_answer_of_the_wrong_types_is_a_server_fault(server_that, call, body):
    assert type(raised(call, proxy(server_that(answers(200, body))))) is ServerFaultError


def test_a_batch_answered_for_another_number_of_entries_is_a_server_fault(server_that):
    body = {"status": "success", "outcomes": [{"outcome": "created", "etag": "e.1"}], "cursor": ETAG}
    storage = proxy(server_that(answers(200, body)))

    with pytest.raises(ServerFaultError):
        storage.claim_many({name: storage.prepare(name, 1) for name in ("a", "b")})


def test_a_listing_whose_next_page_is_itself_ends_in_a_server_fault(server_that):
    same = answers(200, {"keys": ["a"], "cursor": ETAG, "next": "e.1"})

    assert type(raised(list, proxy(server_that(same)))) is ServerFaultError


# ---- problems


def test_a_problem_becomes_the_error_that_a_local_registry_would_raise(server_that):
    missing = problem(404, "key_not_found", suggestions=["mae"], context={"key": "mse"})

    error = raised(CALLS["get"], proxy(server_that(missing)))

    assert type(error) is RegistryError
    assert error.suggestions == ["mae"]
    assert proxy(server_that(missing)).get("mse", "default") == "default"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", PermissionDeniedError),
        (403, "forbidden", PermissionDeniedError),
        (413, "body_too_large", LimitExceededError),
        (500, "server_fault", ServerFaultError),
        (422, "invalid_namespace", NamespaceError),
        (422, "invalid_key", CoercionError),
    ],
)
def test_each_problem_has_its_class(server_that, status, code, kind):
    with pytest.raises(kind) as caught:
        CALLS["set"](proxy(server_that(problem(status, code))))

    assert caught.value.context["status"] == status


@every_call
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("page", [True, False], ids=["a proxy's page", "a problem"])
def test_a_refusal_is_a_permission_error_that_says_where_a_token_goes(server_that, status, page, call):
    refusal = answers(status, HTML, content="text/html") if page else problem(status, "unauthorized")

    error = raised(call, proxy(server_that(refusal)))

    assert type(error) is PermissionDeniedError
    assert isinstance(error, PermissionError)
    assert any("REGISTRY_SERVER_TOKEN" in suggestion for suggestion in error.suggestions)


def test_the_token_is_sent_and_shown_nowhere(server_that, monkeypatch):
    server = server_that(problem(403, "forbidden"))
    storage = proxy(server, token="s3cret-token")

    error = raised(CALLS["get"], storage)

    assert server.requests[0].headers["authorization"] == "Bearer s3cret-token"
    assert "s3cret" not in f"{error} {error!r} {storage!r} {error.context}"


@pytest.mark.parametrize("token", ["two\nlines", "with a tab\t", "clé", "nul\x00"])
def test_a_token_that_cannot_be_sent_is_named_before_anything_is(server_that, token):
    server = server_that(stays_silent)

    error = raised(CALLS["get"], proxy(server, token=token))

    assert not isinstance(error, RemoteError)
    assert "token" in error.message
    assert token not in str(error)
    assert server.requests == []


def test_a_missing_path_is_not_taken_for_a_missing_key(server_that):
    storage = proxy(server_that(problem(404, "not_found")))

    with pytest.raises(RemoteError):
        storage.get("mse", None)


def test_a_server_that_is_busy_for_a_moment_is_asked_again(server_that):
    server = server_that(problem(503, "storage_unavailable"), answers(200, entry(json_envelope(42))))

    assert proxy(server)["mse"] == 42
    assert len(server.requests) == 2


def test_a_server_that_stays_busy_is_a_fault_in_the_end(server_that):
    server = server_that(problem(503, "storage_unavailable"))

    assert type(raised(CALLS["get"], proxy(server))) is ServerFaultError
    assert len(server.requests) == 3


def test_an_unconditional_write_is_not_repeated_at_a_busy_server(server_that):
    server = server_that(problem(503, "storage_unavailable"), answers(200, stored()))

    raised(CALLS["set"], proxy(server))

    assert len(server.requests) == 1


def test_a_server_that_does_not_know_if_it_wrote_is_believed(server_that):
    server = server_that(problem(503, "outcome_unknown"))

    assert type(raised(CALLS["set"], proxy(server))) is OutcomeUnknownError
    assert len(server.requests) == 1


# ---- envelopes


@pytest.mark.parametrize(
    "envelope",
    [
        {"type": "json", "data": '{"result": 42', "encoding": "json"},
        {"type": "json", "data": "NaN", "encoding": "json"},
        {"type": "json", "data": '{"a": 1, "a": 2}', "encoding": "json"},
        {"type": "pickle", "data": "gASVCQ", "encoding": "base64"},
        {"type": "json", "data": "1", "encoding": "base64"},
        {"type": "json", "data": "1", "encoding": "json", "meta": {"kind": 7}},
        {"type": "json", "data": 1, "encoding": "json"},
        {"type": "json", "data": "1", "encoding": "json", "signature": "§"},
    ],
)
def test_a_malformed_envelope_is_refused_and_no_default_hides_that(server_that, envelope):
    storage = proxy(server_that(answers(200, entry(envelope))))

    for read in (CALLS["get"], CALLS["get with a default"]):
        with pytest.raises((MalformedEnvelopeError, ServerFaultError)):
            read(storage)


@pytest.mark.parametrize(
    "forged",
    [
        {"type": "pickle", "data": "gASVFAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOULg==", "encoding": "base64"},
        {
            "type": "pickle",
            "data": "gASVFAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOULg==",
            "encoding": "base64",
            "signature": "hmac-sha256:0123456789abcdef:" + "A" * 43 + "=",
        },
        {"type": "pickle", "data": "gE5y////Ay4=", "encoding": "base64"},
    ],
    ids=["unsigned", "signed by a stranger", "for the pickle machine"],
)
def test_a_forged_envelope_is_refused_and_no_default_hides_that(server_that, forged):
    storage = proxy(server_that(answers(200, entry(forged))))

    for read in (CALLS["get"], CALLS["get with a default"], CALLS["pop with a default"]):
        with pytest.raises(UntrustedError):
            read(storage)


def test_what_a_refused_envelope_held_is_not_in_the_message(server_that):
    forged = {"type": "pickle", "data": "gASVFAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOULg==", "encoding": "base64"}

    error = raised(CALLS["get"], proxy(server_that(answers(200, entry(forged)))))

    assert "gASV" not in str(error)


# ---- connections that die


def test_a_reset_in_an_unconditional_write_leaves_its_outcome_unknown_and_is_not_repeated(server_that):
    server = server_that(resets)

    for write in ("set", "update", "delete", "clear"):
        before = len(server.requests)
        error = raised(CALLS[write], proxy(server))

        assert type(error) is OutcomeUnknownError
        assert "read the entry" in error.suggestions[0]
        assert len(server.requests) == before + 1


def test_a_reset_in_a_read_is_asked_again(server_that):
    server = server_that(resets, answers(200, entry(json_envelope(42))))

    assert proxy(server)["mse"] == 42
    assert len(server.requests) == 2


def test_resets_without_end_are_unreachable_after_three_attempts(server_that):
    server = server_that(resets)

    error = raised(CALLS["get"], proxy(server))

    assert type(error) is ServerUnreachableError
    assert len(server.requests) == 3


def own_entry_refused(exchange):
    """412, the entry being what the request itself stored before its first answer was lost."""
    from registry.envelope.form import digest_of

    value = json.loads(exchange.request.body)["value"]
    digest = digest_of(value["type"], value["encoding"], value["data"])
    current = {"revision": 7, "etag": ETAG, "digest": digest}
    problem(412, "precondition_failed", current=current)(exchange)


def test_a_create_whose_answer_was_lost_recognises_its_own_success(server_that):
    server = server_that(resets, own_entry_refused)
    storage = proxy(server)

    assert storage.claim("mse", {"a": 1}).won
    assert [request.headers["if-none-match"] for request in server.requests] == ["*", "*"]


@pytest.mark.parametrize(("code", "won"), [("outcome_unknown", True), ("storage_unavailable", False)])
def test_a_server_that_does_not_know_if_it_wrote_is_as_good_as_a_lost_answer(server_that, code, won):
    """One that was only busy wrote nothing: then what stands there is another's."""
    storage = proxy(server_that(problem(503, code), own_entry_refused))

    assert storage.claim("mse", {"a": 1}).won is won


def test_an_insert_whose_answer_was_lost_does_not_take_its_own_entry_for_anothers(server_that):
    proxy(server_that(resets, own_entry_refused)).insert("mse", {"a": 1})


def test_a_create_that_met_the_same_value_at_once_has_not_won(server_that):
    claim = proxy(server_that(own_entry_refused)).claim("mse", {"a": 1})

    assert (claim.won, claim.same) == (False, True)


def test_a_replacement_whose_answer_was_lost_recognises_its_own_success(server_that):
    server = server_that(resets, own_entry_refused)

    assert proxy(server).replace("mse", {"a": 1}, "e.6").won
    assert [request.headers["if-match"] for request in server.requests] == ['"e.6"', '"e.6"']


def test_a_replacement_whose_answer_was_lost_and_that_was_replaced_since_has_not_failed(server_that):
    """A counter that went on to add once more would have counted twice."""
    others = {"revision": 8, "etag": "e.8", "digest": "sha256:" + "1" * 64, "meta": {}}
    server = server_that(resets, problem(412, "precondition_failed", current=others))

    with pytest.raises(OutcomeUnknownError):
        proxy(server).replace("mse", {"a": 1}, "e.6")


def test_a_create_whose_answer_was_lost_has_failed_where_another_holds_the_name(server_that):
    others = {"revision": 8, "etag": "e.8", "digest": "sha256:" + "1" * 64, "meta": {}}

    assert (
        not proxy(server_that(resets, problem(412, "precondition_failed", current=others)))
        .claim("mse", 1)
        .won
    )


@pytest.mark.parametrize("second", [problem(404, "key_not_found"), problem(412, "precondition_failed")])
def test_a_pop_whose_answer_was_lost_does_not_claim_that_there_was_nothing(server_that, second):
    """The value is gone, and whether this call took it cannot be told: neither a value nor the default."""
    server = server_that(answers(200, entry(json_envelope(42))), resets, second)

    assert type(raised(CALLS["pop with a default"], proxy(server))) is OutcomeUnknownError
    assert [request.method for request in server.requests] == ["GET", "DELETE", "DELETE"]


def test_a_write_whose_fate_the_server_does_not_know_is_not_called_failed(server_that):
    server = server_that(problem(503, "outcome_unknown"))

    assert type(raised(CALLS["set"], proxy(server))) is OutcomeUnknownError
    assert len(server.requests) == 1


def test_a_create_whose_fate_the_server_did_not_know_recognises_its_own_success(server_that):
    server = server_that(problem(503, "outcome_unknown"), own_entry_refused)

    assert proxy(server).claim("mse", {"a": 1}).won
    assert len(server.requests) == 2


def test_a_half_answer_to_a_write_leaves_its_outcome_unknown(server_that):
    def half(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        exchange.connection.shutdown(socket.SHUT_RDWR)

    assert type(raised(CALLS["set"], proxy(server_that(half)))) is OutcomeUnknownError


def test_a_connection_that_the_server_closed_while_idle_costs_no_write(server_that):
    """Keep-alive ends at the server's will; the next write makes a connection of its own."""
    closed = threading.Semaphore(0)

    def answer_and_close(exchange):
        exchange.answer(200, json.dumps(stored()).encode())
        exchange.connection.shutdown(socket.SHUT_RDWR)
        closed.release()

    server = server_that(answer_and_close)
    storage = proxy(server)

    for _ in range(5):
        storage["mse"] = 1
        assert closed.acquire(timeout=10)

    assert len(server.requests) == 5
