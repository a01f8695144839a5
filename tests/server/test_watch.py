"""Changes, as they come: what a long poll answers, and when."""

import asyncio
import json

import pytest

from registry_server.storage.base import Put
from registry_server.storage.history import KEPT, SLACK
from registry_server.testing import stored
from tests.server.wire import cursor_of, envelope, problem, put, setting, until, watch

LONG = 55
OVERHEAD = len(json.dumps(envelope(""), separators=(",", ":")))
"""Bytes of an envelope beside the text in it."""


@pytest.fixture
async def begin(client):
    """The cursor of a namespace before its first change."""
    return await cursor_of(client)


def revisions(answer):
    return [change["revision"] for change in answer["changes"]]


async def put_batch(client, *keys, space="a"):
    body = {"entries": [setting(key) for key in keys]}
    assert (await client.post(f"/registry/{space}/batch/set", json=body)).status_code == 200


async def poll(client, hub, since, space="a", **params):
    """A request that waits; returned once it does."""
    before = hub.waiting
    task = asyncio.create_task(watch(client, since, space, wait=LONG, **params))
    await until(lambda: hub.waiting > before or task.done())
    assert not task.done()
    return task


# What is answered


async def test_without_a_cursor_it_answers_the_current_one_at_once(client, hub):
    """REG-WCH-01."""
    await put(client, "k")

    answer = (await client.get("/registry/a/watch")).json()

    now = await cursor_of(client)
    assert answer == {"changes": [], "cursor": now, "head": now}


async def test_changes_after_the_cursor_come_at_once_and_in_order(client, begin, hub):
    """REG-WCH-01, REG-CHG-01."""
    stored_at = await put(client, "k", 1)
    await put(client, "l", 2)
    await client.delete("/registry/a/delete?key=l")
    await client.delete("/registry/a/clear")

    answer = await watch(client, begin, wait=LONG)

    times = [change.pop("updated_at") for change in answer["changes"]]
    assert times == sorted(times)
    assert answer["changes"][0] == {"revision": 1, "op": "set", "key": "k", "digest": stored_at["digest"]}
    assert answer["changes"][1].keys() == {"revision", "op", "key", "digest"}
    assert answer["changes"][2:] == [
        {"revision": 3, "op": "delete", "key": "l"},
        {"revision": 4, "op": "clear"},
    ]
    assert answer["cursor"] == answer["head"] == await cursor_of(client)


async def test_it_answers_once_there_is_a_change(client, begin, hub):
    """REG-WCH-01."""
    waiting = await poll(client, hub, begin)

    await put(client, "k", 7)

    assert [change["value"] for change in (await waiting)["changes"]] == [envelope(7)]


async def test_without_a_change_it_answers_none_after_the_wait(client, begin, hub):
    """REG-WCH-01."""
    nothing = {"changes": [], "cursor": begin, "head": begin}

    assert await watch(client, begin, wait=0) == nothing
    assert await watch(client, begin, wait=1) == nothing


async def test_what_is_no_change_of_the_namespace_wakes_nobody(client, hub):
    """REG-WCH-01, REG-WCH-02."""
    await put(client, "k")
    waiting = await poll(client, hub, await cursor_of(client))

    await put(client, "k")
    await put(client, "k", space="b")
    await client.delete("/registry/a/delete?key=missing")
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()

    await put(client, "l")
    assert revisions(await waiting) == [2]


@pytest.mark.parametrize("limit", [1, 3, 1_000])
async def test_from_every_revision_the_rest_comes_once_each(limit, client, begin, hub):
    """REG-WCH-02."""
    epoch = begin.partition(".")[0]
    for number in range(8):
        await put(client, str(number))

    for first in range(9):
        cursor, seen = f"{epoch}.{first}", []
        while (answer := await watch(client, cursor, limit=limit))["changes"]:
            cursor = answer["cursor"]
            seen += revisions(answer)
        assert seen == list(range(first + 1, 9))


async def test_an_etag_is_a_cursor_too(client, hub):
    """REG-WCH-02."""
    first = await put(client, "k")
    await put(client, "l")

    assert revisions(await watch(client, first["etag"])) == [2]


async def test_no_change_is_missed_or_comes_twice_beside_writers(client, begin, hub):
    """REG-WCH-02, REG-CHG-02."""

    async def write(name):
        for number in range(30):
            await put_batch(client, f"{name}{number}", f"{name}{number}x")
            await put(client, name, number)

    async def follow():
        cursor, seen = begin, []
        while len(seen) < 270:
            answer = await watch(client, cursor, wait=LONG, limit=2)
            cursor = answer["cursor"]
            seen += revisions(answer)
        return seen

    *_, seen, also = await asyncio.gather(*map(write, "xyz"), follow(), follow())

    assert seen == also == list(range(1, 271))


async def test_an_answer_holds_its_limit_and_says_that_there_is_more(client, begin, hub):
    """REG-WCH-04."""
    for key in "abc":
        await put(client, key)

    answer = await watch(client, begin, limit=2)

    assert revisions(answer) == [1, 2]
    assert (answer["cursor"][-2:], answer["head"][-2:]) == (".2", ".3")


async def test_a_batch_is_never_split_over_two_answers(client, begin, hub):
    """REG-WCH-04, REG-CHG-02."""
    await put(client, "x")
    await put_batch(client, *"abcd")
    drops = {"entries": [{"key": envelope(key)} for key in ("a", "missing", "d")]}
    await client.post("/registry/a/batch/delete", json=drops)
    await put(client, "y")

    cursor, answers = begin, []
    while (answer := await watch(client, cursor, limit=1))["changes"]:
        cursor = answer["cursor"]
        answers.append(revisions(answer))

    assert answers == [[1], [2, 3, 4, 5], [6, 7], [8]]


async def test_a_batch_that_is_waited_for_comes_whole(client, begin, hub):
    """REG-CHG-02."""
    waiting = await poll(client, hub, begin, limit=1)

    await put_batch(client, *"abcd")

    assert revisions(await waiting) == [1, 2, 3, 4]


# What travels with a change


async def test_a_value_travels_if_it_is_the_entrys_and_small(client, begin, hub):
    """REG-CHG-01."""
    fitting = "x" * (64 * 1024 - OVERHEAD)
    await put(client, "replaced", 1)
    await put(client, "removed", 1)
    await put(client, "replaced", 2)
    await client.delete("/registry/a/delete?key=removed")
    await put(client, "fitting", fitting)
    await put(client, "large", fitting + "x")

    changes = (await watch(client, begin))["changes"]

    values = {change["revision"]: change["value"]["data"] for change in changes if "value" in change}
    assert values.keys() == {3, 5}
    assert values[3] == "2"
    assert len(values[5]) == len(fitting) + 2


async def test_an_answer_carries_8_mib_of_values_at_most(client, begin, hub):
    """REG-CHG-01."""
    for number in range(150):
        await put(client, str(number), "x" * 60_000)

    answer = await watch(client, begin)

    carried = ["value" in change for change in answer["changes"]]
    assert len(carried) == 150
    assert sum(carried) == 8 * 1024 * 1024 // (60_000 + OVERHEAD)
    assert carried == sorted(carried, reverse=True)


# What cannot be gone on from


async def gone(client, since, code):
    """The problem that the watch answers, whose cursor is the namespace's."""
    answer = await client.get("/registry/a/watch", params={"since": since, "wait": LONG})
    document = problem(answer, 410, code)
    assert document["cursor"] == await cursor_of(client)
    assert document["context"] == {"namespace": "a"}
    assert any("list" in suggestion for suggestion in document["suggestions"])
    return document["cursor"]


async def test_what_is_compacted_is_410_and_the_latest_10000_are_there(client, backend, begin, hub):
    """REG-WCH-03, REG-CHG-03."""
    total = KEPT + SLACK + 1
    for first in range(0, total, 1_000):
        numbers = range(first, min(first + 1_000, total))
        await backend.put_many("a", [Put(str(number), stored(number)) for number in numbers])

    cursor = await gone(client, begin, "compacted")

    kept = cursor.replace(f".{total}", f".{total - KEPT}")
    assert revisions(await watch(client, kept, limit=1))[0] == total - KEPT + 1
    await put(client, "next")
    assert revisions(await watch(client, cursor)) == [total + 1]


async def test_a_cursor_of_another_store_is_410(client, hub):
    """REG-WCH-03."""
    await put(client, "k")

    await gone(client, "0" * 32 + ".1", "epoch_changed")


async def test_a_cursor_from_before_a_restart_without_memory_is_410(client, backend, begin, hub):
    """REG-WCH-03, REG-REV-02."""
    await put(client, "k")
    old = await cursor_of(client)
    await backend.close()
    await backend.open()
    for key in "abc":
        await put(client, key)

    cursor = await gone(client, old, "epoch_changed")

    await put(client, "d")
    assert revisions(await watch(client, cursor)) == [4]


async def test_a_cursor_of_the_future_is_410(client, begin, hub):
    """REG-WCH-03."""
    await put(client, "k")

    await gone(client, begin.replace(".0", ".2"), "future_cursor")
    await gone(client, begin.replace(".0", "." + "9" * 18), "future_cursor")


MALFORMED = ["1", ".1", "x", "x.", "x.01", "x.-1", "x.+1", "x.1.2", "x.1e3", "x 1.1", "é.1", "x." + "9" * 19]


@pytest.mark.parametrize("cursor", [*MALFORMED, "x.1\n", "x.\u0661", "x" * 101 + ".1"])
async def test_what_is_no_cursor_is_400(cursor, client, hub):
    """REG-ERR-01, REG-ERR-02."""
    problem(await client.get("/registry/a/watch", params={"since": cursor}), 400, "invalid_cursor")

    body = {"cursors": {"fine": "x.1", "a": cursor}, "wait": LONG}
    document = problem(await client.post("/watch", json=body), 400, "invalid_cursor")
    assert document["context"] == {"namespace": "a"}


@pytest.mark.parametrize(
    "params",
    [{"since": ""}, {"since": "x" * 129}, *({"wait": wait} for wait in (-1, 56, "1.5", "x", ""))]
    + [{"limit": limit} for limit in (0, 1_001, "x")],
)
async def test_a_parameter_outside_its_bounds_is_422(params, client, hub):
    """REG-ERR-02."""
    answer = await client.get("/registry/a/watch", params={"wait": "0", **params})

    problem(answer, 422, "invalid_parameter")


async def test_a_malformed_namespace_is_422(client, hub):
    """REG-ERR-02."""
    problem(await client.get("/registry/a_b/watch"), 422, "invalid_namespace")
