"""Registry servers over PostgreSQL, as clients see them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from threading import Thread

import httpx
import pytest

from registry import RemoteStorageProxy
from registry_server.app import create_app
from registry_server.problems import problem_of
from registry_server.settings import ServerSettings
from registry_server.storage.base import OutcomeUnknownError
from registry_server.storage.postgresql import PostgresqlBackend
from registry_server.testing import stored
from tests.postgresql.server import PostgresServer
from tests.postgresql.waiting import until
from tests.server.processes import LiveServer
from tests.server.wire import check_answer, problem

StartServer = Callable[..., LiveServer]
WATCH = "/registry/research.losses/watch"


def losses(server: LiveServer) -> RemoteStorageProxy:
    return RemoteStorageProxy("research.losses", url=server.url, timeout=30)


def test_a_server_says_where_its_data_is_but_not_the_password(
    postgres: PostgresServer, start_server: StartServer
) -> None:
    url = postgres.new_schema().replace("postgres@", "postgres:hush@")

    server = start_server(url)

    assert server.greeting[1].startswith("data in postgresql://postgres@/postgres?host=")
    losses(server)["mse"] = {"a": 1}
    stats = httpx.get(f"{server.url}/stats").json()
    assert stats["total_entries"] == 1
    assert "durable" in httpx.get(f"{server.url}/capabilities").json()["profiles"]
    server.restart()
    assert losses(server)["mse"] == {"a": 1}
    server.stop()
    assert server.said == ["stopped; everything acknowledged is stored"]
    assert "hush" not in server.log + json.dumps(stats) + "".join(server.greeting + server.said)


def test_a_server_that_cannot_start_says_why_and_what_to_do(tmp_path, start_server: StartServer) -> None:
    with pytest.raises(AssertionError, match="see that it runs") as failed:
        start_server("postgresql://me:hush@127.0.0.1:1/db")

    assert "hush" not in str(failed.value)
    assert "Traceback" not in str(failed.value)


def test_what_is_written_at_one_server_is_watched_at_another(
    postgres: PostgresServer, start_server: StartServer
) -> None:
    url = postgres.new_schema()
    one, two = start_server(url), start_server(url)
    cursor = httpx.get(two.url + WATCH).json()["cursor"]

    for number in range(8):
        writing = Thread(target=losses(one).__setitem__, args=(f"key {number}", number))
        with httpx.Client(timeout=60) as watcher:
            writing.start()
            answer = watcher.get(two.url + WATCH, params={"since": cursor, "wait": 25}).json()
        writing.join()

        [change] = answer["changes"]
        assert (change["key"], change["revision"]) == (f"key {number}", number + 1)
        cursor = answer["cursor"]
        assert losses(two)[f"key {number}"] == number

    assert httpx.get(one.url + WATCH, params={"since": cursor, "wait": 0}).json()["cursor"] == cursor


def test_of_servers_that_register_the_same_name_one_wins(
    postgres: PostgresServer, start_server: StartServer
) -> None:
    url = postgres.new_schema()
    proxies = [losses(start_server(url)) for _ in range(2)]

    for number in range(5):
        claims = [proxy.claim(f"key {number}", [index]) for index, proxy in enumerate(proxies)]
        assert [claim.won for claim in claims] == [True, False]


def test_while_the_database_is_away_the_server_says_so_and_comes_back(
    mortal: PostgresServer, start_server: StartServer
) -> None:
    server = start_server(mortal.new_schema())
    losses(server)["mse"] = 1
    mortal.kill()
    try:
        assert httpx.get(f"{server.url}/health").status_code == 200
        away = httpx.get(f"{server.url}/ready", timeout=30)
        assert (away.status_code, away.json()["code"]) == (503, "storage_unavailable")
        check_answer(away)
    finally:
        mortal.start()

    with httpx.Client(timeout=30) as client:
        asyncio.run(until(lambda: client.get(f"{server.url}/ready").status_code == 200))
    assert losses(server)["mse"] == 1
    assert "Traceback" not in server.log


async def test_a_poll_of_many_namespaces_finds_those_that_moved(postgres: PostgresServer, open_many) -> None:
    """And asks the database for the heads of all in a few statements, not in one for each."""
    [backend] = await open_many(postgres.new_schema(), 1)
    asked: list[str] = []
    rows = backend._link.rows

    async def counting(query, parameters):
        asked.append(query)
        return await rows(query, parameters)

    backend._link.rows = counting
    await backend.put("space.n7", "key", stored(1))
    asked.clear()
    cursors = {f"space.n{number}": f"{backend.epoch}.0" for number in range(600)}
    app = create_app(ServerSettings(), backend)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8001") as client:
        answer = await client.post("/watch", json={"cursors": cursors, "wait": 0})

    check_answer(answer)
    [moved] = answer.json()["namespaces"]
    assert (moved["namespace"], moved["changes"][0]["key"]) == ("space.n7", "key")
    assert len([query for query in asked if "pg_notify" not in query]) <= 6


async def test_an_outcome_that_nobody_knows_is_no_failure(postgres: PostgresServer, open_many) -> None:
    [backend] = await open_many(postgres.new_schema(), 1)

    async def unknown(*_, **__):
        raise OutcomeUnknownError("the connection died while it committed")

    backend.put = unknown
    app = create_app(ServerSettings(), backend)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8001") as client:
        value = {"type": "json", "data": "1", "encoding": "json"}
        key = {"type": "json", "data": '"key"', "encoding": "json"}
        answer = await client.post("/registry/space/set", json={"key": key, "value": value})

    check_answer(answer)
    assert problem(answer, 503, "outcome_unknown")["detail"] == "the connection died while it committed"
    assert problem_of(OutcomeUnknownError("x")).status == 503


def test_a_backend_is_made_without_a_loop(postgres: PostgresServer) -> None:
    assert not PostgresqlBackend(postgres.new_schema()).epoch
