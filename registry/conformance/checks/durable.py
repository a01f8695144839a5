"""What a restart leaves; these need ``--restart-cmd``."""

from __future__ import annotations

from registry.conformance.check import check, require
from registry.conformance.checks.changes import changes
from registry.conformance.context import CREATE_ONLY, Context, envelope


@check("REG-REV-04", profile="durable", needs=("restart",))
def answered_writes_outlive_a_restart(ctx: Context) -> None:
    """Everything that was answered with success is there after a restart, in its order, whole."""
    namespace = ctx.namespace()
    for number in range(50):
        ctx.set(namespace, f"k{number}", envelope(number, meta={"number": str(number)}))
    ctx.set(namespace, "k7", 777)
    ctx.delete(namespace, "k8")
    before = ctx.pages("list_items", namespace, "items", limit=1_000)
    ctx.restart_server()
    after = ctx.pages("list_items", namespace, "items", limit=1_000)
    require(after == before, "entries are other after a restart than before")


@check("REG-REV-02", "REG-WCH-02", profile="durable", also=("watch",), needs=("restart",))
def history_outlives_a_restart(ctx: Context) -> None:
    """After a restart revisions go on and a watcher misses nothing, or a new epoch answers it 410."""
    namespace = ctx.namespace()
    cursor = ctx.set(namespace, "a", 1).json["cursor"]
    ctx.set(namespace, "b", 1)
    ctx.restart_server()
    head = ctx.set(namespace, "c", 1).json["cursor"]
    if head.rpartition(".")[0] == cursor.rpartition(".")[0]:
        found = [change["revision"] for change in changes(ctx, namespace, cursor)]
        require(found == [2, 3], f"a watcher over a restart sees the revisions {found}, not 2 and 3")
    else:
        query = {"since": cursor, "wait": 0}
        gone = ctx.expect(410, "watch_namespace", namespace, query=query).json
        require(gone["code"] == "epoch_changed", f"a cursor of before is {gone['code']!r}")


@check("REG-LST-03", profile="core", needs=("restart",))
def a_page_token_outlives_or_is_gone(ctx: Context) -> None:
    """After a restart a page token goes on where it was, or is 410 `epoch_changed` in another epoch."""
    namespace = ctx.namespace()
    for key in ("a", "b", "c"):
        ctx.set(namespace, key, 1)
    first = ctx.expect(200, "list_keys", namespace, query={"limit": 1}).json
    ctx.restart_server()
    same = ctx.cursor(namespace).rpartition(".")[0] == first["cursor"].rpartition(".")[0]
    answer = ctx.ask("list_keys", namespace, query={"limit": 5, "page": first["next"]})
    if same:
        require(answer.status == 200, f"a page token of this epoch is answered {answer.status}")
        require(answer.json["keys"] == ["b", "c"], f"it goes on with {answer.json['keys']}")
    else:
        code = answer.json.get("code")
        require((answer.status, code) == (410, "epoch_changed"), f"it is answered {answer.status} {code}")


@check("REG-REV-02", "REG-COND-02", profile="conditional", needs=("restart",))
def an_etag_never_comes_back(ctx: Context) -> None:
    """After a restart the ETag of an entry that was is that of no other one, even at its revision."""
    namespace = ctx.namespace()
    etag = ctx.set(namespace, "key", "before").json["etag"]
    ctx.restart_server()
    ctx.clear(namespace)
    made = ctx.set(namespace, "key", "after", fields=[CREATE_ONLY]).json["etag"]
    require(made != etag, f"two versions have the ETag {etag!r}")
    ctx.delete(namespace, "key", status=412, fields=[("if-match", f'"{etag}"')])
