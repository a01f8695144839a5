"""Where a request ends: the server's reading of a connection's bytes, held against that of h11."""

import asyncio
import json
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from itertools import count, pairwise
from typing import NamedTuple, Self

import h11
import pytest
import uvicorn
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from registry_server.app import create_app
from registry_server.protocol import RegistryProtocol
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from tests.server.asgi import running
from tests.server.wire import setting, until

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
LAST = b"GET /registry/SPACE/length HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def body_of(key: str) -> bytes:
    """What sets ``key``; with more text in it than one would think, so that a body can be cut anywhere."""
    return json.dumps(setting(key, "\r\n\r\n0\r\n\r\n")).encode()


_SET = body_of("smuggled")
SMUGGLED = (
    b"POST /registry/SPACE/set HTTP/1.1\r\n"
    + HOST
    + JSON
    + b"Content-Length: %d\r\n\r\n%b" % (len(_SET), _SET)
)
"""A whole request, as the body of another."""

BODIES = [body_of("a"), body_of("b"), b"", b"null", SMUGGLED, SMUGGLED * 2]

FIELDS = [
    [],
    [b"Connection: Upgrade", b"Upgrade: h2c"],
    [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"],
    [b"Upgrade: websocket", b"Connection: keep-alive, upgrade", b"Sec-WebSocket-Key: eA=="],
    [b"connection:upgrade", b"UPGRADE:   TLS/1.2, IRC/6.9  "],
    [b"Connection: x", b"Connection: uPgRaDe", b"Upgrade: h2c", b"Upgrade: websocket"],
    [b"Connection: Upgrade", b"Upgrade:"],
    [b"Connection: Upgrade"],
    [b"Upgrade: h2c"],
    [b"Connection: Upgrade, close", b"Upgrade: h2c"],
    [b"Connection: Upgrade", b"Upgrade: h2c", b"Expect: 100-continue"],
]

TRAILERS = [
    b"",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Content-Type: text/plain\r\nIf-None-Match: *\r\n",
]


def framed(framing: str, body: bytes, trailer: bytes) -> tuple[bytes, bytes]:
    """The field that declares the framing, and the framed body."""
    if framing == "none":
        return b"", b""
    if framing == "length":
        return b"Content-Length: %d\r\n" % len(body), body
    half = len(body) // 2
    chunks = [chunk for chunk in (body[:half], body[half:]) if chunk]
    text = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"Transfer-Encoding: chunked\r\n", text + b"0\r\n" + trailer + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    framing = draw(st.sampled_from(["length", "chunked", "none"]))
    field, body = framed(framing, draw(st.sampled_from(BODIES)), draw(st.sampled_from(TRAILERS)))
    version = draw(st.sampled_from([b"1.1"] * 5 + [b"1.0"]))
    line = draw(st.sampled_from([b"POST /registry/SPACE/set"] * 3 + [b"GET /registry/SPACE/length"]))
    lines = [HOST, JSON, field, *(line + b"\r\n" for line in draw(st.sampled_from(FIELDS)))]
    return line + b" HTTP/%b\r\n" % version + b"".join(draw(st.permutations(lines))) + b"\r\n" + body


class Reading(NamedTuple):
    """The requests that h11 reads in a connection's bytes: method and body."""

    requests: list[tuple[bytes, bytes]]
    refused: str
    """Why the rest is not a request; empty if there is no rest."""


def reading_of(sent: bytes) -> Reading:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)
    connection.receive_data(sent)
    found: list[tuple[bytes, bytes]] = []
    while True:
        method, body = b"", b""
        try:
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return Reading(found, refused="")
                if isinstance(event, h11.Request):
                    method = event.method
                elif isinstance(event, h11.Data):
                    body += event.data
        except h11.RemoteProtocolError as error:
            return Reading(found, refused=str(error))
        found.append((method, body))
        connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        connection.send(h11.EndOfMessage())
        if connection.our_state is not h11.DONE:
            return Reading(found, refused="")
        connection.start_next_cycle()


class Outcome(NamedTuple):
    """Status of each answer, with the length that it tells, and the keys that are set in the end."""

    answers: list[tuple[int, int | None]]
    keys: set[str]


def outcome_of(reading: Reading) -> Outcome:
    """What the server must make of these requests; it may refuse one whose document is damaged."""
    keys: set[str] = set()
    answers: list[tuple[int, int | None]] = []
    for method, body in reading.requests:
        if method == b"GET":
            answers.append((200, len(keys)))
            continue
        try:
            keys.add(json.loads(json.loads(body)["key"]["data"]))
        except ValueError:
            answers.append((400, None))
        except (LookupError, TypeError):
            answers.append((422, None))
        else:
            answers.append((200, None))
    return Outcome(answers, keys)


class Wire:
    """A server in this process, and connections to it whose every segment is read by itself."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._spaces = count()
        self._backend = MemoryBackend()

    def __enter__(self) -> Self:
        self._runner.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _start(self) -> None:
        await self._backend.open()
        self._stack.push_async_callback(self._backend.close)
        app = create_app(ServerSettings(), self._backend)
        await self._stack.enter_async_context(running(app))
        self._config = uvicorn.Config(app, ws="none", log_config=None, server_header=False)
        self._config.load()

    def ask(self, text: bytes, places: Iterable[int] = ()) -> Outcome:
        """Send ``text``, cut at ``places``, with a new namespace for SPACE."""
        return self._runner.run(self._ask(text, places))

    async def _ask(self, text: bytes, places: Iterable[int]) -> Outcome:
        space = b"%05d" % next(self._spaces)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        protocol = _Counting(self._config, ServerState(), {})
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: protocol, theirs)
        sent = 0
        received = asyncio.create_task(_all(ours))
        for segment in cut(text.replace(b"SPACE", space), places):
            sent += len(segment)
            try:
                await loop.sock_sendall(ours, segment)
            except BrokenPipeError:
                break
            await until(partial(protocol.has, sent))
        async with asyncio.timeout(10):
            answers = _answers(await received)
        await until(lambda: not protocol.server_state.tasks)
        ours.close()
        page = await self._backend.page(space.decode(), prefix="", after=0, limit=100, max_bytes=1 << 20)
        return Outcome(answers, {entry.key for entry in page.entries})


class _Counting(RegistryProtocol):
    received = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.received += len(data)

    def has(self, sent: int) -> bool:
        return self.received == sent or self.transport.is_closing()


async def _all(connection: socket.socket) -> bytes:
    text = b""
    with suppress(ConnectionResetError):  # the server closed, and had not read all
        while part := await asyncio.get_running_loop().sock_recv(connection, 65_536):
            text += part
    return text


def _answers(text: bytes) -> list[tuple[int, int | None]]:
    found: list[tuple[int, int | None]] = []
    while text:
        head, _, text = text.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status == 100:
            continue
        assert status != 101
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        body, text = json.loads(text[:length]), text[length:]
        found.append((status, body.get("length")))
    return found


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


def cut(text: bytes, places: Iterable[int]) -> list[bytes]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(edges)]


FUZZ = settings(max_examples=200, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
places = st.lists(st.integers(0, 5_000), max_size=4)


@FUZZ
@given(st.lists(requests(), min_size=1, max_size=4), places)
def test_the_requests_are_those_that_h11_reads(wire, sent, places):
    text = b"".join([*sent, LAST])
    reading = reading_of(text)

    assert not reading.refused
    assert wire.ask(text, places) == outcome_of(reading)


@FUZZ
@given(
    st.lists(requests(), min_size=1, max_size=3),
    places,
    st.integers(0, 5_000),
    st.sampled_from(
        [b"", b"\0", b" ", b"\r", b"\n", b"\r\n", b":", b"0", b"f", b";", b"\x0b", b"\xff", b"Upgrade: x\r\n"]
    ),
    st.integers(0, 2),
)
def test_of_damaged_bytes_no_more_is_executed_than_h11_reads(wire, sent, places, at, damage, lost):
    text = b"".join([*sent, LAST])
    at %= len(text)
    # llhttp allows several spaces, and line breaks before a request, as RFC 9112 does in sections 2.2 and 3.
    assume(
        lost or damage.strip() or b" HTTP/1." not in text[text.rfind(b"\n", 0, at) + 1 :].partition(b"\n")[0]
    )
    text = text[:at] + damage + text[at + lost :] + LAST
    reading = reading_of(text)
    assume("Host" not in reading.refused)  # refused too, but without doubt where the next request begins

    answers, keys = wire.ask(text, places)

    assert keys <= outcome_of(reading).keys
    assert (
        len(answers) <= len(reading.requests) + 2
    )  # a GET is answered before its body, which may be refused


@pytest.mark.parametrize("fields", FIELDS[1:6], ids=lambda fields: ascii(fields[-1]))
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_request_cut_at_any_byte_is_the_same_request(framing, fields, wire):
    field, body = framed(framing, SMUGGLED, TRAILERS[1])
    head = b"POST /registry/SPACE/set HTTP/1.1\r\n" + HOST + JSON + field
    text = head + b"".join(line + b"\r\n" for line in fields) + b"\r\n" + body + LAST
    expected = Outcome([(400, None), (200, 0)], set())

    for place in range(len(text)):
        assert wire.ask(text, [place]) == expected
    assert wire.ask(text, range(len(text))) == expected


@pytest.mark.parametrize(
    ("line", "host", "status"),
    [
        (b"GET * HTTP/1.1", b"localhost", 400),
        (b"POST * HTTP/1.1", b"localhost", 400),
        (b"OPTIONS * HTTP/1.1", b"localhost", 404),
        (b"OPTIONS *x HTTP/1.1", b"localhost", 400),
        (b"GET localhost:80 HTTP/1.1", b"localhost", 400),
        (b"GET health HTTP/1.1", b"localhost", 400),
        (b"GET /health#x HTTP/1.1", b"localhost", 400),
        (b"CONNECT localhost:80 HTTP/1.1", b"localhost", 400),
        (b"CONNECT / HTTP/1.1", b"localhost", 400),
        (b"PRI * HTTP/2.0", b"localhost", 400),
        (b"GET /health HTTP/2.0", b"localhost", 400),
        (b"GET /health HTTP/0.9", b"localhost", 400),
        (b"GET /health", b"localhost", 400),
        (b"GET http://localhost/health HTTP/1.1", b"localhost", 200),
        (b"GET HTTPS://LOCALHOST:80/health?a HTTP/1.1", b"localhost", 422),
        (b"GET http://localhost/health HTTP/1.1", b"evil.example", 200),
        (b"GET http://localhost/health HTTP/1.1", b"local host", 400),
        (b"GET http://localhost/health HTTP/1.1", None, 400),
        (b"GET http://localhost/health HTTP/1.0", None, 200),
        (b"GET http://evil.example/health HTTP/1.0", None, 421),
        (b"GET http://evil.example/health HTTP/1.1", b"localhost", 421),
        (b"GET http://evil.example HTTP/1.1", b"localhost", 421),
        (b"GET http://x@localhost/health HTTP/1.1", b"localhost", 400),
        (b"GET http:///health HTTP/1.1", b"localhost", 400),
        (b"GET http://localhost:x/health HTTP/1.1", b"localhost", 400),
        (b"GET ftp://localhost/health HTTP/1.1", b"localhost", 400),
    ],
)
def test_a_target_has_a_form_that_its_method_may_have(line, host, status, wire):
    """RFC 9112 section 3.2: an authority in the target takes the place of the Host."""
    field = b"" if host is None else b"Host: %b\r\n" % host

    ((answered, _),) = wire.ask(line + b"\r\n" + field + b"Connection: close\r\n\r\n").answers

    assert answered == status
