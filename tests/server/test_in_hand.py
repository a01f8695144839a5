"""What a client can have in hand on a server: requests, bytes, unread answers, threads; and what ends it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from registry_server import pipeline, protocol
from tests.server.processes import LiveServer
from tests.server.wire import setting

MIB = 1024 * 1024
HOST = b"Host: localhost\r\n"
GET = b"GET /registry/a/get?key=" + b"x" * 300 + b" HTTP/1.1\r\n" + HOST + b"\r\n"
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
TINY = b"GET /health HTTP/1.1\r\nHost:\r\n\r\n"
LONG = 55


def posting(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\n".encode() + HOST + b"Content-Type: application/json\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def set_in(space: str, key: str = "k", value: str = "1") -> bytes:
    return posting(f"/registry/{space}/set", json.dumps(setting(key, value)).encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("in-hand"), "memory:").start()
    for path in ("/", "/nowhere", "/registry/a/get?key=k", "/metrics"):
        httpx.get(server.url + path)
    yield server
    code = server.stop()
    assert code == 0
    assert "Traceback" not in server.log


@pytest.fixture
def space(request) -> str:
    return re.sub("[^A-Za-z0-9]", "", request.node.name)[:200]


@pytest.fixture
def connect(server) -> Iterator[Callable[[], socket.socket]]:
    with ExitStack() as open_ones:

        def connect() -> socket.socket:
            made = socket.create_connection((server.host, server.port), timeout=20)
            return open_ones.enter_context(made)

        yield connect


def send_some(connection: socket.socket, data: bytes, seconds: float = 1.0) -> None:
    """Send ``data``, or as much of it as the server takes without being read from."""
    connection.settimeout(seconds)
    with suppress(OSError):
        connection.sendall(data)
    connection.settimeout(20)


def everything(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(MIB), b""))


def memory(server: LiveServer) -> int:
    """The bytes that the server's process holds now."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def metrics(server: LiveServer) -> dict[str, float]:
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    return {name: float(value) for name, value in re.findall(r"^(registry_\S+) (\S+)$", text, re.MULTILINE)}


def until_waiting(server: LiveServer, count: int) -> None:
    end = monotonic() + LONG / 2  # far from when the polls would end by themselves
    while (waiting := metrics(server)["registry_watchers"]) != count:
        assert monotonic() < end, f"{waiting:g} wait"
        sleep(0.02)


def cursor_of(server: LiveServer, space: str) -> str:
    return str(httpx.get(f"{server.url}/registry/{space}/length").json()["cursor"])


def length(server: LiveServer, space: str) -> int:
    return int(httpx.get(f"{server.url}/registry/{space}/length").json()["length"])


def watching(server: LiveServer, space: str) -> bytes:
    target = f"/registry/{space}/watch?since={cursor_of(server, space)}&wait={LONG}"
    return f"GET {target} HTTP/1.1\r\n".encode() + HOST + b"\r\n"


@pytest.mark.parametrize(
    ("first", "behind"),
    [(b"", GET), (b"", TINY), (b"", set_in("flood")), (b"watch", GET), (b"watch", TINY)],
    ids=["long gets", "short gets", "sets", "long behind a watch", "short behind a watch"],
)
def test_pipelined_requests_hold_little_and_others_are_answered(first, behind, server, space, connect):
    before = memory(server)
    data = (watching(server, space) if first else b"") + behind * 14_000
    clients = [threading.Thread(target=send_some, args=(connect(), data)) for _ in range(20)]
    for client in clients:
        client.start()
    most = before
    while any(client.is_alive() for client in clients):
        assert httpx.get(f"{server.url}/health", timeout=10).status_code == 200
        most = max(most, memory(server))

    assert most - before < 64 * MIB


@pytest.mark.parametrize("step", [None, 70_001, 2_047, 11], ids=lambda step: f"by {step}")
@pytest.mark.parametrize("size", [0, 1, 3_000, 200_000])
def test_all_requests_of_a_client_that_reads_are_answered_in_turn(step, size, server, space, connect):
    """However they are cut: in heads, in bodies, and many at once. A value has ``size`` bytes; 0 is a GET."""
    count = min(3_000, 4 * MIB // (size + 200)) if step != 11 else 3
    missing = f"GET /registry/{space}/get?key=k HTTP/1.1\r\n".encode() + HOST + b"\r\n"
    data = b"".join(set_in(space, f"k{n}", "x" * size) if size else missing for n in range(count))
    connection = connect()

    def send() -> None:
        for begin in range(0, len(data), step or len(data)):
            connection.sendall(data[begin : begin + (step or len(data))])
        connection.sendall(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    sending = threading.Thread(target=send)
    sending.start()
    answered = everything(connection)
    sending.join()

    statuses = re.findall(rb"HTTP/1.1 (\d+) ", answered)
    assert statuses == [b"200" if size else b"404"] * count + [b"200"]
    if size:
        revisions = [int(revision) for revision in re.findall(rb'"cursor":"\w+\.(\d+)"', answered)]
        assert revisions == [*range(1, count + 1)]


BEHIND = {
    "nothing": b"",
    "half a head": b"GET /hea",
    "a request": GET,
    "a write": set_in("never"),
    "many requests": GET * 100,
    "more than may wait": GET * 2_000,
    "half a body": set_in("never")[:-5],
}


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize("behind", BEHIND, ids=lambda name: name.replace(" ", "-"))
def test_a_poll_of_a_client_that_leaves_ends_and_what_is_behind_it_never_runs(
    how, behind, server, space, connect
):
    leaver = connect()
    leaver.sendall(watching(server, space))
    until_waiting(server, 1)
    send_some(leaver, BEHIND[behind].replace(b"never", space.encode()))

    if how == "half-close":
        leaver.shutdown(socket.SHUT_WR)
    else:
        if how == "reset":
            leaver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        leaver.close()

    until_waiting(server, 0)
    assert length(server, space) == 0


def test_a_poll_waits_while_requests_wait_behind_it(server, space, connect):
    client = connect()
    client.sendall(watching(server, space) + HEALTH)
    until_waiting(server, 1)

    httpx.post(f"{server.url}/registry/{space}/set", json=setting("k"))
    client.sendall(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    answered = everything(client)
    assert answered.index(b'"changes"') < answered.index(b'"healthy"')
    assert answered.count(b"HTTP/1.1 200 OK\r\n") == 3


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (HEALTH, [200]),
        (HEALTH * 50, [200] * 50),
        (set_in("half.a") + set_in("half.a") + HEALTH, [200, 200, 200]),
        (HEALTH + b"GET /hea", [200]),
        (HEALTH + set_in("half.b")[:-5], [200]),
        (b"GET /hea", []),
        (set_in("half.b")[:-5], []),
        (b"", []),
    ],
    ids=[
        "one",
        "many",
        "writes",
        "half a head behind",
        "half a body behind",
        "half a head",
        "half a body",
        "none",
    ],
)
def test_a_client_that_closes_its_sending_side_gets_the_answers_to_whole_requests(
    sent, statuses, server, connect
):
    """As ``printf ... | nc -N`` does."""
    connection = connect()
    connection.sendall(sent)
    connection.shutdown(socket.SHUT_WR)

    answered = everything(connection)

    assert [int(status) for status in re.findall(rb"HTTP/1.1 (\d+) ", answered)] == statuses
    assert length(server, "half.b") == 0


def test_a_refusal_does_not_overtake_the_answers_before_it(connect):
    """Else a client takes it for the answer to its first request."""
    connection = connect()
    connection.sendall(HEALTH * 3 + b"no request\r\n\r\n" + HEALTH)

    answered = everything(connection)

    assert re.findall(rb"HTTP/1.1 (\d+) ", answered) == [b"200"] * 3 + [b"400"]


def test_a_body_that_breaks_behind_a_request_is_refused_in_turn_and_not_run(server, space, connect):
    head = set_in(space).partition(b"\r\n\r\n")[0]
    chunked = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    connection = connect()
    connection.sendall(HEALTH + chunked + b"\r\n\r\n2\r\n{}\r\nzz\r\n")

    answered = everything(connection)

    assert re.findall(rb"HTTP/1.1 (\d+) ", answered) == [b"200", b"400"]
    assert length(server, space) == 0


class TestUnreadAnswers:
    """In this process, whose bounds a test lowers."""

    def ask(self, server: LiveServer, connect, space: str, count: int) -> list[socket.socket]:
        """Connections whose client asked for 6 MiB each and does not read."""
        asked = []
        for _ in range(count):
            connection = connect()
            connection.sendall(f"GET /registry/{space}/get?key=k HTTP/1.1\r\n".encode() + HOST + b"\r\n")
            asked.append(connection)
        return asked

    def test_together_they_hold_no_more_than_is_said(self, server, space, connect):
        httpx.post(f"{server.url}/registry/{space}/set", json=setting("k", "x" * 6 * MIB), timeout=30)
        before = memory(server)

        asked = self.ask(server, connect, space, 100)
        most = before
        for _ in range(20):
            assert httpx.get(f"{server.url}/health", timeout=10).status_code == 200
            most = max(most, memory(server))

        assert most - before < pipeline.MOST_UNREAD + 64 * MIB
        # Those that came last are served, and whoever reads gets all of it.
        head = b""
        while b"\r\n\r\n" not in head:
            head += asked[-1].recv(MIB)
        wanted = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        got = len(head.partition(b"\r\n\r\n")[2])
        while got < wanted:
            got += len(asked[-1].recv(MIB))
        assert got == wanted

    def test_requests_behind_an_answer_that_is_not_read_do_not_run(self, server, space, connect):
        httpx.post(f"{server.url}/registry/{space}/set", json=setting("k", "x" * 6 * MIB), timeout=30)
        [connection] = self.ask(server, connect, space, 1)
        sleep(0.2)
        connection.sendall(set_in(space, "behind"))
        httpx.get(f"{server.url}/health")

        assert length(server, space) == 1

        answered = b""
        while b'"created"' not in answered[-2_000:]:
            answered += connection.recv(MIB)
        assert length(server, space) == 2


def test_slow_forms_do_not_keep_pages_from_others(server, connect):
    """Without a token: 40 forms that never end; pages have fewer threads."""
    head = b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-www-form-urlencoded\r\n"
    slow = [connect() for _ in range(40)]
    for connection in slow:
        connection.sendall(head + b"Content-Length: 100\r\n\r\ntoken=")

    for _ in range(5):
        assert httpx.get(f"{server.url}/", timeout=10).status_code == 200
    slow[0].sendall(b"x" * 94)  # the form that does end is answered
    assert slow[0].recv(100).startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("path", ["/login", "/logout", "/nowhere", "/"])
@pytest.mark.parametrize("fields", [b"Content-Length: 100000000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_form_that_is_too_large_is_not_waited_for(path, fields, connect):
    connection = connect()
    head = f"POST {path} HTTP/1.1\r\n".encode() + HOST
    part = b"token=" + b"x" * 20_000
    body = b"%x\r\n%b\r\n" % (len(part), part) if b"chunked" in fields else part
    type_ = b"Content-Type: application/x-www-form-urlencoded\r\n"
    connection.sendall(head + type_ + fields + b"\r\n" + body)

    status = int(connection.recv(100).split()[1])

    assert status in (303, 401, 404, 405, 413)


async def test_a_closing_connection_whose_answer_is_not_read_is_cut_off(monkeypatch):
    """A `Connection: close` keeps no answer longer than others are kept."""
    ended = []

    class Transport:
        def is_closing(self):
            return True

        def get_write_buffer_size(self):
            return 5 * MIB

        def abort(self):
            ended.append(self)

    loop = asyncio.get_running_loop()
    connection = pipeline.PipelinedProtocol.__new__(pipeline.PipelinedProtocol)
    connection.transport = Transport()  # type: ignore[assignment]
    connection._stalled, connection._left_to_write = loop.time(), 5 * MIB

    connection.end_if_overdue(loop.time() + protocol.ANSWER_SECONDS - 1)
    assert not ended
    connection.end_if_overdue(loop.time() + protocol.ANSWER_SECONDS + 1)
    assert ended
