"""Many entries in one request."""

import asyncio

import pytest

from tests.server.wire import cursor_of, envelope, get, head_of, keys, problem, put, raw


def entry(key: str, value: object = 1, expect: str | None = None) -> dict:
    plain = {"key": envelope(key), "value": envelope(value)}
    return plain if expect is None else {**plain, "expect": expect}


async def batch(client, *entries, **fields):
    return await client.post("/registry/a/batch/set", json={"entries": entries, **fields})


def of(key: str, **fields: str) -> dict:
    return {"key": envelope(key), **fields}


async def batch_get(client, *entries):
    return await client.post("/registry/a/batch/get", json={"entries": entries})


async def batch_delete(client, *entries, **fields):
    return await client.post("/registry/a/batch/delete", json={"entries": entries, **fields})


def outcomes(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["outcome"] for one in answer.json()["outcomes"]]


async def test_entries_are_stored_in_their_order_with_adjacent_revisions(client):
    """REG-BAT-01."""
    await put(client, "b", 1)

    body = (await batch(client, entry("c"), entry("b", 2), entry("a"))).json()

    assert body["status"] == "success"
    assert [(one["outcome"], one["revision"]) for one in body["outcomes"]] == [
        ("created", 2),
        ("replaced", 3),
        ("created", 4),
    ]
    assert body["cursor"].endswith(".4")
    assert (await keys(client))["keys"] == ["b", "c", "a"]
    assert (await get(client, "b")).json()["etag"] == body["outcomes"][1]["etag"]


async def test_an_equal_entry_is_unchanged_and_uses_no_revision(client):
    """REG-BAT-01, REG-SET-02."""
    await put(client, "b", 1)

    body = (await batch(client, entry("a"), entry("b", 1), entry("c"))).json()

    assert [(one["outcome"], one["revision"]) for one in body["outcomes"]] == [
        ("created", 2),
        ("unchanged", 1),
        ("created", 3),
    ]


async def test_an_entry_that_is_not_as_expected_is_refused_by_itself(client):
    """REG-BAT-02."""
    stored = await put(client, "b", 1, identity="mine")

    body = (
        await batch(client, entry("a", 1, "absent"), entry("b", 2, "absent"), entry("c", 1, "x.1"))
    ).json()

    assert body["status"] == "partial"
    assert [one["outcome"] for one in body["outcomes"]] == ["created", "refused", "refused"]
    assert body["outcomes"][1] == {
        "outcome": "refused",
        "current": {
            "revision": 1,
            "etag": stored["etag"],
            "digest": stored["digest"],
            "meta": {"identity": "mine"},
        },
    }
    assert body["outcomes"][2] == {"outcome": "refused"}
    assert (await keys(client))["keys"] == ["b", "a"]


async def test_an_entry_at_the_expected_version_is_replaced(client):
    """REG-BAT-02."""
    stored = await put(client, "k", 1)

    body = (await batch(client, entry("k", 2, stored["etag"]))).json()

    assert body["outcomes"][0]["outcome"] == "replaced"


async def test_an_atomic_batch_is_stored_whole(client):
    """REG-BAT-02."""
    body = (await batch(client, entry("a", 1, "absent"), entry("b"), atomic=True)).json()

    assert [one["outcome"] for one in body["outcomes"]] == ["created", "created"]


async def test_an_atomic_batch_is_refused_whole(client):
    """REG-BAT-02."""
    stored = await put(client, "b", 1)

    answer = await batch(client, entry("a"), entry("b", 2, "absent"), entry("c", 1, "x.1"), atomic=True)

    lost = problem(answer, 412, "precondition_failed")
    assert lost["cursor"] == stored["cursor"]
    assert [(one["index"], one["outcome"]) for one in lost["context"]["failures"]] == [
        (1, "refused"),
        (2, "refused"),
    ]
    assert lost["context"]["failures"][0]["current"]["etag"] == stored["etag"]
    assert (await keys(client))["keys"] == ["b"]
    assert await head_of(client) == 1


async def test_a_batch_may_hold_1000_entries(client):
    """REG-BAT-01."""
    body = (await batch(client, *(entry(str(number)) for number in range(1_000)))).json()

    assert [one["revision"] for one in body["outcomes"]] == list(range(1, 1_001))


@pytest.mark.parametrize(
    ("entries", "code", "pointer"),
    [
        ([], "invalid_body", "/entries"),
        ([entry(str(number)) for number in range(1_001)], "invalid_body", "/entries"),
        ([entry("a"), entry("b"), entry("a", 2)], "invalid_body", "/entries/2"),
        ([entry("a"), {"key": envelope("b"), "value": raw("{")}], "malformed_envelope", "/entries/1"),
        ([entry("a"), {"key": raw("1"), "value": envelope(1)}], "invalid_key", "/entries/1"),
        ([entry("a"), {"key": raw("1" * 4), "value": envelope(1)}], "invalid_key", "/entries/1"),
        ([entry("a"), entry("b" * 1_025)], "invalid_key", "/entries/1"),
        ([entry("a"), {"key": envelope("b")}], "invalid_body", "/entries/1"),
        ([entry("a"), {**entry("b"), "extra": 1}], "invalid_body", "/entries/1"),
        ([entry("a"), entry("b", 1, "")], "invalid_body", "/entries/1/expect"),
        ([entry("a"), entry("b", 1, "x" * 129)], "invalid_body", "/entries/1/expect"),
        ([entry("a"), 7], "invalid_body", "/entries/1"),
        ("a", "invalid_body", "/entries"),
    ],
    ids=[
        *("none", "too many", "a key twice", "no JSON", "no text", "a number", "long key", "no value"),
        *("a field more", "empty expect", "long expect", "no entry", "no list"),
    ],
)
async def test_a_batch_with_one_mistake_stores_nothing(entries, code, pointer, client):
    """REG-BAT-03, REG-ERR-02."""
    answer = await client.post("/registry/a/batch/set", json={"entries": entries})

    assert problem(answer, 422, code)["context"]["pointer"].startswith(pointer)
    assert await head_of(client) == 0


async def test_a_value_over_the_limit_is_413_and_stores_nothing(client):
    """REG-BAT-03."""
    large = {"key": envelope("b"), "value": envelope("x" * (8 * 1024 * 1024))}

    answer = await client.post("/registry/a/batch/set", json={"entries": [entry("a"), large]})

    assert problem(answer, 413, "value_too_large")["context"]["index"] == 1
    assert await head_of(client) == 0


# Reading many


async def test_entries_are_read_by_index_and_what_is_not_there_is_missing(client):
    """REG-BAT-04."""
    await put(client, "a", 1, identity="mine")
    await put(client, "b", 2)

    body = (await batch_get(client, of("b"), of("no"), of("a"))).json()

    alone = [(await get(client, key)).json() for key in ("b", "a")]
    for one in alone:
        del one["cursor"]
    assert body["outcomes"] == [
        {"outcome": "found", **alone[0]},
        {"outcome": "missing"},
        {"outcome": "found", **alone[1]},
    ]
    assert body["cursor"] == await cursor_of(client)


async def test_of_a_namespace_that_is_not_there_all_is_missing(client):
    """REG-BAT-04."""
    assert outcomes(await batch_get(client, of("a"), of("b"))) == ["missing", "missing"]


async def test_what_the_reader_has_is_unchanged(client):
    """REG-BAT-04."""
    a, b = await put(client, "a", 1), await put(client, "b", 1)
    newer = await put(client, "b", 2)

    answer = await batch_get(
        client, of("a", unless=a["etag"]), of("b", unless=b["etag"]), of("c", unless=a["etag"])
    )

    assert outcomes(answer) == ["unchanged", "found", "missing"]
    assert answer.json()["outcomes"][1]["etag"] == newer["etag"]
    assert outcomes(await batch_get(client, of("a", unless="0" * 32 + ".1"))) == ["found"]
    assert outcomes(await batch_get(client, of("a", unless="anything"))) == ["found"]


async def test_many_are_read_as_of_one_moment(client, backend):
    """REG-BAT-04: both are written in one batch, so nobody sees one without the other."""

    async def write():
        for number in range(50):
            await batch(client, entry("a", number), entry("z", number))
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    while not writing.done():
        a, z = (await batch_get(client, of("a"), of("z"))).json()["outcomes"]
        assert a.get("value") == z.get("value")
        await asyncio.sleep(0)
    await writing


async def test_values_over_8_mib_are_omitted_and_come_when_asked_for_again(client):
    """REG-BAT-05."""
    sizes = {"a": 5_000_000, "b": 3_000_000, "c": 5_000_000, "d": 10}
    for key, size in sizes.items():
        await put(client, key, key * size)

    answer = await batch_get(client, *map(of, sizes))

    assert outcomes(answer) == ["found", "found", "omitted", "omitted"]
    assert answer.json()["outcomes"][2] == {"outcome": "omitted"}
    again = await batch_get(client, of("c"), of("d"))
    assert outcomes(again) == ["found", "found"]
    assert again.json()["outcomes"][0]["value"] == envelope("c" * 5_000_000)


async def test_one_value_comes_however_large_it_is(client):
    """REG-BAT-05."""
    await put(client, "a", "x" * (8 * 1024 * 1024 - 100))
    await put(client, "b", "y" * 200)

    assert outcomes(await batch_get(client, of("no"), of("a"), of("b"))) == ["missing", "found", "omitted"]


async def test_what_the_reader_has_takes_no_room_from_what_it_lacks(client):
    """REG-BAT-05: a reader that asks again for what was omitted gets further each time."""
    have = {key: (await put(client, key, key * 5_000_000))["etag"] for key in "ab"}
    await put(client, "c", "c" * 5_000_000)
    await put(client, "d", "d" * 5_000_000)
    wanted = {**have, "c": None, "d": None}

    read = []
    while None in wanted.values():
        asked = [of(key, unless=etag) if etag else of(key) for key, etag in wanted.items()]
        answer = (await batch_get(client, *asked)).json()["outcomes"]
        found = [
            (key, one["etag"]) for key, one in zip(wanted, answer, strict=True) if one["outcome"] == "found"
        ]
        assert found
        wanted |= dict(found)
        read += [key for key, _ in found]

    assert read == ["c", "d"]


# Removing many


async def test_entries_are_removed_in_their_order_one_change_each(client):
    """REG-BAT-06."""
    for key in "abc":
        await put(client, key)

    body = (await batch_delete(client, of("c"), of("no"), of("a"))).json()

    assert body["status"] == "success"
    assert body["outcomes"] == [
        {"outcome": "deleted", "revision": 4},
        {"outcome": "missing"},
        {"outcome": "deleted", "revision": 5},
    ]
    assert body["cursor"] == await cursor_of(client)
    assert (await keys(client))["keys"] == ["b"]


async def test_removing_nothing_is_no_change(client):
    """REG-BAT-06."""
    body = (await batch_delete(client, of("a"))).json()

    assert (body["status"], body["outcomes"]) == ("success", [{"outcome": "missing"}])
    assert await head_of(client) == 0


async def test_a_delete_that_is_not_as_expected_is_refused_by_itself(client):
    """REG-BAT-07."""
    a, b = await put(client, "a", 1, identity="mine"), await put(client, "b")

    body = (
        await batch_delete(
            client,
            of("a", expect=b["etag"]),
            of("b", expect=b["etag"]),
            of("no", expect=a["etag"]),
            of("c", expect="x.1"),
        )
    ).json()

    assert body["status"] == "partial"
    assert body["outcomes"][0] == {
        "outcome": "refused",
        "current": {
            **{"revision": 1, "etag": a["etag"], "digest": a["digest"]},
            "meta": {"identity": "mine"},
        },
    }
    assert body["outcomes"][1:] == [
        {"outcome": "deleted", "revision": 3},
        {"outcome": "refused"},
        {"outcome": "refused"},
    ]
    assert (await keys(client))["keys"] == ["a"]


async def test_an_atomic_delete_is_done_whole_or_refused_whole(client):
    """REG-BAT-07."""
    a, b = await put(client, "a"), await put(client, "b")

    answer = await batch_delete(client, of("a"), of("b", expect=a["etag"]), atomic=True)

    lost = problem(answer, 412, "precondition_failed")
    assert lost["cursor"] == b["cursor"]
    assert [(one["index"], one["key"]) for one in lost["context"]["failures"]] == [(1, "b")]
    assert lost["context"]["failures"][0]["current"]["etag"] == b["etag"]
    assert (await keys(client))["keys"] == ["a", "b"]
    assert outcomes(await batch_delete(client, of("a"), of("b", expect=b["etag"]), atomic=True)) == [
        "deleted",
        "deleted",
    ]


@pytest.mark.parametrize("operation", ["get", "delete"])
@pytest.mark.parametrize(
    ("entries", "code", "pointer"),
    [
        ([], "invalid_body", "/entries"),
        ([of(str(number)) for number in range(1_001)], "invalid_body", "/entries"),
        ([of("a"), of("b"), of("a")], "invalid_body", "/entries/2"),
        ([of("a"), {"key": raw("1")}], "invalid_key", "/entries/1"),
        ([of("a"), of("b" * 1_025)], "invalid_key", "/entries/1"),
        ([of("a"), {"key": envelope("b"), "value": envelope(1)}], "invalid_body", "/entries/1"),
        ([of("a"), {}], "invalid_body", "/entries/1"),
        ([of("a"), of("b", unless="", expect="")], "invalid_body", "/entries/1"),
    ],
    ids=["none", "too many", "a key twice", "a number", "long key", "a value", "no key", "empty version"],
)
async def test_a_batch_with_one_mistake_does_nothing(entries, code, pointer, operation, client):
    """REG-BAT-03, REG-ERR-02."""
    await put(client, "a")

    answer = await client.post(f"/registry/a/batch/{operation}", json={"entries": entries})

    assert problem(answer, 422, code)["context"]["pointer"].startswith(pointer)
    assert await head_of(client) == 1


async def test_a_thousand_are_set_read_and_removed_in_one_request_each(client):
    """REG-BAT-01, REG-BAT-04, REG-BAT-06."""
    names = [f"key {number}" for number in range(1_000)]
    await batch(client, *map(entry, names))

    assert outcomes(await batch_get(client, *map(of, names))) == ["found"] * 1_000
    assert outcomes(await batch_delete(client, *map(of, names))) == ["deleted"] * 1_000
    assert await head_of(client) == 2_000
