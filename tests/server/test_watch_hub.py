"""Who waits, who is woken, and what it costs the others."""

import asyncio
import json
from itertools import pairwise

import pytest

from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from registry_server.testing.values import put_all
from registry_server.watch import CHUNK, WatchHub
from tests.server.asgi import running
from tests.server.wire import cursor_of, put, until, watch

MANY = 2_000
LONG = 55


async def stays():
    """A client that does not leave."""
    await asyncio.Event().wait()


@pytest.fixture
async def store():
    backend = MemoryBackend()
    await backend.open()
    return backend


async def wait_for(hub, *namespaces, timeout=60):
    """What a poll of ``namespaces`` is told."""
    with hub.poll(namespaces) as poll:
        return await poll.wait(timeout, stays)


async def test_a_poll_is_told_which_of_its_namespaces_moved(store):
    hub = WatchHub(store)
    waiting = asyncio.create_task(wait_for(hub, "a", "b"))
    await until(lambda: hub.waiting)

    await put_all(store, "c", "k")
    await put_all(store, "b", "k")

    assert await waiting == {"b"}
    assert hub.waiting == 0


async def test_a_move_between_registering_and_waiting_is_not_lost(store):
    """REG-WCH-01."""
    hub = WatchHub(store)

    with hub.poll(["a"]) as poll:
        await put_all(store, "a", "k")
        assert await poll.wait(60, stays) == {"a"}


async def test_a_poll_that_was_told_is_told_again_once_it_registers(store):
    hub = WatchHub(store)

    with hub.poll(["a", "b"]) as poll:
        for name in ("a", "b", "a"):
            await put_all(store, name, f"{name} {poll}")
            await store.delete(name, f"{name} {poll}")
            assert await poll.wait(60, stays) == {name}
            hub.register(poll, [name])


async def test_after_its_time_or_when_its_client_left_it_is_told_nothing(store):
    hub = WatchHub(store)

    async def left():
        return None

    with hub.poll(["a"]) as poll:
        assert await poll.wait(0, stays) == set()
        assert await poll.wait(60, left) == set()


async def test_many_are_woken_a_few_in_a_turn(store):
    """Between any two of the event loop's turns, `CHUNK` polls at most are answered."""
    hub = WatchHub(store)
    told = []

    async def one():
        told.append(await wait_for(hub, "a"))

    polls = [asyncio.create_task(one()) for _ in range(MANY)]
    await until(lambda: hub.waiting == MANY)
    await put_all(store, "a", "k")

    at_each_turn = [0]
    while len(told) < MANY:
        await asyncio.sleep(0)
        at_each_turn.append(len(told))

    assert max(new - old for old, new in pairwise(at_each_turn)) <= CHUNK
    await asyncio.gather(*polls)


async def test_a_poll_is_woken_once_for_however_many_writes(store):
    """Else a busy writer would queue wake-ups faster than they are done."""
    hub = WatchHub(store)
    polls = [asyncio.create_task(wait_for(hub, "a")) for _ in range(10 * CHUNK)]
    await until(lambda: hub.waiting == len(polls))

    await put_all(store, "a", *(str(number) for number in range(5_000)))
    turns = 0
    while hub.waiting:
        turns += 1
        await asyncio.sleep(0)

    assert turns < 30
    assert [await poll for poll in polls] == [{"a"}] * len(polls)


async def test_closing_wakes_all_and_nobody_waits_any_more(store):
    """REG-WCH-05."""
    hub = WatchHub(store)
    polls = [asyncio.create_task(wait_for(hub, "a", "b")) for _ in range(100)]
    await until(lambda: hub.waiting == 100)

    hub.close()

    assert [await poll for poll in polls] == [{"a", "b"}] * 100


async def test_an_application_that_stops_answers_who_waits(tmp_path):
    """REG-WCH-05."""
    backend = MemoryBackend()
    await backend.open()
    hub = WatchHub(backend)
    async with running(create_app(ServerSettings(), backend, hub)) as client:
        begin = await cursor_of(client)
        waiting = asyncio.create_task(watch(client, begin, wait=LONG))
        await until(lambda: hub.waiting)
        hub.close()
        assert (await waiting)["cursor"] == begin
        assert (await watch(client, begin, wait=LONG))["cursor"] == begin


async def ask(app, path, receive, answers):
    """One request to ``app`` without a client around it; ``receive`` is what it hears after the request."""
    path, _, query = path.partition("?")
    scope = {
        **{"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": ""},
        **{"path": path, "raw_path": path.encode(), "query_string": query.encode()},
        **{"headers": [(b"host", b"localhost:8001")], "server": ("localhost", 8001), "client": None},
    }
    sent = []

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    answers.append((sent[0]["status"], json.loads(sent[1]["body"])))


async def test_a_client_that_leaves_frees_its_place(application, client, hub):
    left = asyncio.Event()

    async def receive():
        await left.wait()
        return {"type": "http.disconnect"}

    path = f"/registry/a/watch?wait={LONG}&since={await cursor_of(client)}"
    request = asyncio.create_task(ask(application[0], path, receive, []))
    await until(lambda: hub.waiting == 1)

    left.set()

    await request
    assert hub.waiting == 0


async def test_others_are_answered_while_2000_are_woken(application, client, hub):
    """The write that wakes them is answered, and so is `/health`, before the last of them is."""
    app, answers = application[0], []
    begin = await cursor_of(client)

    async def receive():
        await asyncio.Event().wait()

    path = f"/registry/a/watch?wait={LONG}&since={begin}"
    polls = [asyncio.create_task(ask(app, path, receive, answers)) for _ in range(MANY)]
    await until(lambda: hub.waiting == MANY)
    assert (await client.get("/health")).status_code == 200

    await put(client, "k")
    assert len(answers) < MANY
    beside = 0
    while len(answers) < MANY:
        await asyncio.sleep(0)
        assert (await client.get("/health")).status_code == 200
        beside += 1

    assert beside > 2
    await asyncio.gather(*polls)
    assert {(status, body["cursor"]) for status, body in answers} == {(200, await cursor_of(client))}
