"""The audit log: who wrote what, and what became of it; never a value or a token."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import stat

import pytest

from registry_server.access import audit as audits
from registry_server.access.audit import AuditLog
from registry_server.access.audited import AuditedStorage
from registry_server.app import create_app
from registry_server.settings import ServerSettings
from registry_server.storage.base import StorageBackend, StorageFullError
from registry_server.storage.memory import MemoryBackend
from tests.server.asgi import running
from tests.server.test_access_matrix import OPERATIONS, example_request
from tests.server.tokens import Tokens, tokens_of_every_kind
from tests.server.wire import envelope, setting

SECRET = "hunter2"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory) -> Tokens:
    return tokens_of_every_kind(tmp_path_factory.mktemp("tokens"))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "audit.jsonl"


@pytest.fixture
async def server(file, tokens, monkeypatch):
    """A client with the token of an administrator, and the storage behind its server."""
    monkeypatch.setattr(audits, "FLUSH_SECONDS", 0.0)
    backend = MemoryBackend()
    await backend.open()
    async with running(
        create_app(ServerSettings(tokens=tokens.path, audit_log=str(file)), backend)
    ) as client:
        client.headers.update(tokens.fields["admin of all"])
        yield client, backend


def lines_in(file) -> list[dict]:
    """What it says; JSON Lines end with a line feed and nothing else."""
    text = file.read_text() if file.is_file() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


async def lines(file, count: int) -> list[dict]:
    """The file's lines once it has ``count`` of them."""
    async with asyncio.timeout(20):
        while len(found := lines_in(file)) < count:
            await asyncio.sleep(0.01)
    assert len(found) == count, found
    return found


async def test_a_write_is_one_line(server, file, tokens):
    client, _ = server
    answer = (await client.post("/registry/a/set", json=setting("k", SECRET))).json()

    [line] = await lines(file, 1)

    assert line.pop("time").endswith("Z")
    assert line == {
        "token": tokens.ids["admin of all"],
        "name": "admin of all",
        "client": "127.0.0.1",
        "operation": "set_entry",
        "namespace": "a",
        "key": "k",
        "outcome": "created",
        "revision": 1,
        "digest": answer["digest"],
    }


async def test_it_is_its_owners_alone(server, file):
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_every_outcome_is_told(server, file):
    client, _ = server

    async def post(value, **fields):
        await client.post("/registry/a/set", json=setting("k", value), headers=fields)

    await post(1)
    await post(1)
    await post(2)
    await post(3, **{"If-None-Match": "*"})
    await client.delete("/registry/a/delete?key=missing")
    await client.delete("/registry/a/delete?key=k", headers={"If-Match": '"x.1"'})
    await client.delete("/registry/a/delete?key=k")
    await post(4)
    await client.delete("/registry/a/clear")

    told = [(line["outcome"], line["key"], line["revision"]) for line in await lines(file, 9)]
    assert told == [
        ("created", "k", 1),
        ("unchanged", "k", 1),
        ("replaced", "k", 2),
        ("refused", "k", None),
        ("missing", "missing", None),
        ("refused", "k", None),
        ("deleted", "k", 3),
        ("created", "k", 4),
        ("cleared", None, 5),
    ]
    assert lines_in(file)[-1]["count"] == 1


@pytest.mark.parametrize("atomic", [False, True])
async def test_every_entry_of_a_batch_is_a_line(atomic, server, file):
    client, _ = server
    await client.post("/registry/a/set", json=setting("taken"))
    entries = [setting("x"), {**setting("taken", 2), "expect": "absent"}, setting("y")]

    await client.post("/registry/a/batch/set", json={"entries": entries, "atomic": atomic})

    told = [(line["key"], line["outcome"], line["revision"]) for line in (await lines(file, 4))[1:]]
    stored = "abandoned" if atomic else "created"
    assert told == [
        ("x", stored, None if atomic else 2),
        ("taken", "refused", None),
        ("y", stored, None if atomic else 3),
    ]
    assert {line["operation"] for line in lines_in(file)[1:]} == {"batch_set"}


@pytest.mark.parametrize(
    "error", [StorageFullError("full"), RuntimeError("hunter2"), asyncio.CancelledError()]
)
async def test_a_write_that_failed_is_told(error, file):
    class Failing(MemoryBackend):
        async def put(self, *_, **__):
            raise error

        async def clear(self, *_, **__):
            raise error

    log = AuditLog(str(file))
    storage = AuditedStorage(Failing(), log)
    for write in (storage.put("a", "k", envelope_stored()), storage.clear("a")):
        with pytest.raises(type(error)):
            await write
    await log.close()

    outcome = "failed" if isinstance(error, StorageFullError) else "unknown"
    assert [(line["key"], line["outcome"]) for line in lines_in(file)] == [("k", outcome), (None, outcome)]


def envelope_stored():
    from registry_server.envelopes import stored_of

    return stored_of(envelope(1), value_bytes=1_000)


async def test_what_a_token_does_not_allow_is_told(server, file, tokens):
    client, _ = server
    await client.post("/registry/production/set", json=setting("k"), headers=tokens.fields["writer"])
    await client.delete("/registry/research/clear", headers=tokens.fields["writer"])
    await client.get("/registry/production/keys", headers=tokens.fields["writer"])  # reads are not told

    told = [
        (line["name"], line["operation"], line["namespace"], line["outcome"]) for line in await lines(file, 2)
    ]
    assert told == [
        ("writer", "set_entry", "production", "forbidden"),
        ("writer", "clear_namespace", "research", "forbidden"),
    ]


WRITES = [
    name for name, (_, _, definition) in OPERATIONS.items() if definition.get("x-scope") in ("write", "admin")
]


@pytest.mark.parametrize("operation", WRITES)
async def test_no_write_of_the_contract_goes_untold(operation, server, file):
    """Made from the contract: an operation that is added and writes past the log fails here."""
    client, _ = server
    method, path, definition = OPERATIONS[operation]
    await client.post("/registry/research/set", json=setting("my_key"))
    before = len(await lines(file, 1))

    answer = await client.request(method, **example_request(path, definition, "research"))

    assert answer.status_code == 200, answer.text
    async with asyncio.timeout(20):
        while len(lines_in(file)) == before:
            await asyncio.sleep(0.01)
    assert {line["operation"] for line in lines_in(file)[before:]} == {operation}


READS = {"get", "get_many", "contains", "count", "page", "changes", "namespaces", "totals"}
NEITHER = {"location", "open", "close", "ping", "subscribe", "counters", "durable", "epoch"}


def test_every_method_of_a_storage_is_written_down_or_known_to_read():
    """One that is added has to be put into one of the two."""
    methods = {name for name, _ in inspect.getmembers(StorageBackend) if not name.startswith("_")}

    written = {name for name in vars(AuditedStorage) if not name.startswith("_")}

    assert written == methods - READS - NEITHER


async def test_no_value_and_no_token_is_in_it(server, file, tokens):
    client, _ = server
    value = setting("k", SECRET, note=SECRET)
    await client.post("/registry/a/set", json=value)
    await client.post("/registry/a/batch/set", json={"entries": [value]})
    await client.post("/registry/production/set", json=value, headers=tokens.fields["writer"])
    await client.post("/registry/a/set", json=value, headers=tokens.fields["nearly right"])

    await lines(file, 3)

    text = file.read_text()
    assert SECRET not in text
    assert not any(field.get("Authorization", "x" * 20)[-20:] in text for field in tokens.fields.values())


async def test_a_hostile_key_is_on_one_line(server, file):
    client, _ = server
    key = 'a\n{"time": "never"}\u2028\x00'

    await client.post("/registry/a/set", json=setting(key))

    assert [line["key"] for line in await lines(file, 1)] == [key]


async def test_lines_of_callers_at_once_are_not_mixed_up(server, file, tokens):
    client, _ = server
    kinds = ["writer of all", "admin of all", "admin", "writer"]

    async def write(kind, number):
        body = setting(f"{kind} {number}")
        await client.post("/registry/research/set", json=body, headers=tokens.fields[kind])

    await asyncio.gather(*(write(kind, number) for number in range(25) for kind in kinds))

    found = await lines(file, 100)
    assert all(line["key"].startswith(f"{line['name']} ") for line in found)


async def test_it_may_be_rotated(server, file):
    client, _ = server
    await client.post("/registry/a/set", json=setting("before"))
    await lines(file, 1)

    file.rename(file.with_suffix(".1"))
    await client.post("/registry/a/set", json=setting("after"))

    async with asyncio.timeout(20):
        while not file.exists():
            await asyncio.sleep(0.01)
    assert [line["key"] for line in await lines(file, 1)] == ["after"]


async def test_lines_that_cannot_be_written_wait_and_the_writes_go_on(server, file, caplog, monkeypatch):
    monkeypatch.setattr(audits, "RETRY_SECONDS", 0.01)
    client, _ = server
    file.unlink()
    file.mkdir()
    for number in range(3):
        answer = await client.post("/registry/a/set", json=setting(str(number)))
        assert answer.status_code == 200
    async with asyncio.timeout(20):
        while "cannot be written" not in caplog.text:
            await asyncio.sleep(0.01)

    file.rmdir()
    await client.post("/registry/a/set", json=setting("again"))

    assert [line["key"] for line in await lines(file, 4)] == ["0", "1", "2", "again"]


async def test_lines_that_wait_are_bounded(file, monkeypatch):
    monkeypatch.setattr(audits, "MAX_WAITING", 10)
    log = AuditLog(str(file))

    for number in range(25):
        log.note("a", "created", key=str(number))
    await log.close()
    log.note("a", "created", key="again")
    await log.close()

    assert [line.get("key", line) for line in lines_in(file)] == [{"lost": 15}, *map(str, range(10)), "again"]


async def test_what_was_noted_is_written_before_the_server_ends(file, tokens, monkeypatch):
    monkeypatch.setattr(audits, "FLUSH_SECONDS", 3_600.0)
    backend = MemoryBackend()
    await backend.open()
    async with running(create_app(ServerSettings(audit_log=str(file)), backend)) as client:
        await client.post("/registry/a/set", json=setting("k"))
        assert lines_in(file) == []

    [line] = lines_in(file)
    assert (line["token"], line["key"]) == (None, "k")


def test_one_that_cannot_be_opened_stops_the_start(tmp_path):
    with pytest.raises(OSError, match="directory"):
        create_app(ServerSettings(audit_log=str(tmp_path)), MemoryBackend())


def test_nothing_is_opened_where_none_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    create_app(ServerSettings(), MemoryBackend())

    assert os.listdir(tmp_path) == []
