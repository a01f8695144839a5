"""What a change says, and how long it is kept."""

from __future__ import annotations

from functools import partial
from typing import Any

from registry.conformance.check import check, require
from registry.conformance.checks.batch import batch_set, name, put
from registry.conformance.context import Context, envelope

RIDES_ALONG = 64 * 1024
KEPT = 10_000


def changes(ctx: Context, namespace: str, since: str, **query: object) -> list[dict[str, Any]]:
    """Every change after a cursor, over as many answers as it takes."""
    found: list[dict[str, Any]] = []
    while True:
        answer = ctx.expect(
            200, "watch_namespace", namespace, query={"since": since, "wait": 0, **query}
        ).json
        found += answer["changes"]
        if answer["cursor"] == answer["head"]:
            return found
        require(answer["changes"], "the cursor is not at the head, and an answer has no changes")
        since = answer["cursor"]


@check("REG-CHG-01", profile="watch")
def changes_say_what_was_done(ctx: Context) -> None:
    """A set has key, digest and value, a delete its key, a clear neither; each its revision."""
    namespace = ctx.namespace()
    start = ctx.cursor(namespace)
    value = envelope({"a": 1}, meta={"kind": "config"})
    stored = ctx.set(namespace, "a", value).json
    ctx.delete(namespace, "a")
    ctx.set(namespace, "b", 1)
    ctx.clear(namespace)
    ctx.set(namespace, "a", value)
    seen = changes(ctx, namespace, start)
    done = [(one["revision"], one["op"], one.get("key")) for one in seen]
    wanted = [(1, "set", "a"), (2, "delete", "a"), (3, "set", "b"), (4, "clear", None), (5, "set", "a")]
    require(done == wanted, f"the changes are {done}, not {wanted}")
    require(seen[0].get("digest") == seen[4].get("digest") == stored["digest"], "a set without its digest")
    require(seen[4].get("value") == value, f"the value of a set is {seen[4].get('value')}")
    require(
        not {"value", "digest"} & seen[1].keys() | seen[3].keys() & {"value", "digest"},
        "a delete or clear with a value",
    )


@check("REG-CHG-01", profile="watch")
def only_small_and_current_values_ride_along(ctx: Context) -> None:
    """A `set` carries its value where that is still the entry's and at most 64 KiB; else it is left out."""
    namespace = ctx.namespace()
    start = ctx.cursor(namespace)
    ctx.set(namespace, "replaced", 1)
    ctx.set(namespace, "large", "x" * (RIDES_ALONG + 1))
    ctx.set(namespace, "small", "x" * (RIDES_ALONG // 2))
    ctx.set(namespace, "replaced", 2)
    carried = [
        (one["key"], one["value"]["data"][:9] if "value" in one else None)
        for one in changes(ctx, namespace, start)
    ]
    wanted = [("replaced", None), ("large", None), ("small", '"xxxxxxxx'), ("replaced", "2")]
    require(carried == wanted, f"the values that ride along are {carried}, not {wanted}")


@check("REG-CHG-02", profile="watch", also=("batch",))
def a_batch_is_never_split(ctx: Context) -> None:
    """A batch's changes are adjacent and come in one answer, even where `limit` is smaller."""
    namespace = ctx.namespace()
    start = ctx.cursor(namespace)
    ctx.set(namespace, "before", 1)
    batch_set(ctx, namespace, *(put(f"k{number}", 1) for number in range(7)))
    ctx.set(namespace, "after", 1)
    entries = [name(f"k{number}") for number in range(5)]
    ctx.expect(200, "batch_delete", namespace, body={"entries": entries})
    sizes, since = [], start
    while True:
        query = {"since": since, "wait": 0, "limit": 2}
        answer = ctx.expect(200, "watch_namespace", namespace, query=query).json
        sizes.append([change["revision"] for change in answer["changes"]])
        since = answer["cursor"]
        if since == answer["head"]:
            break
        require(answer["changes"], "the cursor is not at the head, and an answer has no changes")
    every = [revision for answer in sizes for revision in answer]
    require(every == list(range(1, 15)), f"the revisions are {every}")
    for first, last in ((2, 8), (10, 14)):
        whole = any({first, last} <= set(answer) for answer in sizes)
        require(whole, f"the batch of revisions {first} to {last} came in several answers: {sizes}")


@check("REG-CHG-02", "REG-BAT-01", profile="watch", also=("batch",))
def batches_do_not_mingle(ctx: Context) -> None:
    """The changes of batches that were sent at the same time do not mingle."""
    namespace = ctx.namespace()
    start = ctx.cursor(namespace)

    def write(writer: int) -> None:
        for number in range(4):
            batch_set(ctx, namespace, *(put(f"{writer} {number} {entry}", 1) for entry in range(5)))

    ctx.together([partial(write, writer) for writer in range(6)])
    batches = [one["key"].rpartition(" ")[0] for one in changes(ctx, namespace, start)]
    require(len(batches) == 120, f"120 entries were set in {len(batches)} changes")
    mingled = [
        batch for index in range(0, 120, 5) for batch in batches[index : index + 5] if batch != batches[index]
    ]
    require(not mingled, f"changes of batches mingle: {mingled[:5]}")


@check("REG-CHG-03", profile="watch", also=("batch",))
def ten_thousand_changes_are_kept(ctx: Context) -> None:
    """A cursor that is 10,000 changes old can be gone on from, and misses none of them."""
    namespace, size = ctx.namespace(), ctx.limits["batch_entries"]
    start = ctx.cursor(namespace)
    for first in range(0, KEPT, size):
        count = min(size, KEPT - first)
        batch_set(ctx, namespace, *(put(f"k{number}", first) for number in range(count)))
    revisions = [one["revision"] for one in changes(ctx, namespace, start)]
    require(revisions == list(range(1, KEPT + 1)), f"of {KEPT:,} changes {len(revisions):,} are told")
