"""Many namespaces in one poll."""

import asyncio

import pytest

from registry_server.storage.base import Put
from registry_server.storage.history import KEPT, SLACK
from registry_server.testing import stored
from tests.server.wire import cursor_of, problem, put, until

LONG = 55


def revisions(answer):
    return [change["revision"] for change in answer["changes"]]


async def watch_many(client, cursors, wait=0):
    """What has moved, by namespace."""
    answer = await client.post("/watch", json={"cursors": cursors, "wait": wait}, timeout=60)
    assert answer.status_code == 200, answer.text
    listed = answer.json()["namespaces"]
    assert len({one["namespace"] for one in listed}) == len(listed)
    return {one.pop("namespace"): one for one in listed}


async def cursors_of(client, *spaces):
    return {space: await cursor_of(client, space) for space in spaces}


async def fill(backend, space, count):
    for first in range(0, count, 1_000):
        numbers = range(first, min(first + 1_000, count))
        await backend.put_many(space, [Put(f"{number}", stored(number)) for number in numbers])


async def test_those_that_have_moved_are_listed_and_no_others(client, hub):
    """REG-WCH-06."""
    cursors = await cursors_of(client, "a", "b", "c")
    await put(client, "x", space="a")
    await put(client, "y", space="c")
    await put(client, "z", space="elsewhere")

    moved = await watch_many(client, cursors, wait=LONG)

    assert {name: revisions(one) for name, one in moved.items()} == {"a": [1], "c": [1]}
    assert moved["a"]["cursor"] == moved["a"]["head"] == await cursor_of(client, "a")


async def test_a_change_of_any_of_them_is_waited_for(client, hub):
    """REG-WCH-06."""
    cursors = await cursors_of(client, "a", "b", "c")
    for space in ("b", "a", "c"):
        waiting = asyncio.create_task(watch_many(client, cursors, wait=LONG))
        await until(lambda: hub.waiting)
        await put(client, "k", space=space)

        moved = await waiting

        assert moved.keys() == {space}
        cursors[space] = moved[space]["cursor"]


async def test_where_nothing_moved_nothing_is_listed(client, hub):
    """REG-WCH-06."""
    cursors = await cursors_of(client, "a", "b")

    assert await watch_many(client, cursors, wait=0) == {}
    assert await watch_many(client, cursors, wait=1) == {}


async def test_one_that_cannot_be_gone_on_from_does_not_hide_the_others(client, backend, hub):
    """REG-WCH-06, REG-WCH-03."""
    cursors = await cursors_of(client, "moved", "still", "compacted", "future")
    await put(client, "k", space="moved")
    await fill(backend, "compacted", KEPT + SLACK + 1)
    cursors["future"] = cursors["future"].replace(".0", ".5")
    cursors["foreign"] = "0" * 32 + ".0"

    moved = await watch_many(client, cursors, wait=LONG)

    assert revisions(moved.pop("moved")) == [1]
    assert {name: one["gone"] for name, one in moved.items()} == {
        "compacted": "compacted",
        "future": "future_cursor",
        "foreign": "epoch_changed",
    }
    for name, one in moved.items():
        assert one["changes"] == []
        assert one["cursor"] == one["head"] == await cursor_of(client, name)


async def test_a_thousand_are_watched_in_one_poll(client, hub):
    """REG-WCH-06."""
    epoch = (await cursor_of(client)).partition(".")[0]
    cursors = {f"n{number}": f"{epoch}.0" for number in range(1_000)}
    waiting = asyncio.create_task(watch_many(client, cursors, wait=LONG))
    await until(lambda: hub.waiting)

    await put(client, "k", space="n777")

    assert (await waiting).keys() == {"n777"}


async def test_an_answer_ends_at_1000_changes_and_the_rest_comes_next(client, backend, hub):
    """REG-WCH-06."""
    cursors = await cursors_of(client, "a", "b", "c", "d")
    for space in cursors:
        await fill(backend, space, 600)

    seen = {space: [] for space in cursors}
    answers = 0
    while moved := await watch_many(client, cursors, wait=0):
        answers += 1
        assert sum(len(one["changes"]) for one in moved.values()) <= 1_600
        for space, one in moved.items():
            seen[space] += revisions(one)
            cursors[space] = one["cursor"]

    assert seen == {space: [*range(1, 601)] for space in cursors}
    assert answers == 2


async def test_one_that_never_rests_does_not_starve_the_others(client, backend, hub):
    """REG-WCH-06."""
    cursors = await cursors_of(client, "a", "b", "c")
    for space in cursors:
        await fill(backend, space, 1_000)

    answered = [await watch_many(client, cursors, wait=0) for _ in cursors]

    assert [len(moved) for moved in answered] == [1, 1, 1]
    assert {name for moved in answered for name in moved} == set(cursors)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"cursors": {}}, "invalid_body"),
        ({"cursors": {f"n{number}": "x.0" for number in range(1_001)}}, "invalid_body"),
        ({"cursors": {"a": 1}}, "invalid_body"),
        ({"cursors": {"a": ""}}, "invalid_body"),
        ({"cursors": {"a": "x" * 129}}, "invalid_body"),
        ({"cursors": ["a"]}, "invalid_body"),
        ({"cursors": {"a": "x.0"}, "wait": 56}, "invalid_body"),
        ({"cursors": {"a": "x.0"}, "wait": -1}, "invalid_body"),
        ({"cursors": {"a": "x.0"}, "wait": 1.5}, "invalid_body"),
        ({"cursors": {"a": "x.0"}, "limit": 1}, "invalid_body"),
        ({}, "invalid_body"),
        ({"cursors": {"a": "x.0", "a_b": "x.0"}}, "invalid_namespace"),
        ({"cursors": {"": "x.0"}}, "invalid_namespace"),
        ({"cursors": {"a" * 256: "x.0"}}, "invalid_namespace"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_watch_request_is_422(body, code, client, hub):
    """REG-ERR-02, REG-WCH-06."""
    problem(await client.post("/watch", json=body), 422, code)
