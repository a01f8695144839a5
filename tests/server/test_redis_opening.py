"""Which Redis is taken, which is refused, and what the refusal says to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import redis

from registry_server.storage.base import StorageError, StorageSetupError, StorageUnavailableError
from registry_server.storage.redis import RedisBackend
from registry_server.storage.redis_checks import WANTED, check_durability, check_kind, info_of
from registry_server.storage.redis_errors import translate
from registry_server.storage.redis_url import RedisOptions
from registry_server.storage.select import backend_from_url
from registry_server.testing import stored

SOUND = {"redis_version": "7.2.4", "redis_mode": "standalone", "role": "master", "master_replid": "f" * 40}


async def _refusal(backend: RedisBackend) -> str:
    with pytest.raises(StorageSetupError) as refused:
        await backend.open()
    return str(refused.value)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("appendonly", "no", "set appendonly yes"),
        ("appendfsync", "everysec", "set appendfsync always"),
        ("no-appendfsync-on-rewrite", "yes", "set no-appendfsync-on-rewrite no"),
        ("maxmemory-policy", "allkeys-lru", "set maxmemory-policy noeviction"),
    ],
)
async def test_what_can_lose_an_answered_write_is_refused_unless_that_is_allowed(
    redis_process, setting, value, message
):
    with redis_process.client() as client:
        before = client.config_get(setting)[setting]
        client.config_set(setting, value)
        try:
            refusal = await _refusal(redis_process.backend())
            volatile = redis_process.backend(allow_volatile=True)
            await volatile.open()
            await volatile.close()
        finally:
            client.config_set(setting, before)

    assert message in refusal
    assert "--allow-volatile" in refusal
    assert not volatile.durable


async def test_what_passes_is_durable(redis_process):
    backend = redis_process.backend()
    await backend.open()

    assert backend.durable
    await backend.close()


@pytest.mark.parametrize("rights", ["-config", "-config -@admin"])
async def test_where_the_configuration_is_secret_the_operators_word_is_asked_for(redis_process, rights):
    with redis_process.client() as client:
        client.execute_command(
            "ACL", "SETUSER", "tenant", "on", ">word", "~*", "&*", "+@all", *rights.split()
        )
    account = {"username": "tenant", "password": "word"}

    refusal = await _refusal(redis_process.backend(**account))
    backend = redis_process.backend(**account, assume_durable=True)
    await backend.open()
    await backend.put("space", "key", stored("value"))
    await backend.close()

    assert "CONFIG is forbidden" in refusal
    assert "?assume_durable=1" in refusal
    assert backend.durable


async def test_the_rights_that_the_documents_name_suffice(redis_process):
    """And no others: the page is read for them."""
    page = (Path(__file__).parents[2] / "docs" / "redis.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith("ACL SETUSER registry "))
    words = line.replace(">password", ">word").split()
    with redis_process.client() as client:
        client.execute_command(*words)
    backend = redis_process.backend(username="registry", password="word")

    await backend.open()
    written = await backend.put("space", "key", stored("value"))

    assert await backend.get("space", "key") == (written.entry, 1)
    await backend.delete("space", "key")
    await backend.clear("space")
    await backend.totals(largest=1)
    await backend.close()


async def test_a_wrong_password_is_refused_and_never_shown(start_redis):
    process = start_redis(requirepass="correct")

    wrong = await _refusal(process.backend(password="geheim"))
    missing = await _refusal(process.backend())
    right = process.backend(password="correct")
    await right.open()

    assert "refuses the user or the password" in wrong
    assert "refuses the user or the password" in missing
    assert "geheim" not in wrong
    assert "correct" not in right.location + repr(right._options)
    await right.close()


async def test_a_replica_is_refused_and_its_primary_named(start_redis):
    primary = start_redis()
    replica = start_redis(replicaof=f"127.0.0.1 {primary.port}")

    assert f"name its primary, 127.0.0.1:{primary.port}" in await _refusal(replica.backend())


async def test_nobody_there_is_said_at_the_start(start_redis):
    process = start_redis()
    process.kill()

    refusal = await _refusal(process.backend())

    assert "cannot reach the Redis" in refusal
    assert "--storage" in refusal


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"redis_version": "6.2.14"}, "use Redis 7 or newer, or Valkey"),
        ({"redis_mode": "cluster"}, "use one primary"),
        ({"role": "slave", "master_host": "db1", "master_port": "6379"}, "db1:6379"),
        ({"master_replid": ""}, "replication id"),
    ],
)
def test_what_scripts_cannot_run_on_is_refused(found, message):
    check_kind(SOUND, RedisOptions())

    with pytest.raises(StorageSetupError, match=message):
        check_kind(SOUND | found, RedisOptions())


def test_a_setting_that_a_redis_does_not_have_is_not_taken_for_sound():
    check_durability({}, WANTED, RedisOptions())

    with pytest.raises(StorageSetupError, match="appendfsync None"):
        check_durability({}, {"appendonly": "yes"}, RedisOptions())


def test_info_is_read_whatever_its_values_hold():
    assert info_of(b"# Server\r\nrole:master\r\nexecutable:/a:b\r\n\r\nodd:\xff\r\n") == {
        "role": "master",
        "executable": "/a:b",
        "odd": "\ufffd",
    }


async def test_a_store_of_a_later_format_is_left_alone(redis_process):
    options = redis_process.options()
    with redis_process.client(options.database) as client:
        client.hset("registry:{.}:store", mapping={"format": 2, "epoch": "e", "replid": "r"})

        assert "of format 2" in await _refusal(RedisBackend(options))

        assert client.hget("registry:{.}:store", "epoch") == b"e"


async def test_stores_of_one_database_differ_in_their_prefix(redis_process):
    options = redis_process.options(database=1)
    one = RedisBackend(options)
    other = RedisBackend(redis_process.options(database=1, prefix="other"))
    await one.open()
    await other.open()

    await one.put("space", "key", stored("value"))

    assert await other.count("space") == (0, 0)
    assert (await other.totals(largest=1)).namespaces == 0
    await one.close()
    await other.close()


async def test_a_store_that_was_copied_elsewhere_begins_an_epoch(start_redis, tmp_path):
    """As a restored backup does, and a replica that was promoted: what followed may be lost."""
    first = start_redis()
    backend = first.backend(database=0)
    await backend.open()
    await backend.put("space", "key", stored("value"))
    epoch = backend.epoch
    await backend.close()
    first.kill()
    shutil.copytree(tmp_path / "redis0" / "appendonlydir", tmp_path / "redis1" / "appendonlydir")

    restored = start_redis().backend(database=0)
    await restored.open()

    assert restored.epoch != epoch
    assert (await restored.count("space")) == (1, 1)
    await restored.close()


async def test_an_emptied_store_begins_an_epoch_under_a_running_server(redis_process):
    options = redis_process.options()
    backend = RedisBackend(options)
    await backend.open()
    epoch = backend.epoch
    await backend.put("space", "key", stored("value"))
    told: list[str] = []
    await backend.changes("space", 1, limit=1, max_bytes=1, max_value=1)  # a poll that waits from here on
    await backend.changes("space", 1, limit=1, max_bytes=1, max_value=1)  # by now the first move is told
    backend.subscribe(told.append)
    with redis_process.client(options.database) as client:
        client.flushdb()

    with pytest.raises(StorageUnavailableError, match="another history"):
        await backend.put("space", "key", stored("value"))
    assert "space" in told  # polls wake, and see that their epoch is over
    written = await backend.put("space", "key", stored("value"))

    assert backend.epoch != epoch
    assert written.head == 1
    await backend.close()


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis://cache", "redis://cache:6379/0"),
        ("valkey://:geheim@cache:7000/3", "redis://cache:7000/3"),
        ("rediss://user:geheim@[::1]/1?prefix=team", "rediss://[::1]:6379/1?prefix=team"),
        ("REDIS://u%40x:geheim%2F@cache?allow_volatile=1", "redis://cache:6379/0"),
        ("redis://cache?wait_replicas=2&timeout=0.5&assume_durable=0", "redis://cache:6379/0"),
    ],
)
def test_a_location_is_the_url_without_its_secrets(url, location):
    assert backend_from_url(url).location == location


def test_what_an_url_says_is_what_is_used():
    backend = backend_from_url(
        "rediss://us%40er:pa%2Fss@h:1/2?prefix=p&timeout=1.5&wait_replicas=3&ssl_ca_certs=/ca.pem"
    )

    assert isinstance(backend, RedisBackend)
    assert backend._options == RedisOptions(
        host="h",
        port=1,
        database=2,
        username="us@er",
        password="pa/ss",
        tls=True,
        files=(("ssl_ca_certs", "/ca.pem"),),
        prefix="p",
        wait_replicas=3,
        timeout=1.5,
    )


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("redis:cache", "redis://"),
        ("redis://:geheim@cache:port", "port"),
        ("redis://:geheim@cache:99999", "port"),
        ("redis://:geheim@[cache", "host"),
        ("redis://:ge#heim@cache", "%23"),
        ("redis://:geheim@cache/zero", "database is a number"),
        ("redis://:geheim@cache/0?waits=1", "no option 'waits'; it has allow_volatile"),
        ("redis://:geheim@cache?allow_volatile=yes", "0 or 1"),
        ("redis://:geheim@cache?prefix={a}", "prefix"),
        ("redis://:geheim@cache?timeout=0", "0.1 to 60"),
        ("redis://:geheim@cache?wait_replicas=many", "0 to 99"),
        ("redis://:geheim@cache?ssl_ca_certs=/ca.pem", "rediss://"),
    ],
)
def test_an_url_that_is_not_understood_is_refused_without_its_password(rest, message):
    with pytest.raises(StorageSetupError) as refused:
        backend_from_url(rest)

    assert message in str(refused.value)
    assert "heim" not in str(refused.value)


def test_every_error_of_redis_py_is_one_of_the_storages():
    """A class that a later version adds is seen here too."""
    kinds = [kind for kind in vars(redis.exceptions).values() if isinstance(kind, type)]
    errors = [kind for kind in kinds if issubclass(kind, redis.RedisError)]

    assert len(errors) > 20
    for kind in errors:
        error = translate(kind.__new__(kind), "redis://h:6379/0")
        assert isinstance(error, StorageError)
        assert "redis://h:6379/0" in str(error)
