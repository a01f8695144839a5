"""Many entries in one request."""

import pytest

from tests.server.wire import envelope, get, head_of, keys, problem, put, raw


def entry(key: str, value: object = 1, expect: str | None = None) -> dict:
    plain = {"key": envelope(key), "value": envelope(value)}
    return plain if expect is None else {**plain, "expect": expect}


async def batch(client, *entries, **fields):
    return await client.post("/registry/a/batch/set", json={"entries": entries, **fields})


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
