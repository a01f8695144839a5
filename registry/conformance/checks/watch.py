"""Long polls: at once where there is something, as soon as there is, and never with a gap."""

from __future__ import annotations

import threading
import time
from typing import Any

from registry.conformance.check import check, require
from registry.conformance.checks.changes import changes
from registry.conformance.context import Answer, Context, other_epoch, revision_in


def long(ctx: Context) -> int:
    """Seconds that a poll waits where a change will end it; to be woken late is to take half of them."""
    return max(2, min(55, int(ctx.options.timeout)))


def poll(ctx: Context, namespace: str, *, status: int = 200, **query: object) -> Any:
    """One answer of `/registry/{namespace}/watch`."""
    wait = float(str(query.get("wait", 0)))
    return ctx.expect(status, "watch_namespace", namespace, query=query, wait=wait).json


def poll_many(ctx: Context, cursors: dict[str, str], wait: int, *, status: int = 200) -> Any:
    """One answer of `/watch`."""
    body = {"cursors": cursors, "wait": wait}
    return ctx.expect(status, "watch_namespaces", body=body, wait=float(wait)).json


@check("REG-WCH-01", profile="watch")
def changes_come_at_once_and_in_order(ctx: Context) -> None:
    """A poll answers at once the changes after `since`, in order; without `since` at once and with none."""
    namespace = ctx.namespace()
    start = poll(ctx, namespace)
    require(start["changes"] == [], "a poll without `since` has changes")
    for number in range(5):
        ctx.set(namespace, f"k{number}", number)
    begun = time.monotonic()
    answer = poll(ctx, namespace, since=start["cursor"], wait=long(ctx))
    require(time.monotonic() - begun < long(ctx) / 2, "a poll waited though there were changes")
    found = [change["revision"] for change in answer["changes"]]
    require(found == [1, 2, 3, 4, 5], f"the changes after revision 0 are {found}")
    require(poll(ctx, namespace, wait=long(ctx))["changes"] == [], "a poll without `since` has changes")
    later = poll(ctx, namespace, since=start["cursor"].rpartition(".")[0] + ".3", wait=0)["changes"]
    require([change["revision"] for change in later] == [4, 5], f"after revision 3 come {later}")


@check("REG-WCH-01", profile="watch")
def an_idle_poll_ends_with_none(ctx: Context) -> None:
    """A poll of a namespace that does not move answers no changes after `wait` seconds, and not before."""
    namespace = ctx.namespace()
    cursor = ctx.set(namespace, "a", 1).json["cursor"]
    begun = time.monotonic()
    answer = poll(ctx, namespace, since=cursor, wait=1)
    took = time.monotonic() - begun
    require(answer["changes"] == [] and answer["cursor"] == cursor, f"an idle poll answers {answer}")
    require(took >= 0.9, f"a poll with wait=1 was answered after {took:.2f} s, with nothing")


@check("REG-WCH-01", profile="watch")
def a_waiting_poll_is_woken(ctx: Context) -> None:
    """A poll that waits is answered as soon as its namespace changes: by a set, a delete, a clear."""
    namespace = ctx.namespace()
    cursor = ctx.cursor(namespace)
    for operation in ("set", "delete", "set", "clear"):
        write = {
            "set": lambda: ctx.set(namespace, "key", 1),
            "delete": lambda: ctx.delete(namespace, "key"),
            "clear": lambda: ctx.clear(namespace),
        }[operation]
        answer, took = _while_waiting(ctx, namespace, cursor, write)
        found = [change["op"] for change in answer.json["changes"]]
        require(found == [operation], f"a poll that waited for a {operation} is told of {found}")
        require(took < long(ctx) / 2, f"a {operation} woke a waiting poll after {took:.1f} s")
        cursor = answer.json["cursor"]


def _while_waiting(ctx: Context, namespace: str, cursor: str, write: Any) -> tuple[Answer, float]:
    """The answer of a poll during which ``write`` is called, and how long after the write it came."""
    ended: list[float] = []
    answers: list[Answer] = []

    def wait() -> None:
        query = {"since": cursor, "wait": long(ctx)}
        answers.append(ctx.ask("watch_namespace", namespace, query=query, wait=float(long(ctx))))
        ended.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    # Whether the poll has reached the server by then does not matter to what it must answer.
    thread.join(0.2)
    write()
    written = time.monotonic()
    thread.join(long(ctx) + ctx.options.timeout)
    require(answers, f"a poll of {namespace} was not answered while it was written to")
    return answers[0], ended[0] - written


@check("REG-WCH-02", profile="watch")
def no_change_is_skipped_or_repeated(ctx: Context) -> None:
    """Watchers following cursors while four writers write, or after, see each revision once and in order."""
    namespace, each, writers = ctx.namespace(), 25, 4
    start = ctx.cursor(namespace)
    last = each * writers

    def write(writer: int) -> None:
        for number in range(each):
            ctx.set(namespace, f"{writer} {number % 5}", number)

    def follow() -> list[int]:
        since, seen = start, list[int]()
        while revision_in(since) < last:
            answer = poll(ctx, namespace, since=since, wait=long(ctx), limit=7)
            require(answer["changes"], "a poll ended without a change, though there were more")
            seen += [change["revision"] for change in answer["changes"]]
            since = answer["cursor"]
        return seen

    calls: list[Any] = [follow, follow, *(lambda writer=writer: write(writer) for writer in range(writers))]
    during = ctx.together(calls)[:2]
    # Those may have kept up with the writers; to one that comes now, `limit` cuts answers short for certain.
    for seen in [*during, follow()]:
        require(seen == list(range(1, last + 1)), f"a watcher of {last} changes saw the revisions {seen}")


@check("REG-WCH-02", profile="watch")
def any_cursor_or_etag_is_a_since(ctx: Context) -> None:
    """The cursor of any answer and the ETag of any entry can be watched from."""
    namespace = ctx.namespace()
    etag = ctx.set(namespace, "a", 1).json["etag"]
    listed = ctx.expect(200, "list_keys", namespace).json["cursor"]
    missing = ctx.get(namespace, "missing", status=404).json["cursor"]
    ctx.set(namespace, "b", 1)
    for since in (etag, listed, missing):
        found = [change["revision"] for change in changes(ctx, namespace, since)]
        require(found == [2], f"after the cursor {since!r} come the revisions {found}, not 2")


@check("REG-WCH-03", profile="watch")
def a_since_that_cannot_be_gone_on_from_is_410(ctx: Context) -> None:
    """A cursor ahead or of another epoch is 410 with its code and the namespace's cursor; nonsense is 400."""
    namespace = ctx.namespace()
    cursor = ctx.set(namespace, "a", 1).json["cursor"]
    epoch = cursor.rpartition(".")[0]
    for since, code in ((f"{epoch}.99", "future_cursor"), (other_epoch(cursor), "epoch_changed")):
        gone = poll(ctx, namespace, status=410, since=since, wait=long(ctx))
        require(gone["code"] == code, f"since={since!r} is {gone['code']!r}, not {code!r}")
        require(gone.get("cursor") == cursor, f"a 410 with the cursor {gone.get('cursor')!r}, not {cursor!r}")
    for since in ("nonsense", "1", f"{epoch}.", f"{epoch}.x", f"{epoch}.-1"):
        refused = poll(ctx, namespace, status=400, since=since, wait=0)
        require(refused["code"] == "invalid_cursor", f"since={since!r} is {refused['code']!r}")


@check("REG-WCH-04", profile="watch")
def an_answer_holds_limit_changes(ctx: Context) -> None:
    """An answer holds `limit` changes at most; `head` is where the namespace is; the rest follows at once."""
    namespace = ctx.namespace()
    since = ctx.cursor(namespace)
    for number in range(5):
        ctx.set(namespace, "key", number)
    sizes = []
    for _ in range(3):
        answer = poll(ctx, namespace, since=since, wait=long(ctx), limit=2)
        sizes.append(len(answer["changes"]))
        require(revision_in(answer["head"]) == 5, f"the head is {answer['head']!r}, not at revision 5")
        last = answer["changes"][-1]["revision"] if answer["changes"] else None
        require(revision_in(answer["cursor"]) == last, f"the cursor {answer['cursor']!r} is not at {last}")
        since = answer["cursor"]
    require(sizes == [2, 2, 1], f"five changes by two came as {sizes}")


@check("REG-WCH-06", profile="watch")
def one_poll_watches_many_namespaces(ctx: Context) -> None:
    """`/watch` lists the namespaces that moved past their cursors, and those only, with their changes."""
    names = [ctx.namespace() for _ in range(5)]
    cursors = {name: ctx.cursor(name) for name in names}
    ctx.set(names[3], "key", 1)
    ctx.set(names[1], "key", 1)
    moved = {one["namespace"]: one for one in poll_many(ctx, cursors, long(ctx))["namespaces"]}
    require(set(moved) == {names[1], names[3]}, f"{len(moved)} of 2 moved namespaces are listed")
    for name, one in moved.items():
        require([change["op"] for change in one["changes"]] == ["set"], f"{name} has {one['changes']}")
        require(one["cursor"] == one["head"] == ctx.cursor(name), f"its cursor is {one['cursor']!r}")
    cursors |= {name: one["cursor"] for name, one in moved.items()}
    require(poll_many(ctx, cursors, 0)["namespaces"] == [], "namespaces that have not moved are listed")


@check("REG-WCH-06", profile="watch")
def a_poll_of_many_is_woken_by_any(ctx: Context) -> None:
    """A poll of many namespaces that waits is answered as soon as one of them changes."""
    names = [ctx.namespace() for _ in range(4)]
    cursors = {name: ctx.cursor(name) for name in names}
    for name in (names[2], names[0]):
        calls: list[Any] = [
            lambda: (poll_many(ctx, cursors, long(ctx))["namespaces"], time.monotonic()),
            lambda name=name: (ctx.set(name, "key", 1), time.monotonic()),
        ]
        (moved, ended), (_, written) = ctx.together(calls)
        require(
            [one["namespace"] for one in moved] == [name], f"{len(moved)} namespaces are listed, one moved"
        )
        require(ended - written < long(ctx) / 2, f"it was woken after {ended - written:.1f} s")
        cursors[name] = moved[0]["cursor"]


@check("REG-WCH-06", "REG-WCH-03", profile="watch")
def a_gone_cursor_hides_no_other(ctx: Context) -> None:
    """A namespace whose cursor is gone is listed with `gone` and its cursor, beside those that moved."""
    gone, foreign, moved = ctx.namespace(), ctx.namespace(), ctx.namespace()
    start = ctx.cursor(moved)
    epoch = start.rpartition(".")[0]
    ctx.set(moved, "key", 1)
    cursors = {gone: f"{epoch}.7", foreign: other_epoch(start), moved: start}
    found = {one["namespace"]: one for one in poll_many(ctx, cursors, long(ctx))["namespaces"]}
    require(set(found) == set(cursors), f"{len(found)} of three namespaces are listed")
    why = [found[name].get("gone") for name in cursors]
    require(why == ["future_cursor", "epoch_changed", None], f"they are gone for {why}")
    require(found[gone]["cursor"] == ctx.cursor(gone), "a namespace that is gone has not its cursor")
    require(len(found[moved]["changes"]) == 1, "the change of the one that moved is not there")


@check("REG-WCH-06", "REG-ERR-03", profile="watch")
def a_bad_poll_of_many_is_refused(ctx: Context) -> None:
    """No cursors, more than 1,000, a bad namespace, cursor or wait: 4xx at once."""
    cursor = ctx.cursor(ctx.namespace())
    bodies: tuple[dict[str, Any], ...] = (
        {"cursors": {}},
        {"cursors": {f"{ctx.options.prefix}.n{number}": cursor for number in range(1_001)}},
        {"cursors": {"a..b": cursor}},
        {"cursors": {ctx.options.prefix: "nonsense"}},
        {"cursors": {ctx.options.prefix: cursor}, "wait": 56},
        {"cursors": {ctx.options.prefix: cursor}, "more": 1},
    )
    for body in bodies:
        answer = ctx.ask("watch_namespaces", body=body)
        require(answer.status in (400, 413, 422), f"a poll of {body!s:.60} is answered {answer.status}")


@check("REG-WCH-05", profile="watch", needs=("restart",))
def a_server_that_stops_answers_its_polls(ctx: Context) -> None:
    """A server that is stopped answers the polls that wait, rather than have them wait or break."""
    namespace = ctx.namespace()
    cursor = ctx.cursor(namespace)
    answer, took = _while_waiting(ctx, namespace, cursor, ctx.restart_server)
    require(answer.status == 200, f"a poll that a stop ended is answered {answer.status}")
    require(took < long(ctx) / 2, f"a poll that waited was answered {took:.1f} s after the restart")
