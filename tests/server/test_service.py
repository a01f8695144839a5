"""The server itself: health, readiness, statistics, capabilities, and a storage that fails."""

import asyncio
from datetime import datetime
from importlib.metadata import version

import pytest

from registry_server.storage.base import OutcomeUnknownError, StorageFullError, StorageUnavailableError
from tests.server.wire import PROBLEM, envelope, operations, problem, put, setting


async def test_health_has_exactly_two_fields(client):
    """REG-SRV-01."""
    assert (await client.get("/health")).json() == {"status": "healthy", "service": "registry-server"}


async def test_ready_while_the_storage_answers(client):
    """REG-SRV-02."""
    assert (await client.get("/ready")).json() == {"status": "ready"}


async def test_not_ready_but_healthy_while_it_does_not(client, backend):
    """REG-SRV-01, REG-SRV-02."""
    await backend.close()

    gone = await client.get("/ready")

    problem(gone, 503, "storage_unavailable")
    assert gone.headers["retry-after"] == "1"
    assert (await client.get("/health")).status_code == 200


async def test_stats_count_entries_as_they_are_now(client):
    """REG-SRV-03."""
    for space, key in (("a", "x"), ("a", "y"), ("b", "x"), ("gone", "x")):
        await put(client, key, space=space)
    await client.delete("/registry/gone/delete?key=x")

    stats = (await client.get("/stats")).json()

    assert (stats["namespaces"], stats["total_entries"]) == (2, 3)
    assert stats["namespace_sizes"] == {"a": 2, "b": 1}
    assert (stats["storage"], stats["version"]) == ("memory:", version("namestead"))
    assert datetime.fromisoformat(stats["created_at"]).tzinfo is not None
    assert stats["uptime_seconds"] >= 0


async def test_stats_count_requests_since_the_start(client):
    """REG-SRV-03: those that were answered with an error too."""

    async def counts():
        stats = (await client.get("/stats")).json()
        return [stats[f"{name}_requests"] for name in ("get", "set", "delete", "total")]

    before = await counts()
    await put(client, "k")
    await client.post("/registry/a/batch/set", json={"entries": [setting("l")]})
    await client.get("/registry/a/get?key=k")
    await client.get("/registry/a/get?key=missing")
    await client.get("/registry/a_b/get?key=k")
    await client.delete("/registry/a/delete?key=k")
    await client.get("/registry/a/length")
    after = await counts()

    assert [new - old for old, new in zip(before, after, strict=True)] == [3, 2, 1, 8]


async def test_stats_name_the_1000_largest_namespaces_at_most(client):
    """REG-SRV-03."""
    for number in range(1_001):
        await put(client, "k", space=f"small{number}")
    await put(client, "l", space="small1000")

    stats = (await client.get("/stats")).json()

    assert (stats["namespaces"], len(stats["namespace_sizes"])) == (1_001, 1_000)
    assert stats["namespace_sizes"]["small1000"] == 2


async def test_capabilities_name_the_profiles_and_limits(client):
    """REG-SRV-04."""
    assert (await client.get("/capabilities")).json() == {
        "protocol": "1.0.0",
        "profiles": ["core", "conditional", "batch", "watch"],
        "envelope_types": ["json", "pickle"],
        "limits": {
            "body_bytes": 16 * 1024 * 1024,
            "value_bytes": 8 * 1024 * 1024,
            "key_bytes": 1_024,
            "batch_entries": 1_000,
            "page_entries": 1_000,
            "json_depth": 64,
            "header_bytes": 32 * 1024,
        },
    }


async def test_durable_is_offered_where_the_storage_is(client, backend, monkeypatch):
    """REG-SRV-04, REG-REV-04."""
    monkeypatch.setattr(backend, "durable", True)

    assert "durable" in (await client.get("/capabilities")).json()["profiles"]


async def request_everything(client):
    """One well-formed request of each operation; the answers by operationId."""
    keys = {"entries": [{"key": envelope("k")}]}
    bodies = {
        "set_entry": setting("k"),
        "batch_set": {"entries": [setting("k")]},
        "batch_get": keys,
        "batch_delete": keys,
        "watch_namespaces": {"cursors": {"a": "x.0"}, "wait": 0},
    }
    answers = {}
    for method, path, definition in operations():
        name = definition["operationId"]
        query = "?key=k" if name in ("get_entry", "delete_entry", "contains_entry") else ""
        body = {"json": bodies[name]} if name in bodies else {}
        answers[name] = await client.request(method, path.replace("{namespace}", "a") + query, **body)
    return answers


async def test_every_operation_answers_200(client):
    await put(client, "k")

    answers = await request_everything(client)

    assert {answer.status_code for answer in answers.values()} == {200}, answers


async def test_a_storage_that_is_away_is_503_and_try_again(client, backend):
    """REG-ERR-01."""
    await backend.close()

    answers = await request_everything(client)

    open_always = {"get_health", "get_capabilities"}
    for name, answer in answers.items():
        if name not in open_always:
            problem(answer, 503, "storage_unavailable")
            assert answer.headers["retry-after"] == "1"


async def test_a_full_storage_is_507_and_still_read(client, backend, monkeypatch):
    """REG-ERR-01, REG-ERR-02."""
    await put(client, "k")

    async def full(*_arguments, **_options):
        raise StorageFullError("there is no room left for registry.db; free some, nothing need be restarted")

    for write in ("put", "put_many", "delete", "delete_many", "clear"):
        monkeypatch.setattr(backend, write, full)

    answers = await request_everything(client)

    writes = {"set_entry", "batch_set", "delete_entry", "batch_delete", "clear_namespace"}
    for name in writes:
        assert "free some" in problem(answers.pop(name), 507, "storage_full")["detail"]
    assert {answer.status_code for answer in answers.values()} == {200}


async def test_a_busy_storage_says_so(client, backend, monkeypatch):
    async def busy(*_arguments, **_options):
        raise StorageUnavailableError("8192 writes are waiting for the disk; try again later")

    monkeypatch.setattr(backend, "put", busy)

    answer = await client.post("/registry/a/set", json=setting("k"))

    assert "try again later" in problem(answer, 503, "storage_unavailable")["detail"]


async def test_a_write_whose_outcome_is_unknown_is_told_from_one_that_failed(client, backend, monkeypatch):
    async def broken(*_arguments, **_options):
        raise OutcomeUnknownError("the connection broke while the write was under way")

    for write in ("put", "put_many", "delete", "clear"):
        monkeypatch.setattr(backend, write, broken)

    answers = await request_everything(client)

    for name in ("set_entry", "batch_set", "delete_entry", "clear_namespace"):
        assert problem(answers[name], 503, "outcome_unknown")["suggestions"]
        assert "retry-after" not in answers[name].headers


async def test_a_defect_is_500_that_says_nothing_and_logs_everything(client, backend, monkeypatch, caplog):
    """REG-ERR-01."""

    async def broken(*_arguments, **_options):
        raise RuntimeError("the secret of the house")

    for name in ("get", "put", "page", "totals"):
        monkeypatch.setattr(backend, name, broken)

    for answer in (
        await client.get("/registry/a/get?key=k"),
        await client.post("/registry/a/set", json=setting("k")),
        await client.get("/registry/a/keys"),
        await client.get("/stats"),
    ):
        problem(answer, 500, "server_fault")
        assert "secret" not in answer.text
    assert caplog.text.count("RuntimeError: the secret of the house") == 4


async def test_a_slow_request_does_not_hold_up_others(client, backend, monkeypatch):
    free = asyncio.Event()

    async def slow(*_arguments, **_options):
        await free.wait()
        raise StorageUnavailableError("at last")

    monkeypatch.setattr(backend, "put", slow)
    waiting = asyncio.create_task(client.post("/registry/a/set", json=setting("k")))

    assert (await client.get("/registry/a/length")).status_code == 200
    assert not waiting.done()
    free.set()
    problem(await waiting, 503, "storage_unavailable")


@pytest.mark.parametrize("path", ["/health", "/registry/a/get?key=k", "/registry/a/length", "/nowhere"])
async def test_answers_are_not_cached_blindly_and_not_sniffed(path, client):
    answer = await client.get(path)

    assert answer.headers["cache-control"] in ("no-cache", "no-store")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_problem_is_no_json_that_a_client_takes_for_an_answer(client):
    answer = await client.get("/registry/a/get?key=k")

    assert answer.headers["content-type"] == PROBLEM
    assert "value" not in answer.json()
