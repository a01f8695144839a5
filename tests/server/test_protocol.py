"""Answers in one write, on connections that carry several."""

import asyncio
import logging
import socket

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from registry_server.exchange import Exchange, Flow

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
BODY = b'{"status": "healthy", "service": "registry-server"}'


@pytest.fixture
def exchange(live_server):
    """``exchange(sent)``: all that the server answers until it closes the connection."""

    def exchange(sent: bytes) -> bytes:
        with socket.create_connection((live_server.host, live_server.port), timeout=10) as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    return exchange


def test_pipelined_requests_are_answered_in_turn(exchange):
    answered = exchange(GET + HEAD + GET + LAST)

    assert answered.count(b"HTTP/1.1 200 OK\r\n") == 4
    assert answered.count(BODY) == 3


def test_an_answer_without_a_body_is_not_held_back(exchange):
    assert exchange(HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).endswith(b"\r\n\r\n")


def test_who_expects_100_continue_is_told_before_the_body_is_sent(live_server):
    body = b'{"key": {"type": "json", "data": "\\"k\\"", "encoding": "json"}, '
    body += b'"value": {"type": "json", "data": "1", "encoding": "json"}}'
    head = b"POST /registry/a.b/set HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n" % len(body)
    with socket.create_connection((live_server.host, live_server.port), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        answered = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert answered.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"outcome":"created"' in answered


class Transport:
    def __init__(self):
        self.writes = []
        self.closed = False

    def write(self, data):
        self.writes.append(data)

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed


@pytest.fixture
def make_exchange():
    """``make_exchange(method, keep_alive=)``: an exchange on a transport that keeps what is written."""

    def make(method="GET", *, keep_alive=True, access_log=False):
        transport = Transport()
        return Exchange(
            {
                "type": "http",
                "method": method,
                "http_version": "1.1",
                "path": "/",
                "query_string": b"",
                "client": None,
            },
            transport,
            Flow(transport),
            logging.getLogger("test"),
            logging.getLogger("test.access"),
            access_log,
            [(b"server", b"test")],
            asyncio.Event(),
            False,
            keep_alive,
            lambda: None,
        )

    return make


async def answer(exchange, *parts, status=200, fields=(), more_at_the_end=False):
    await exchange.send({"type": "http.response.start", "status": status, "headers": list(fields)})
    for number, part in enumerate(parts, 1):
        more = more_at_the_end or number < len(parts)
        await exchange.send({"type": "http.response.body", "body": part, "more_body": more})
    return exchange.transport.writes


LENGTH = (b"content-length", b"4")


@pytest.mark.parametrize("access_log", [False, True])
@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize(
    ("method", "parts", "status", "fields"),
    [
        ("GET", [b"body"], 200, [LENGTH]),
        ("GET", [b"bo", b"dy"], 200, [LENGTH]),
        ("GET", [b"body"], 200, []),
        ("GET", [b"bo", b"dy"], 200, []),
        ("GET", [b"body"], 200, [LENGTH, (b"connection", b"close")]),
        ("HEAD", [b""], 200, [LENGTH]),
        ("HEAD", [b"body"], 200, [LENGTH]),
        ("GET", [b""], 304, [(b"etag", b'"1"')]),
        ("GET", [b""], 204, []),
    ],
)
async def test_it_writes_what_uvicorn_would(
    make_exchange, method, parts, status, fields, keep_alive, access_log
):
    ours, theirs = (make_exchange(method, keep_alive=keep_alive, access_log=access_log) for _ in range(2))
    theirs.__class__ = RequestResponseCycle

    written = await answer(ours, *parts, status=status, fields=fields)

    assert b"".join(written) == b"".join(await answer(theirs, *parts, status=status, fields=fields))
    assert (ours.response_complete, ours.keep_alive) == (True, theirs.keep_alive)
    assert ours.transport.closed == theirs.transport.closed
    assert len(written) == 1 or access_log or len(parts) > 1 or (not fields and status == 200)


@pytest.mark.parametrize("field", [(b"x", b"a\r\nb: c"), (b"x", b"a\nb"), (b"x\r\ny", b"1"), (b"x", b"\0")])
async def test_no_field_can_break_out_of_its_line(make_exchange, field):
    exchange = make_exchange()

    with pytest.raises(RuntimeError, match="line break"):
        await answer(exchange, b"body", fields=[field, LENGTH])

    assert exchange.transport.writes == []


@pytest.mark.parametrize("body", [b"bod", b"bodys"])
async def test_a_body_has_the_length_that_its_head_says(make_exchange, body):
    exchange = make_exchange()

    with pytest.raises(RuntimeError, match=f"{len(body)} bytes, its head says 4"):
        await answer(exchange, body, fields=[LENGTH])

    assert exchange.transport.writes == []


async def test_a_part_out_of_turn_is_refused(make_exchange):
    exchange = make_exchange()
    start = {"type": "http.response.start", "status": 200, "headers": []}

    with pytest.raises(RuntimeError):
        await exchange.send({"type": "http.response.body", "body": b""})
    await exchange.send(start)
    with pytest.raises(RuntimeError):
        await exchange.send(start)


async def test_a_body_that_came_whole_is_given_once_and_then_the_end_awaited(make_exchange):
    exchange = make_exchange("POST")
    exchange.body += b"body"
    exchange.more_body = False
    exchange.message_event.set()

    assert await exchange.receive() == {"type": "http.request", "body": b"body", "more_body": False}
    waiting = asyncio.ensure_future(exchange.receive())
    await asyncio.sleep(0)
    assert not waiting.done()
    exchange.disconnected = True
    exchange.message_event.set()
    assert await waiting == {"type": "http.disconnect"}
