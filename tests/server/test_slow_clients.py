"""Clients that are slow on purpose: each is ended at its deadline, and none keeps an honest one waiting."""

from __future__ import annotations

import asyncio
import json

import pytest
import uvicorn
from uvicorn.server import ServerState

from registry_server import protocol
from registry_server.app import create_app
from registry_server.pipeline import PipelinedProtocol
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from tests.server.wire import setting

KEEP_ALIVE_SECONDS = 100
HOST = b"Host: localhost\r\n"
BODY = json.dumps(setting("k")).encode()
POST = (
    b"POST /registry/a/set HTTP/1.1\r\n"
    + HOST
    + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)


class Connection:
    """A client's end of a connection to the application, and the server's, whose clock the test turns."""

    def __init__(self, reader, writer, server: PipelinedProtocol) -> None:
        self.reader, self.writer, self.server = reader, writer, server

    async def send(self, data: bytes) -> None:
        """Send, and return once the server has it."""
        came = asyncio.get_running_loop().create_future()
        received = self.server.data_received

        def data_received(part):
            received(part)
            came.done() or came.set_result(None)

        self.server.data_received = data_received  # type: ignore[method-assign]
        self.writer.write(data)
        await asyncio.wait_for(came, 20)
        self.server.data_received = received  # type: ignore[method-assign]

    def after(self, seconds: float) -> None:
        """Let the server look at the connection as it will do in so many seconds."""
        self.server.end_if_overdue(asyncio.get_running_loop().time() + seconds)

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 20)

    @property
    def closing(self) -> bool:
        return self.server.transport.is_closing()


@pytest.fixture
async def connect():
    """``await connect()``: a connection to a server in this process."""
    backend = MemoryBackend()
    await backend.open()
    config = uvicorn.Config(
        create_app(ServerSettings(), backend),
        ws="none",
        log_config=None,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    config.load()
    state = ServerState()
    made: list[PipelinedProtocol] = []

    def accept() -> PipelinedProtocol:
        made.append(PipelinedProtocol(config=config, server_state=state, app_state={}))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
    writers = []

    async def connect() -> Connection:
        count = len(made)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writers.append(writer)
        async with asyncio.timeout(20):
            while len(made) == count:
                await asyncio.sleep(0)
        return Connection(reader, writer, made[-1])

    yield connect
    for each in made:
        each.transport.abort()
    for writer in writers:
        writer.close()
    server.close()
    await asyncio.gather(*state.tasks, return_exceptions=True)


def code_of(answer: bytes) -> tuple[bytes, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split()[1], json.loads(body)["code"]


async def test_a_connection_that_sends_nothing_is_closed(connect):
    client = await connect()

    client.after(protocol.HEAD_SECONDS - 1)
    assert not client.closing
    client.after(protocol.HEAD_SECONDS + 1)

    assert await client.rest() == b""


async def test_a_head_that_does_not_end_is_408(connect):
    client = await connect()
    await client.send(b"GET /health HTTP/1.1\r\n")

    client.after(protocol.HEAD_SECONDS - 1)
    assert not client.closing
    await client.send(b"X: y\r\n")  # a drop now and then prolongs nothing
    client.after(protocol.HEAD_SECONDS + 1)

    assert code_of(await client.rest()) == (b"408", "request_timeout")


async def test_a_body_that_does_not_end_is_408_and_writes_nothing(connect):
    client = await connect()
    await client.send(POST % (len(BODY) + 1) + BODY)

    client.after(protocol.BODY_SECONDS - 1)
    assert not client.closing
    client.after(protocol.BODY_SECONDS + 2)

    assert code_of(await client.rest()) == (b"408", "request_timeout")
    other = await connect()
    await other.send(b"GET /registry/a/length HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
    assert b'"length":0' in await other.rest()


async def test_a_large_body_has_time_by_what_has_come(connect):
    client = await connect()
    await client.send(POST % 1_000_000)
    for _ in range(10):
        await client.send(b" " * 8_192)

    client.after(protocol.BODY_SECONDS + 2)
    assert not client.closing
    client.after(protocol.BODY_SECONDS + 20)

    assert client.closing


async def test_a_connection_between_two_requests_has_keep_alives_own_time(connect):
    client = await connect()
    await client.send(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
    assert b"healthy" in await client.reader.readuntil(b"}")

    client.after(KEEP_ALIVE_SECONDS - 1)
    assert not client.closing
    client.after(KEEP_ALIVE_SECONDS + 1)

    assert await client.rest() == b""


async def test_the_next_head_has_its_time_from_its_own_first_byte(connect):
    client = await connect()
    await client.send(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
    await client.reader.readuntil(b"}")
    await client.send(b"GET /h")

    client.after(protocol.HEAD_SECONDS - 1)
    assert not client.closing
    client.after(protocol.HEAD_SECONDS + 1)
    assert client.closing


async def test_a_request_that_is_being_served_is_not_ended(connect, monkeypatch):
    """A long poll, say; nor while another head drips in behind it."""
    answered = asyncio.Event()

    async def slow(self, namespace):
        await answered.wait()
        return 7, 7

    monkeypatch.setattr(MemoryBackend, "count", slow)
    client = await connect()
    await client.send(b"GET /registry/a/length HTTP/1.1\r\n" + HOST + b"\r\n")
    client.after(3_600)
    await client.send(b"GET /hea")
    client.after(3_600)
    assert not client.closing

    answered.set()

    assert b'"length":7' in await asyncio.wait_for(client.reader.readuntil(b"}"), 20)


async def test_a_client_that_reads_nothing_is_cut_off(connect):
    client = await connect()
    await client.send(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
    await client.reader.readuntil(b"}")
    client.server.pause_writing()

    client.after(protocol.ANSWER_SECONDS - 1)
    assert not client.closing
    client.server.resume_writing()
    client.after(protocol.ANSWER_SECONDS + 1)
    assert not client.closing
    client.server.pause_writing()
    client.after(protocol.ANSWER_SECONDS + 1)

    assert client.closing


async def test_a_body_that_the_server_does_not_read_is_not_its_clients_fault(connect):
    client = await connect()
    await client.send(POST % 1_000_000)
    client.server.flow.pause_reading()

    client.after(3_600)

    assert not client.closing
