"""Long polls over real sockets: clients that leave, servers that stop, die, and come back."""

import asyncio
import re
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.server.processes import LiveServer
from tests.server.wire import put, watch

LONG = 55
MANY = 2_000


@asynccontextmanager
async def client_of(server: LiveServer):
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client:
        yield client


async def waiting(client):
    """How many polls wait, as the server counts them."""
    text = (await client.get("/metrics")).text
    return float(re.search(r"^registry_watchers (\S+)$", text, re.MULTILINE)[1])


async def until_waiting(client, count):
    async with asyncio.timeout(60):
        while await waiting(client) != count:
            pass


def revisions(answer):
    return [change["revision"] for change in answer["changes"]]


async def test_a_server_that_is_told_to_stop_answers_who_waits(start_server):
    """REG-WCH-05: they were to wait for 55 s, and requests under way are broken off after 5."""
    server = start_server("memory:")
    async with client_of(server) as client:
        begin = (await put(client, "k"))["cursor"]
        polls = [asyncio.create_task(watch(client, begin, wait=LONG)) for _ in range(50)]
        body = {"cursors": {"a": begin}, "wait": LONG}
        of_many = asyncio.create_task(client.post("/watch", json=body))
        await until_waiting(client, 51)

        code = await asyncio.to_thread(server.stop)

        assert code == 0
        assert [await poll for poll in polls] == [{"changes": [], "cursor": begin, "head": begin}] * 50
        assert (await of_many).json() == {"namespaces": []}
    assert "Traceback" not in server.log


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_watcher_goes_on_after_a_restart_without_a_gap(end, live_server):
    """REG-WCH-02, on SQLite: after a clean stop, and after a death."""
    async with client_of(live_server) as client:
        begin = (await client.get("/registry/a/length")).json()["cursor"]
        for key in "abc":
            await put(client, key)
        cursor = (await watch(client, begin, limit=2))["cursor"]

    await asyncio.to_thread(getattr(live_server, end))
    await asyncio.to_thread(live_server.start)

    async with client_of(live_server) as client:
        answer = await watch(client, cursor)
        assert revisions(answer) == [3]
        poll = asyncio.create_task(watch(client, answer["cursor"], wait=LONG))
        await until_waiting(client, 1)
        await put(client, "d")
        assert revisions(await poll) == [4]
        assert revisions(await watch(client, begin)) == [1, 2, 3, 4]


async def test_a_poll_whose_server_dies_fails_and_can_be_sent_again(live_server):
    """REG-WCH-02."""
    async with client_of(live_server) as client:
        begin = (await put(client, "a"))["cursor"]
        poll = asyncio.create_task(watch(client, begin, wait=LONG))
        await until_waiting(client, 1)
        await asyncio.to_thread(live_server.kill)
        with pytest.raises(httpx.TransportError):
            await poll

    await asyncio.to_thread(live_server.start)
    async with client_of(live_server) as client:
        await put(client, "b")
        assert revisions(await watch(client, begin)) == [2]


async def test_a_client_that_leaves_frees_its_place(start_server):
    server = start_server("memory:")
    async with client_of(server) as client:
        begin = (await put(client, "k"))["cursor"]
        _, writer = await asyncio.open_connection(server.host, server.port)
        request = f"GET /registry/a/watch?since={begin}&wait={LONG} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        writer.write(request.encode())
        await until_waiting(client, 1)

        writer.close()

        await until_waiting(client, 0)
    assert server.stop() == 0
    assert "Traceback" not in server.log


async def test_2000_wait_for_one_write_and_all_hear_of_it(start_server):
    """REG-WCH-01; and others are answered meanwhile."""
    server = start_server("memory:")
    async with client_of(server) as client:
        begin = (await put(client, "k"))["cursor"]
        request = f"GET /registry/a/watch?since={begin}&wait={LONG} HTTP/1.1\r\nHost: localhost\r\n\r\n"

        async def listen():
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(request.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head)[1])
            body = await reader.readexactly(length)
            writer.close()
            return head.split()[1], body

        listeners = [asyncio.create_task(listen()) for _ in range(MANY)]
        await until_waiting(client, MANY)
        assert (await client.get("/health")).status_code == 200

        cursor = (await put(client, "l"))["cursor"]

        answers = {await listener for listener in listeners}
        [(status, body)] = answers
        assert (status, f'"cursor":"{cursor}"'.encode() in body) == (b"200", True)
        assert await waiting(client) == 0
