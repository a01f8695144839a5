"""What a scrape tells, read by Prometheus' own parser."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from registry_server.access.guard import Guard
from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.base import StorageUnavailableError
from registry_server.storage.memory import MemoryBackend
from registry_server.storage.sqlite import SqliteBackend
from registry_server.tallies import SECONDS, Tally
from registry_server.watch import WatchHub
from tests.server.asgi import running
from tests.server.tokens import new_token
from tests.server.wire import cursor_of, get, put, setting, until, watch


async def scrape(client):
    """Every sample by its name and labels (status, operation, le); a histogram's buckets among them."""
    answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = [*text_string_to_metric_families(answer.text)]
    assert all(family.documentation and family.type != "unknown" for family in families)
    return {
        (sample.name, *(text for _, text in sorted(sample.labels.items(), reverse=True))): sample.value
        for family in families
        for sample in family.samples
    }


async def difference(client, act):
    """What the samples grew by while ``act`` ran; those that did not are left out."""
    before = await scrape(client)
    await act()
    after = await scrape(client)
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name)}


async def test_requests_are_counted_by_operation_and_status(client):
    """REG-SRV-05."""

    async def act():
        await put(client, "k")
        await put(client, "k", 2)
        await get(client, "k")
        await get(client, "missing")
        await client.head("/registry/a/get?key=k")
        await client.get("/registry/a_b/get?key=k")
        await client.post("/registry/a/set", content=b"{")

    grown = await difference(client, act)

    counted = {name[1:]: value for name, value in grown.items() if name[0] == "registry_requests_total"}
    assert counted == {
        ("200", "set_entry"): 2,
        ("415", "set_entry"): 1,
        ("200", "get_entry"): 2,
        ("404", "get_entry"): 1,
        ("422", "get_entry"): 1,
        ("200", "get_metrics"): 1,
    }


async def test_what_is_refused_before_an_operation_is_found_is_counted_too(client):
    """REG-SRV-05."""

    async def act():
        await client.get("/health", headers={"Host": "evil.example"})
        await client.put("/health")

    grown = await difference(client, act)

    assert grown["registry_requests_total", "421", "none"] == 1
    assert grown["registry_requests_total", "405", "none"] == 1


async def test_latencies_are_a_histogram_by_operation(client):
    """REG-SRV-05."""

    async def act():
        for _ in range(3):
            await client.get("/health")

    grown = await difference(client, act)

    assert grown["registry_request_seconds_count", "get_health"] == 3
    assert grown["registry_request_seconds_bucket", "get_health", "+Inf"] == 3
    assert 0 < grown["registry_request_seconds_sum", "get_health"] < 60
    samples = await scrape(client)
    buckets = [samples["registry_request_seconds_bucket", "get_health", str(bound)] for bound in SECONDS]
    assert buckets == sorted(buckets)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, 0), (0.0005, 0), (0.00051, 1), (55.0, 15), (60.0, 15), (60.1, 16)]
)
def test_a_time_is_counted_in_the_first_bucket_that_holds_it(seconds, bucket):
    tally = Tally()

    tally.note(200, seconds)

    assert [index for index, count in enumerate(tally.in_bucket) if count] == [bucket]


async def test_entries_namespaces_and_watchers_are_as_they_are_now(client, hub):
    """REG-SRV-05."""
    await put(client, "k", space="a")
    await put(client, "l", space="a")
    await put(client, "k", space="b")
    waiting = asyncio.create_task(watch(client, await cursor_of(client), wait=55))
    await until(lambda: hub.waiting)

    samples = await scrape(client)

    names = ("registry_entries", "registry_namespaces", "registry_watchers")
    assert [samples[name,] for name in names] == [3, 2, 1]
    await put(client, "m", space="a")
    await waiting
    assert (await scrape(client))["registry_watchers",] == 0


async def test_the_process_is_measured(client):
    """REG-SRV-05."""
    samples = await scrape(client)

    assert samples["process_resident_memory_bytes",] > 1_000_000
    assert samples["process_cpu_seconds_total",] > 0


async def test_a_storage_that_counts_nothing_tells_nothing(client):
    """REG-SRV-05."""
    assert not [name for name, *_ in await scrape(client) if name.startswith("registry_storage")]


@pytest.fixture
async def over_sqlite(tmp_path):
    """A client of a server over SQLite, and its backend."""
    backend = SqliteBackend(tmp_path / "registry.db")
    await backend.open()
    async with running(create_app(ServerSettings(), backend)) as client:
        yield client, backend
    await backend.close()


async def test_commits_are_counted_with_their_operations(over_sqlite):
    """REG-SRV-05."""
    client, _ = over_sqlite

    async def act():
        await asyncio.gather(*(put(client, f"k{number}", number) for number in range(60)))

    grown = await difference(client, act)

    commits = grown["registry_storage_commit_operations_count",]
    assert 1 <= commits < 60
    assert grown["registry_storage_commit_operations_sum",] == 60
    assert grown["registry_storage_commit_operations_bucket", "+Inf"] == commits
    assert grown.get(("registry_storage_commit_operations_bucket", "1.0"), 0) < commits
    assert (await scrape(client))["registry_storage_queued",] == 0


async def test_what_waits_for_a_commit_is_counted(over_sqlite):
    """REG-SRV-05."""
    client, backend = over_sqlite

    writing = [asyncio.create_task(put(client, str(number))) for number in range(20)]
    await asyncio.sleep(0)

    assert backend.counters().queued == 20
    await asyncio.gather(*writing)
    assert backend.counters().queued == 0


async def test_failures_of_the_storage_are_counted(over_sqlite):
    """REG-SRV-05: a condition that fails is none of them."""
    client, backend = over_sqlite
    await put(client, "k")
    taken = await client.post("/registry/a/set", json=setting("k", 2), headers={"If-None-Match": "*"})
    assert taken.status_code == 412
    assert backend.counters().errors == 0

    backend._writer._connection.execute("PRAGMA query_only = 1")
    refused = await client.post("/registry/a/set", json=setting("l"))

    assert refused.status_code == 503
    assert (await scrape(client))["registry_storage_errors_total",] == 1
    backend._writer._connection.execute("PRAGMA query_only = 0")
    await put(client, "l")
    assert backend.counters().errors == 1


async def test_a_read_that_fails_is_counted(over_sqlite):
    """REG-SRV-05."""
    client, backend = over_sqlite
    await put(client, "k", "x" * 300_000)  # too large for the cache
    backend._reader.close()

    with pytest.raises(StorageUnavailableError):
        await backend.get("a", "k")

    assert backend.counters().errors == 1
    backend._reader = backend._file.connect_reader()


async def test_a_scrape_of_a_storage_that_is_away_is_503():
    """REG-SRV-05, REG-ERR-01."""
    backend = MemoryBackend()
    async with running(create_app(ServerSettings(), backend, WatchHub(backend))) as client:
        assert (await client.get("/metrics")).status_code == 503


async def test_files_of_tokens_and_audit_lines_are_told(tmp_path):
    path = tmp_path / "tokens"
    _, text = new_token(path, "*:write")
    settings = ServerSettings(tokens=str(path), audit_log=str(tmp_path / "audit.jsonl"))
    guard = Guard(str(path))
    backend = MemoryBackend()
    await backend.open()
    async with running(create_app(settings, backend, guard=guard)) as client:
        client.headers["Authorization"] = f"Bearer {text}"
        async with asyncio.timeout(20):
            while not guard.reserve.held:
                await asyncio.sleep(0.01)
        good = await scrape(client)
        path.write_bytes(b"damaged")
        guard.look()
        bad = await scrape(client)

    names = ("registry_token_files_unread", "registry_reserve_descriptors")
    assert [good[name,] for name in names] == [0, 1]
    assert [bad[name,] for name in names] == [1, 1]
    assert (good["registry_audit_waiting",], good["registry_audit_lost_total",]) == (0, 0)
