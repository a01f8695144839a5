"""Many entries in one request."""

from __future__ import annotations

from typing import Any

from registry.conformance.check import check, require
from registry.conformance.context import Context, envelope, key_envelope, other_epoch

PAGE_BYTES = 8 * 1024 * 1024


def put(key: str, value: object, expect: str | None = None) -> dict[str, Any]:
    """An entry of a `batch/set`."""
    entry = {"key": key_envelope(key), "value": envelope(value)}
    return entry if expect is None else {**entry, "expect": expect}


def name(key: str, **more: str) -> dict[str, Any]:
    """An entry of a `batch/get` or `batch/delete`."""
    return {"key": key_envelope(key), **more}


def batch_set(
    ctx: Context, namespace: str, *entries: dict[str, Any], status: int = 200, **more: object
) -> Any:
    return ctx.expect(status, "batch_set", namespace, body={"entries": list(entries), **more}).json


def batch_get(ctx: Context, namespace: str, *entries: dict[str, Any]) -> Any:
    return ctx.expect(200, "batch_get", namespace, body={"entries": list(entries)}).json


def batch_delete(
    ctx: Context, namespace: str, *entries: dict[str, Any], status: int = 200, **more: object
) -> Any:
    return ctx.expect(status, "batch_delete", namespace, body={"entries": list(entries), **more}).json


def outcomes(answer: Any) -> list[str]:
    """The outcome of each entry, by index."""
    return [outcome["outcome"] for outcome in answer["outcomes"]]


@check("REG-BAT-01", profile="batch")
def a_batch_stores_in_order(ctx: Context) -> None:
    """A batch is stored in its order with adjacent revisions; outcomes come by index, as set answers them."""
    namespace = ctx.namespace()
    ctx.set(namespace, "old", 1)
    same = ctx.set(namespace, "same", 1).json
    done = batch_set(ctx, namespace, put("z", 1), put("old", 2), put("same", 1), put("a", 3))
    require(
        outcomes(done) == ["created", "replaced", "unchanged", "created"],
        f"the outcomes are {outcomes(done)}",
    )
    revisions = [outcome["revision"] for outcome in done["outcomes"]]
    require(revisions == [3, 4, same["revision"], 5], f"the revisions are {revisions}, not 3, 4, 2 and 5")
    require(done["status"] == "success", f"the status is {done['status']!r}")
    require(ctx.keys(namespace) == ["old", "same", "z", "a"], f"listed {ctx.keys(namespace)}")
    for key, outcome in zip(("z", "old", "same", "a"), done["outcomes"], strict=True):
        read = ctx.get(namespace, key).json
        require(
            read["etag"] == outcome["etag"] and read["digest"] == outcome["digest"],
            f"{key!r} is read otherwise",
        )


@check("REG-BAT-02", profile="batch")
def a_refused_entry_leaves_the_others(ctx: Context) -> None:
    """An entry whose `expect` fails is `refused` with the current entry, and the others are stored."""
    namespace = ctx.namespace()
    first = ctx.set(namespace, "a", envelope(1, meta={"identity": "x"})).json["etag"]
    current = ctx.set(namespace, "a", envelope(2, meta={"identity": "y"})).json
    done = batch_set(
        ctx,
        namespace,
        put("new", 1, "absent"),
        put("a", 3, "absent"),
        put("a2", 3, first),
        put("b", 3),
    )
    require(
        outcomes(done) == ["created", "refused", "refused", "created"], f"the outcomes are {outcomes(done)}"
    )
    require(done["status"] == "partial", f"the status is {done['status']!r}, though entries were refused")
    told = {name: current[name] for name in ("revision", "etag", "digest")} | {"meta": {"identity": "y"}}
    require(done["outcomes"][1].get("current") == told, f"`current` is {done['outcomes'][1].get('current')}")
    require("current" not in done["outcomes"][2], "an entry that is not there has a `current`")
    require(ctx.keys(namespace) == ["a", "new", "b"], f"what is stored is {ctx.keys(namespace)}")
    done = batch_set(ctx, namespace, put("a", 4, current["etag"]), put("b", 4, other_epoch(current["etag"])))
    require(outcomes(done) == ["replaced", "refused"], f"by ETag, and by a foreign one: {outcomes(done)}")


@check("REG-BAT-02", profile="batch")
def an_atomic_batch_is_all_or_nothing(ctx: Context) -> None:
    """With `atomic` one failed `expect` refuses all: 412, the failures by index, and nothing is stored."""
    namespace = ctx.namespace()
    head = ctx.set(namespace, "a", 1).json["cursor"]
    refused = batch_set(
        ctx, namespace, put("b", 1), put("a", 2, "absent"), put("c", 1), status=412, atomic=True
    )
    require(refused["code"] == "precondition_failed", f"the code is {refused['code']!r}")
    failures = refused.get("context", {}).get("failures", [])
    require([failure.get("index") for failure in failures] == [1], f"the failures are {failures}")
    require(
        refused.get("cursor") == head == ctx.cursor(namespace), "a refused batch has changed the namespace"
    )
    require(ctx.keys(namespace) == ["a"], f"of a refused batch is stored: {ctx.keys(namespace)}")
    done = batch_set(ctx, namespace, put("b", 1, "absent"), put("c", 1), atomic=True)
    require(outcomes(done) == ["created", "created"], f"an atomic batch that can be done: {outcomes(done)}")


@check("REG-BAT-03", profile="batch")
def a_bad_batch_stores_nothing(ctx: Context) -> None:
    """A malformed entry, a key twice, too many entries or none: an error, and nothing is stored."""
    namespace = ctx.namespace()
    head = ctx.set(namespace, "a", 1).json["cursor"]
    bad = {"key": key_envelope("x"), "value": {**envelope(1), "data": "{"}}
    many = [put(f"k{number}", 1) for number in range(ctx.limits["batch_entries"] + 1)]
    cases: tuple[list[dict[str, Any]], ...] = (
        [put("b", 1), bad],
        [put("b", 1), put("c", 1), put("b", 1)],
        [put("b", 1), put("", 1)],
        [put("b", 1), {**put("c", 1), "more": 1}],
        many,
        [],
    )
    for entries in cases:
        answer = ctx.ask("batch_set", namespace, body={"entries": entries})
        require(answer.status in (413, 422), f"a bad batch of {len(entries)} is answered {answer.status}")
        require(ctx.cursor(namespace) == head, f"a bad batch of {len(entries)} has changed the namespace")
    require(ctx.keys(namespace) == ["a"], f"of bad batches is stored: {ctx.keys(namespace)}")


@check("REG-BAT-03", "REG-SRV-04", profile="batch")
def a_batch_as_large_as_published_is_taken(ctx: Context) -> None:
    """A batch of as many entries as published is stored whole, read whole and removed whole."""
    namespace, size = ctx.namespace(), ctx.limits["batch_entries"]
    keys = [f"k{number}" for number in range(size)]
    done = batch_set(ctx, namespace, *(put(key, key) for key in keys))
    require(outcomes(done) == ["created"] * size, "not all entries were created")
    require(ctx.length(namespace) == size, f"{size} entries were stored, {ctx.length(namespace)} are there")
    read = batch_get(ctx, namespace, *(name(key) for key in keys))["outcomes"]
    require([one["value"] for one in read] == [envelope(key) for key in keys], "they are not read by index")
    gone = batch_delete(ctx, namespace, *(name(key) for key in keys))
    require(outcomes(gone) == ["deleted"] * size and ctx.length(namespace) == 0, "not all were removed")


@check("REG-BAT-04", profile="batch")
def a_batch_is_read_by_index(ctx: Context) -> None:
    """Batch get answers by index: `found` as get answers it, `unchanged` for `unless`, `missing`."""
    namespace = ctx.namespace()
    etag = ctx.set(namespace, "a", 1).json["etag"]
    current = ctx.set(namespace, "b", {"x": 1}).json["etag"]
    asked = (
        name("b"),
        name("missing"),
        name("b", unless=current),
        name("a", unless=current),
        name("a", unless=etag),
    )
    answer = batch_get(ctx, namespace, *asked[:2])
    require(outcomes(answer) == ["found", "missing"], f"the outcomes are {outcomes(answer)}")
    read = ctx.get(namespace, "b").json
    for field in ("value", "revision", "etag", "digest", "updated_at"):
        require(answer["outcomes"][0].get(field) == read[field], f"{field} is other than get answers it")
    require(answer["cursor"] == ctx.cursor(namespace), f"the cursor is {answer['cursor']}")
    found = [outcomes(batch_get(ctx, namespace, one))[0] for one in asked[2:]]
    require(found == ["unchanged", "found", "unchanged"], f"with `unless`: {found}")
    foreign = batch_get(ctx, namespace, name("b", unless=other_epoch(current)))
    require(outcomes(foreign) == ["found"], f"with an `unless` of another epoch: {outcomes(foreign)}")


@check("REG-BAT-04", profile="batch")
def a_batch_is_read_at_one_moment(ctx: Context) -> None:
    """Entries that are only written together are read together with one value, while a writer goes on."""
    namespace = ctx.namespace()
    keys = [f"k{number}" for number in range(20)]
    batch_set(ctx, namespace, *(put(key, 0) for key in keys))

    def write() -> None:
        for value in range(1, 26):
            batch_set(ctx, namespace, *(put(key, value) for key in keys))

    def read() -> None:
        for _ in range(25):
            answer = batch_get(ctx, namespace, *(name(key) for key in keys))
            seen = {outcome["value"]["data"] for outcome in answer["outcomes"]}
            require(len(seen) == 1, f"values of several moments in one answer: {sorted(seen)}")

    ctx.together([write, read, read])


@check("REG-BAT-05", profile="batch")
def an_answer_carries_8_mib(ctx: Context) -> None:
    """Of values of more than 8 MiB some are `omitted`, at least one is there; asked again, all come."""
    namespace, half = ctx.namespace(), min(ctx.limits["value_bytes"], PAGE_BYTES) // 2
    keys = ["a", "b", "c", "d"]
    for key in keys:
        ctx.set(namespace, key, key + "x" * (half - 3))
    waiting, rounds = list(keys), 0
    while waiting:
        answer = batch_get(ctx, namespace, *(name(key) for key in waiting))["outcomes"]
        found = [key for key, one in zip(waiting, answer, strict=True) if one["outcome"] == "found"]
        size = sum(len(one["value"]["data"]) for one in answer if one["outcome"] == "found")
        require(found, f"an answer of {len(waiting)} entries holds none of them")
        require(len(found) == 1 or size <= PAGE_BYTES, f"an answer holds {size:,} bytes of values")
        odd = {one["outcome"] for one in answer} - {"found", "omitted"}
        require(not odd, f"entries that are there are {odd}")
        waiting, rounds = [key for key in waiting if key not in found], rounds + 1
    require(rounds > 1, f"{4 * half:,} bytes of values came in one answer")


@check("REG-BAT-06", profile="batch")
def a_batch_deletes_in_order(ctx: Context) -> None:
    """Batch delete removes one change each, adjacent and in order; a key that is not there is `missing`."""
    namespace = ctx.namespace()
    batch_set(ctx, namespace, *(put(key, 1) for key in ("a", "b", "c")))
    done = batch_delete(ctx, namespace, name("c"), name("missing"), name("a"))
    require(outcomes(done) == ["deleted", "missing", "deleted"], f"the outcomes are {outcomes(done)}")
    require(done["status"] == "success", f"the status is {done['status']!r}")
    revisions = [done["outcomes"][index].get("revision") for index in (0, 2)]
    require(revisions == [4, 5], f"the fourth and fifth change have the revisions {revisions}")
    require(
        done["cursor"] == ctx.cursor(namespace) and done["cursor"].endswith(".5"), f"cursor {done['cursor']}"
    )
    require(ctx.keys(namespace) == ["b"], f"what is left is {ctx.keys(namespace)}")


@check("REG-BAT-07", profile="batch")
def a_refused_delete_leaves_the_others(ctx: Context) -> None:
    """An entry at another version than its `expect` is `refused`; with `atomic` it refuses all: 412."""
    namespace = ctx.namespace()
    stale = ctx.set(namespace, "a", 1).json["etag"]
    current = ctx.set(namespace, "a", 2).json
    ctx.set(namespace, "b", 1)
    head = ctx.set(namespace, "c", 1).json["cursor"]
    refused = batch_delete(ctx, namespace, name("b"), name("a", expect=stale), status=412, atomic=True)
    failures = refused.get("context", {}).get("failures", [])
    require([failure.get("index") for failure in failures] == [1], f"the failures are {failures}")
    require(ctx.cursor(namespace) == head, "a refused batch has removed entries")
    done = batch_delete(ctx, namespace, name("b"), name("a", expect=stale))
    require(outcomes(done) == ["deleted", "refused"], f"the outcomes are {outcomes(done)}")
    require(done["status"] == "partial", f"the status is {done['status']!r}")
    told = {field: current[field] for field in ("revision", "etag", "digest")}
    require(done["outcomes"][1].get("current") == told, f"`current` is {done['outcomes'][1].get('current')}")
    done = batch_delete(ctx, namespace, name("a", expect=current["etag"]), name("c"), atomic=True)
    require(ctx.length(namespace) == 0, f"an atomic delete that can be done leaves entries: {outcomes(done)}")
