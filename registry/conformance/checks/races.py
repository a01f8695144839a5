"""Many at once: one winner, no lost update, and a history that one order explains."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from registry.conformance.check import check, require
from registry.conformance.context import CREATE_ONLY, Answer, Context, envelope, etag_field, key_envelope
from registry.conformance.linearizability import Call, explain

WRITERS = 16


def _body(key: str, value: object) -> dict[str, object]:
    return {"key": key_envelope(key), "value": envelope(value)}


def _create(ctx: Context, namespace: str, gate: threading.Barrier, body: object) -> Answer:
    gate.wait(30)
    return ctx.ask("set_entry", namespace, body=body, fields=[CREATE_ONLY])


@check("REG-COND-01", profile="conditional")
def of_racing_creators_one_wins(ctx: Context) -> None:
    """Of 16 creators of one key exactly one succeeds, in each of 8 rounds; the others learn of the winner."""
    namespace = ctx.namespace()
    for number in range(8):
        key, gate = f"key{number}", threading.Barrier(WRITERS)

        answers = ctx.together(
            [partial(_create, ctx, namespace, gate, _body(key, writer)) for writer in range(WRITERS)]
        )
        statuses = sorted(answer.status for answer in answers)
        require(statuses == [200, *[412] * (WRITERS - 1)], f"{WRITERS} creators were answered {statuses}")
        winner = next(index for index, answer in enumerate(answers) if answer.status == 200)
        won = answers[winner].json["etag"]
        told = {answer.json.get("current", {}).get("etag") for answer in answers if answer.status == 412}
        require(told == {won}, f"losers were told of {told}, and {won} won")
        require(ctx.get(namespace, key).json["value"] == envelope(winner), "the entry is not the winner's")


@check("REG-COND-02", "REG-REV-01", profile="conditional")
def no_update_is_lost(ctx: Context) -> None:
    """8 writers that add to one counter by `If-Match` lose no addition; the revisions count them."""
    namespace, rounds = ctx.namespace(), 5
    ctx.set(namespace, "counter", 0)

    def add() -> None:
        for _ in range(rounds):
            while True:
                read = ctx.get(namespace, "counter").json
                body = _body("counter", int(read["value"]["data"]) + 1)
                answer = ctx.ask("set_entry", namespace, body=body, fields=[etag_field(read["etag"])])
                if answer.status == 200:
                    break
                require(answer.status == 412, f"a conditional set is answered {answer.status}")

    ctx.together([add] * 8)
    read = ctx.get(namespace, "counter").json
    require(
        read["value"]["data"] == str(8 * rounds), f"{8 * rounds} additions came to {read['value']['data']}"
    )
    require(
        read["revision"] == 8 * rounds + 1, f"{8 * rounds + 1} changes have the revision {read['revision']}"
    )


@check("REG-REV-01", "REG-REV-04", profile="core")
def racing_writers_share_no_revision(ctx: Context) -> None:
    """Concurrent writes of one namespace have revisions of their own, without a gap, and all are there."""
    namespace, each = ctx.namespace(), 10

    def write(writer: int) -> list[int]:
        return [ctx.set(namespace, f"{writer} {n}", n).json["revision"] for n in range(each)]

    written = ctx.together([partial(write, writer) for writer in range(8)])
    for own in written:
        require(all(a < b for a, b in pairwise(own)), f"one writer's revisions go back: {own}")
    every = sorted(revision for own in written for revision in own)
    require(every == list(range(1, 8 * each + 1)), f"{8 * each} changes have the revisions {every}")
    require(ctx.length(namespace) == 8 * each, f"{8 * each} keys were set, {ctx.length(namespace)} are there")


@check("REG-REV-04", "REG-REV-01", profile="core")
def a_concurrent_history_is_linearizable(ctx: Context) -> None:
    """One order of all writes, that of their revisions, explains what every concurrent reader saw."""
    namespace, calls = ctx.namespace(), list[Call]()

    def act(source: random.Random) -> None:
        for _ in range(25):
            calls.append(_call(ctx, namespace, source))

    # One generator for each thread, drawn before they run: the same requests whoever is faster.
    seeds = [random.Random(ctx.random.random()) for _ in range(6)]
    ctx.together([partial(act, seed) for seed in seeds])
    require(not (reason := explain(calls)), f"the history is not linearizable: {reason}")


def _call(ctx: Context, namespace: str, source: random.Random) -> Call:
    key = source.choice("abc")
    kind = source.choices(("set", "get", "delete"), (4, 5, 1))[0]
    value = str(source.randrange(10**9))
    ask: dict[str, Callable[[], Answer]] = {
        "set": lambda: ctx.ask("set_entry", namespace, body=_body(key, int(value))),
        "get": lambda: ctx.ask("get_entry", namespace, query={"key": key}),
        "delete": lambda: ctx.ask("delete_entry", namespace, query={"key": key}),
    }
    begun = time.monotonic()
    answer = ask[kind]()
    ended = time.monotonic()
    require(answer.status in (200, 404), f"{answer.asked} is answered {answer.status}")
    found = answer.json["value"]["data"] if kind == "get" and answer.status == 200 else None
    revision = answer.json["revision"] if answer.status == 200 else None
    if kind == "set":
        return Call(key, begun, ended, wrote=revision, value=value)
    if kind == "delete" and revision is not None:
        return Call(key, begun, ended, wrote=revision, value=None)
    return Call(key, begun, ended, wrote=None, value=found, saw=revision if kind == "get" else None)
