"""Two servers, processes of their own, over one Redis: to clients they are one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.contract.redis_process import RedisProcess
from tests.server.processes import LiveServer, command, environment
from tests.server.wire import keys, problem, put, setting

PASSWORD = "geheim-und-lang"


@pytest.fixture
def secured(start_redis) -> RedisProcess:
    return start_redis(requirepass=PASSWORD)


@pytest.fixture
def servers(secured, start_server) -> Iterator[list[LiveServer]]:
    url = f"redis://:{PASSWORD}@127.0.0.1:{secured.port}/0"
    servers = [start_server(url), start_server(url)]
    yield servers
    for server in servers:
        server.stop()
        assert PASSWORD not in server.log + "".join(server.greeting + server.said)


async def test_two_servers_over_one_redis_are_one_registry(servers, secured):
    async with (
        httpx.AsyncClient(base_url=servers[0].url, timeout=30) as one,
        httpx.AsyncClient(base_url=servers[1].url, timeout=30) as other,
    ):
        written = await put(one, "key", 1)
        found = (await other.get("/registry/a/get", params={"key": "key"})).json()
        assert (found["revision"], found["cursor"]) == (1, written["cursor"])

        watching = asyncio.create_task(
            other.get("/registry/a/watch", params={"since": written["cursor"], "wait": 25})
        )
        while (await other.get("/metrics")).text.count("watch") and not watching.done():
            await put(one, "news", 2)  # until it is heard: the poll may not have begun yet
            await asyncio.sleep(0.05)
        seen = (await watching).json()
        assert [change["key"] for change in seen["changes"]] == ["news"]

        answers = await asyncio.gather(
            *(
                client.post("/registry/a/set", json=setting("mine", n), headers={"If-None-Match": "*"})
                for n, client in enumerate([one, other] * 10)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
        assert await keys(one) == await keys(other)
        assert "durable" in (await one.get("/capabilities")).json()["profiles"]

        secured.kill()
        problem(await other.get("/ready"), 503, "storage_unavailable")
        assert (await other.get("/health")).status_code == 200
        secured.start()
        for client in (one, other):
            async with asyncio.timeout(30):
                while (await client.get("/ready")).status_code != 200:
                    await asyncio.sleep(0.05)
            assert (await client.get("/registry/a/length")).json()["length"] == 3
        gone = await other.get("/registry/a/watch", params={"since": seen["cursor"], "wait": 0})
        problem(gone, 410, "epoch_changed")


def test_a_server_that_cannot_use_its_redis_says_why_and_what_to_do(secured, tmp_path):
    with secured.client(password=PASSWORD) as client:
        client.config_set("appendfsync", "everysec")
    url = f"redis://:{PASSWORD}@127.0.0.1:{secured.port}"

    done = subprocess.run(
        command("--port", "0", "--storage", url),
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    said = " ".join((done.stdout + done.stderr).split())
    assert "set appendfsync always in its configuration" in said
    assert PASSWORD not in said
    assert "Traceback" not in said


def test_a_server_that_may_lose_writes_says_so(secured, start_server):
    with secured.client(password=PASSWORD) as client:
        client.config_set("appendonly", "no")

    server = start_server(f"redis://:{PASSWORD}@127.0.0.1:{secured.port}", "--allow-volatile")

    profiles = httpx.get(f"{server.url}/capabilities").json()["profiles"]
    assert "durable" not in profiles
    server.stop()
    assert server.said[-1] == "stopped; its storage may still lose the last writes"


def test_choosing_redis_without_its_package_names_the_extra(tmp_path):
    script = (
        "import sys; sys.modules['redis'] = None\n"
        "from registry_server.storage.select import backend_from_url as choose\n"
        "try: choose('redis://:geheim@h')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )

    assert "pip install '.[server,redis]'" in done.stdout
