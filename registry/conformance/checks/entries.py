"""Single entries: set, get, delete, contains, length, clear, and the revisions that they make."""

from __future__ import annotations

from registry.conformance.check import check, require
from registry.conformance.context import Context, envelope, revision_in
from registry.envelope.form import digest_of

ALL_FIELDS = {
    "type": "json",
    "data": '{"lr": 1.0, "lr2": 1}',
    "encoding": "json",
    "meta": {"kind": "config", "origin": "train.py:3", "note": "ü 🙂 \u0000"},
    "signature": "da76a69fcc8f7c0c:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
}


@check("REG-SET-01", "REG-GET-01", profile="core")
def what_is_set_is_there(ctx: Context) -> None:
    """A value that was set is answered as `created`, then as `replaced`, and read with its new revision."""
    namespace = ctx.namespace()
    for value, outcome in (({"result": 42}, "created"), ({"result": 43}, "replaced")):
        stored = ctx.set(namespace, "my_key", value)
        require(stored.json["outcome"] == outcome, f"answered {stored.json['outcome']!r}, not {outcome!r}")
        require(stored.json["key"] == "my_key", f"answered the key {stored.json['key']!r}")
        read = ctx.get(namespace, "my_key").json
        require(read["value"] == envelope(value), f"read {read['value']!r}, stored {envelope(value)!r}")
        for field in ("revision", "etag", "digest"):
            require(
                read[field] == stored.json[field], f"{field} is {read[field]!r}, was {stored.json[field]!r}"
            )


@check("REG-GET-01", "REG-SET-01", profile="core")
def answers_carry_the_etag(ctx: Context) -> None:
    """Set and get carry the ETag in a header field too, in double quotes."""
    namespace = ctx.namespace()
    for answer in (ctx.set(namespace, "key", 1), ctx.get(namespace, "key")):
        quoted = f'"{answer.json["etag"]}"'
        require(
            answer.field("etag") == quoted, f"{answer.asked}: ETag {answer.field('etag')!r}, not {quoted}"
        )


@check("REG-ENV-04", "REG-GET-01", profile="core")
def an_envelope_comes_back_whole(ctx: Context) -> None:
    """Every field of an envelope is read as it was stored, each text equal by code point."""
    namespace = ctx.namespace()
    pickle = {"type": "pickle", "data": "gASVBgAAAAAAAACMAmhplC4=", "encoding": "base64", "meta": {}}
    for index, value in enumerate(
        [ALL_FIELDS, pickle, {**ALL_FIELDS, "data": ' [1.0,\t1e2 , "\\u00e9é"]\n'}]
    ):
        ctx.set(namespace, f"k{index}", value)
        read = ctx.get(namespace, f"k{index}").json["value"]
        require(read == value, f"stored {value!r}, read {read!r}")


@check("REG-ENV-05", profile="core")
def digests_are_sha256_of_the_texts(ctx: Context) -> None:
    """The digest is over type, encoding and the text of data: 1 and 1.0 have two, and meta is not in it."""
    namespace = ctx.namespace()
    values = [envelope(1), {**envelope(1), "data": "1.0"}, {**envelope("é🙂")}, ALL_FIELDS]
    values.append({"type": "pickle", "data": "gASVBgAAAAAAAACMAmhplC4=", "encoding": "base64"})
    for index, value in enumerate(values):
        expected = digest_of(value["type"], value["encoding"], value["data"])
        found = ctx.set(namespace, f"k{index}", value).json["digest"]
        require(found == expected, f"the digest of {value['data']!r} is {found}, not {expected}")


@check("REG-SET-02", profile="core")
def an_equal_value_changes_nothing(ctx: Context) -> None:
    """A value equal in every field is `unchanged` and uses no revision; one other field is a change."""
    namespace = ctx.namespace()
    first = ctx.set(namespace, "key", ALL_FIELDS).json
    again = ctx.set(namespace, "key", ALL_FIELDS).json
    require(again["outcome"] == "unchanged", f"the same again is {again['outcome']!r}")
    require(
        again["revision"] == first["revision"], f"revision {first['revision']} became {again['revision']}"
    )
    require(ctx.cursor(namespace) == first["cursor"], "the namespace moved on, and nothing changed")
    other = ctx.set(namespace, "key", {**ALL_FIELDS, "meta": {"kind": "config"}}).json
    require(other["outcome"] == "replaced", f"another meta is {other['outcome']!r}")


@check("REG-REV-01", "REG-REV-02", profile="core")
def revisions_are_dense(ctx: Context) -> None:
    """Each change has the revision of the one before plus one, from 1; reads and refusals use none."""
    namespace = ctx.namespace()
    seen = [ctx.set(namespace, "a", 1).json["revision"], ctx.set(namespace, "b", 1).json["revision"]]
    ctx.get(namespace, "a")
    ctx.set(namespace, "a", {**envelope(1), "data": "nonsense"}, status=422)
    seen.append(ctx.set(namespace, "a", 2).json["revision"])
    ctx.delete(namespace, "missing", status=404)
    seen.append(ctx.delete(namespace, "a").json["revision"])
    seen.append(ctx.clear(namespace).json["revision"])
    seen.append(ctx.set(namespace, "a", 3).json["revision"])
    require(seen == [1, 2, 3, 4, 5, 6], f"six changes have the revisions {seen}")
    require(ctx.get(namespace, "a").json["revision"] == 6, "an entry's revision is not its last change's")


@check("REG-REV-03", profile="core")
def every_answer_carries_the_cursor(ctx: Context) -> None:
    """Cursors and ETags are `<epoch>.<revision>`; each answer about a namespace has its cursor, a 404 too."""
    namespace = ctx.namespace()
    etag = ctx.set(namespace, "a", 1).json["etag"]
    head = ctx.set(namespace, "b", 1).json["cursor"]
    require(
        revision_in(etag) == 1 and revision_in(head) == 2, f"the ETag {etag!r} and cursor {head!r} of 1 and 2"
    )
    require(etag.rpartition(".")[0] == head.rpartition(".")[0], f"two epochs at once: {etag!r}, {head!r}")
    answers = [
        ctx.get(namespace, "a"),
        ctx.get(namespace, "missing", status=404),
        ctx.delete(namespace, "missing", status=404),
        ctx.expect(200, "contains_entry", namespace, query={"key": "a"}),
        ctx.expect(200, "count_entries", namespace),
        ctx.expect(200, "list_keys", namespace),
        ctx.expect(200, "list_items", namespace),
    ]
    for answer in answers:
        found = answer.json.get("cursor")
        require(found == head, f"{answer.asked}: cursor {found!r} in a {answer.status}, not {head!r}")


@check("REG-REV-04", profile="core")
def a_write_is_seen_by_the_next_read(ctx: Context) -> None:
    """What was answered with success is seen by every read that begins afterwards, over any connection."""
    namespace = ctx.namespace()
    for number in range(30):
        ctx.set(namespace, "key", number)
        reads = ctx.together([lambda: ctx.get(namespace, "key").json["value"]["data"]] * 4)
        require(
            reads == [str(number)] * 4, f"{number} was stored, and reads that began afterwards saw {reads}"
        )
    ctx.delete(namespace, "key")
    require(
        not any(ctx.together([lambda: ctx.contains(namespace, "key")] * 4)), "a deleted key is still there"
    )


@check("REG-GET-02", profile="core")
def a_missing_key_is_404_with_near_names(ctx: Context) -> None:
    """A missing key is 404 `key_not_found`; near names are offered exactly where `suggest` asks for them."""
    namespace = ctx.namespace()
    for key in ("learning_rate", "momentum", "batch_size"):
        ctx.set(namespace, key, 1)
    silent = ctx.get(namespace, "learning_rte", status=404).json
    require(silent["code"] == "key_not_found", f"the code is {silent['code']!r}")
    require(not silent.get("suggestions"), f"suggestions that nobody asked for: {silent.get('suggestions')}")
    asked = ctx.expect(404, "get_entry", namespace, query={"key": "learning_rte", "suggest": 2}).json
    near = asked.get("suggestions", [])
    require(near[:1] == ["learning_rate"] and len(near) <= 2, f"the near names are {near}")


@check("REG-DEL-01", profile="core")
def delete_removes_in_one_change(ctx: Context) -> None:
    """Delete removes the entry in one change; then its key is 404."""
    namespace = ctx.namespace()
    ctx.set(namespace, "a", 1)
    ctx.set(namespace, "b", 1)
    removed = ctx.delete(namespace, "a").json
    require(removed["revision"] == 3 == revision_in(removed["cursor"]), f"the third change is {removed}")
    ctx.get(namespace, "a", status=404)
    ctx.delete(namespace, "a", status=404)
    require(ctx.keys(namespace) == ["b"], f"what is left is {ctx.keys(namespace)}")


@check("REG-CON-01", profile="core")
def contains_answers_200_either_way(ctx: Context) -> None:
    """Contains tells whether the key is taken, with 200 either way."""
    namespace = ctx.namespace()
    ctx.set(namespace, "a", None)
    require(ctx.contains(namespace, "a"), "a key that is taken is not contained")
    require(not ctx.contains(namespace, "A"), "a key that is free is contained")


@check("REG-LEN-01", profile="core")
def length_counts_entries(ctx: Context) -> None:
    """Length is the number of entries after sets, replacements, deletes and a clear."""
    namespace = ctx.namespace()
    require(ctx.length(namespace) == 0, "a namespace that nobody wrote to has entries")
    for number, key in enumerate(["a", "b", "a", "c"]):
        ctx.set(namespace, key, number)
    require(ctx.length(namespace) == 3, f"3 entries are counted as {ctx.length(namespace)}")
    ctx.delete(namespace, "a")
    require(ctx.length(namespace) == 2, f"2 entries are counted as {ctx.length(namespace)}")
    ctx.clear(namespace)
    require(ctx.length(namespace) == 0, f"none are counted as {ctx.length(namespace)}")


@check("REG-CLR-01", profile="core")
def clear_is_one_change(ctx: Context) -> None:
    """Clear removes all entries in one change and says how many; of an empty namespace nothing changes."""
    namespace = ctx.namespace()
    for key in ("a", "b", "c"):
        ctx.set(namespace, key, 1)
    cleared = ctx.clear(namespace).json
    require(
        (cleared["count"], cleared["revision"]) == (3, 4), f"clearing 3 entries at revision 3 is {cleared}"
    )
    require(ctx.keys(namespace) == [], "entries are left after a clear")
    again = ctx.clear(namespace).json
    require((again["count"], again["revision"]) == (0, 4), f"clearing an empty namespace is {again}")
    require(ctx.set(namespace, "a", 1).json["revision"] == 5, "revisions did not go on after a clear")


@check("REG-CLR-01", "REG-NAME-01", profile="core")
def clear_leaves_other_namespaces(ctx: Context) -> None:
    """Clearing a namespace leaves those above, below and beside it."""
    above = ctx.namespace()
    others = [f"{above}.x.y", f"{above}.x2", above]
    try:
        for name in (*others, f"{above}.x"):
            ctx.set(name, "key", 1)
        ctx.clear(f"{above}.x")
        for name in others:
            require(ctx.length(name) == 1, f"clearing {above}.x emptied {name}")
    finally:
        for name in others:
            ctx.wire.send("DELETE", f"/registry/{name}/clear")


@check("REG-SET-04", profile="core")
def a_replaced_entry_keeps_its_place(ctx: Context) -> None:
    """Listings are in creation order, which replacing keeps and deleting ends."""
    namespace = ctx.namespace()
    for key in ("c", "a", "b"):
        ctx.set(namespace, key, 1)
    ctx.set(namespace, "c", 2)
    require(ctx.keys(namespace) == ["c", "a", "b"], f"listed {ctx.keys(namespace)} after c was replaced")
    ctx.delete(namespace, "c")
    ctx.set(namespace, "c", 3)
    require(ctx.keys(namespace) == ["a", "b", "c"], f"listed {ctx.keys(namespace)} after c was made anew")
