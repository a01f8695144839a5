"""Answers in one write, on connections that carry several."""

import socket

import pytest

from registry_server.protocol import WholeAnswers

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


def test_head_and_body_are_one_write():
    answers = WholeAnswers(transport := Transport())

    for _ in range(2):
        answers.write(b"head")
        answers.write(b" body")
        answers.write(b" more")
        answers.finish()

    assert transport.writes == [b"head body", b" more"] * 2


def test_what_is_held_is_written_before_the_connection_closes():
    answers = WholeAnswers(transport := Transport())

    answers.write(b"head")
    answers.close()

    assert transport.writes == [b"head"]
    assert transport.closed
