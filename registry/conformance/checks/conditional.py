"""Conditional writes and reads (RFC 9110 section 13)."""

from __future__ import annotations

from typing import Any

from registry.conformance.check import check, require
from registry.conformance.context import (
    CREATE_ONLY,
    Answer,
    Context,
    envelope,
    etag_field,
    key_envelope,
    other_epoch,
)
from registry.conformance.wire import Fields

ANY_VERSION = ("if-match", "*")
META = {"identity": "sha256:9f86d081", "origin": "losses.mse (losses.py:3)"}
SIGNATURE = "da76a69fcc8f7c0c:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def _tells(refused: Answer, current: object) -> None:
    """REG-COND-03: the 412 tells the entry as it is, or that there is none."""
    require(refused.json["code"] == "precondition_failed", f"a 412 with the code {refused.json['code']!r}")
    found = refused.json.get("current")
    require(found == current, f"{refused.asked}: `current` of the 412 is {found}, not {current}")


@check("REG-COND-01", profile="conditional")
def create_only_creates_once(ctx: Context) -> None:
    """`If-None-Match: *` creates a key that is free, and is 412 where it is taken, by the same value too."""
    namespace = ctx.namespace()
    first = ctx.set(namespace, "key", 1, fields=[CREATE_ONLY]).json
    require(first["outcome"] == "created", f"a free key is {first['outcome']}")
    for value in (2, 1):
        ctx.set(namespace, "key", value, status=412, fields=[CREATE_ONLY])
    require(ctx.get(namespace, "key").json["value"] == envelope(1), "the entry was replaced")
    require(ctx.cursor(namespace) == first["cursor"], "a refused creation has changed the namespace")
    ctx.delete(namespace, "key")
    ctx.set(namespace, "key", 3, fields=[CREATE_ONLY])


@check("REG-SET-03", "REG-COND-03", profile="conditional")
def the_loser_learns_who_won(ctx: Context) -> None:
    """A 412 has the current revision, ETag, digest, `meta` and `signature`, and no value; or no `current`."""
    namespace = ctx.namespace()
    winner = ctx.set(namespace, "key", envelope(1, meta=META, signature=SIGNATURE)).json
    version = {name: winner[name] for name in ("revision", "etag", "digest")}
    _tells(
        ctx.set(namespace, "key", 2, status=412, fields=[CREATE_ONLY]),
        {**version, "meta": META, "signature": SIGNATURE},
    )
    plain = ctx.set(namespace, "key", 3).json
    version = {name: plain[name] for name in ("revision", "etag", "digest")}
    _tells(ctx.set(namespace, "key", 4, status=412, fields=[etag_field(winner["etag"])]), version)
    _tells(ctx.set(namespace, "free", 4, status=412, fields=[etag_field(winner["etag"])]), None)


@check("REG-COND-02", profile="conditional")
def if_match_replaces_one_version(ctx: Context) -> None:
    """`If-Match` with the ETag of the current version replaces it; with another one it is 412."""
    namespace = ctx.namespace()
    first = ctx.set(namespace, "key", 1).json["etag"]
    second = ctx.set(namespace, "key", 2, fields=[etag_field(first)]).json["etag"]
    ctx.set(namespace, "key", 3, status=412, fields=[etag_field(first)])
    require(ctx.get(namespace, "key").json["etag"] == second, "a stale ETag has replaced the entry")
    ctx.set(namespace, "other", 1)
    ctx.set(namespace, "other", 2, status=412, fields=[etag_field(second)])
    ctx.set(namespace, "key", 3, fields=[etag_field(second)])


@check("REG-COND-02", "REG-DEL-01", profile="conditional")
def if_match_deletes_one_version(ctx: Context) -> None:
    """`If-Match` deletes that version only; a missing key is 412 then, not 404."""
    namespace = ctx.namespace()
    first = ctx.set(namespace, "key", 1).json["etag"]
    second = ctx.set(namespace, "key", 2).json["etag"]
    ctx.delete(namespace, "key", status=412, fields=[etag_field(first)])
    require(ctx.contains(namespace, "key"), "a stale ETag has deleted the entry")
    ctx.delete(namespace, "key", fields=[etag_field(second)])
    for field in (etag_field(second), ANY_VERSION):
        _tells(ctx.delete(namespace, "key", status=412, fields=[field]), None)


@check("REG-COND-02", profile="conditional")
def if_match_any_needs_an_entry(ctx: Context) -> None:
    """`If-Match: *` replaces and deletes whatever is there, and is 412 where nothing is."""
    namespace = ctx.namespace()
    ctx.set(namespace, "key", 1, status=412, fields=[ANY_VERSION])
    require(not ctx.contains(namespace, "key"), "If-Match: * has created an entry")
    ctx.set(namespace, "key", 1)
    require(
        ctx.set(namespace, "key", 2, fields=[ANY_VERSION]).json["outcome"] == "replaced", "it is not replaced"
    )
    ctx.delete(namespace, "key", fields=[ANY_VERSION])


@check("REG-COND-03", "REG-REV-03", profile="conditional")
def a_failed_condition_changes_nothing(ctx: Context) -> None:
    """A 412 carries the namespace's cursor, and entries, listings and cursor are as before."""
    namespace = ctx.namespace()
    stale = ctx.set(namespace, "key", 1).json["etag"]
    head = ctx.set(namespace, "key", 2).json["cursor"]
    refused = (
        ctx.set(namespace, "key", 3, status=412, fields=[CREATE_ONLY]),
        ctx.set(namespace, "key", 3, status=412, fields=[etag_field(stale)]),
        ctx.delete(namespace, "key", status=412, fields=[etag_field(stale)]),
        ctx.set(namespace, "free", 3, status=412, fields=[ANY_VERSION]),
    )
    for answer in refused:
        require(
            answer.json.get("cursor") == head,
            f"a 412 with the cursor {answer.json.get('cursor')}, not {head}",
        )
    require(ctx.cursor(namespace) == head, "a failed condition has changed the namespace")
    require(
        ctx.get(namespace, "key").json["value"] == envelope(2), "a failed condition has changed the entry"
    )
    require(ctx.keys(namespace) == ["key"], "a failed condition has made an entry")


@check("REG-COND-04", profile="conditional")
def a_current_version_is_304(ctx: Context) -> None:
    """`If-None-Match` with the current ETag, alone, listed, weak, or `*`, is 304 without a body; else 200."""
    namespace = ctx.namespace()
    old = ctx.set(namespace, "key", 1).json["etag"]
    etag = ctx.set(namespace, "key", 2).json["etag"]
    for text in (f'"{etag}"', f'W/"{etag}"', f'"{old}", "{etag}"', "*"):
        answer = ctx.get(namespace, "key", status=304, fields=[("if-none-match", text)])
        require(answer.field("etag") == f'"{etag}"', f"a 304 with the ETag {answer.field('etag')!r}")
        cursor = answer.field("registry-cursor")
        require(cursor == ctx.cursor(namespace), f"a 304 with the Registry-Cursor {cursor!r}")
    for text in (f'"{old}"', f'"{other_epoch(etag)}"', f'"{etag}0"'):
        ctx.get(namespace, "key", fields=[("if-none-match", text)])
    ctx.get(namespace, "missing", status=404, fields=[("if-none-match", f'"{etag}"')])


@check("REG-REV-02", "REG-REV-03", profile="conditional")
def nothing_of_another_epoch_matches(ctx: Context) -> None:
    """An ETag of another epoch with the right revision, or another spelling of it, is not the entry's."""
    namespace = ctx.namespace()
    etag = ctx.set(namespace, "key", 1).json["etag"]
    epoch, _, revision = etag.rpartition(".")
    for foreign in (other_epoch(etag), f"{epoch}.0{revision}", revision, f"{epoch}x.{revision}"):
        ctx.set(namespace, "key", 2, status=412, fields=[etag_field(foreign)])
        ctx.delete(namespace, "key", status=412, fields=[etag_field(foreign)])
    require(ctx.get(namespace, "key").json["value"] == envelope(1), "an ETag of another epoch matched")


_UNREADABLE = (
    "",
    ",",
    ", ,",
    "x.1",
    '"x.1',
    '"x.1" "x.2"',
    '*, "x.1"',
    "W/x.1",
    '"x 1"',
    '"' + "x" * 1_024 + '"',
)
DATES = ("if-modified-since", "if-unmodified-since", "if-range")
DATE = "Tue, 01 Dec 2026 00:00:00 GMT"


def _writes(namespace: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Each operation that writes, and a request of it that would change the namespace."""
    key, value = key_envelope("key"), envelope("written")
    return (
        ("set_entry", {"body": {"key": key, "value": value}}),
        ("delete_entry", {"query": {"key": "key"}}),
        ("clear_namespace", {}),
        ("batch_set", {"body": {"entries": [{"key": key, "value": value}]}}),
        ("batch_delete", {"body": {"entries": [{"key": key}]}}),
    )


def _refused(ctx: Context, namespace: str, operation: str, fields: Fields, status: int, **how: Any) -> None:
    """The request is answered with this status, and the entry is as it was."""
    before = ctx.get(namespace, "key").json
    ctx.expect(status, operation, namespace, fields=fields, **how)
    require(ctx.get(namespace, "key").json == before, f"{operation} with {fields} has changed the namespace")


@check("REG-COND-03", "REG-COND-06", "REG-ERR-02", profile="conditional")
def conditions_that_cannot_be_read_are_errors(ctx: Context) -> None:
    """A condition that is neither `*` nor a list of ETags is 400, on reads and writes; nothing is written."""
    namespace = ctx.namespace()
    ctx.set(namespace, "key", 1)
    for text in _UNREADABLE:
        for name in ("if-match", "if-none-match"):
            body = {"key": key_envelope("key"), "value": envelope(2)}
            _refused(ctx, namespace, "set_entry", [(name, text)], 400, body=body)
            for operation in ("delete_entry", "get_entry"):
                _refused(ctx, namespace, operation, [(name, text)], 400, query={"key": "key"})
        _refused(ctx, namespace, "clear_namespace", [("if-match", text)], 400)


@check("REG-COND-06", profile="conditional")
def empty_elements_of_a_list_are_ignored(ctx: Context) -> None:
    """Between the ETags of a list there may be empty elements, and fields that come twice are one list."""
    namespace = ctx.namespace()
    etag = ctx.set(namespace, "key", 1).json["etag"]
    for fields in (
        [("if-none-match", f', "{other_epoch(etag)}",, "{etag}" ,')],
        [("if-none-match", f'"{other_epoch(etag)}"'), ("if-none-match", f'"{etag}"')],
    ):
        ctx.get(namespace, "key", status=304, fields=fields)
    ctx.set(namespace, "key", 2, fields=[("if-match", f', "{etag}",,')])


@check("REG-COND-02", "REG-COND-05", profile="conditional")
def each_operation_honours_what_it_declares(ctx: Context) -> None:
    """Set and delete honour both fields; a condition that an operation does not honour is 400."""
    namespace = ctx.namespace()
    etag = ctx.set(namespace, "key", 1).json["etag"]
    own, other = f'"{etag}"', f'"{other_epoch(etag)}"'
    body = {"key": key_envelope("key"), "value": envelope(2)}
    for fields in (
        [CREATE_ONLY],
        [("if-none-match", own)],
        [etag_field(etag), CREATE_ONLY],
        [etag_field(etag), ("if-none-match", f"{other}, W/{own}")],
        [("if-match", other), ("if-none-match", other)],
        [("if-match", f"W/{own}")],
    ):
        _refused(ctx, namespace, "set_entry", fields, 412, body=body)
        _refused(ctx, namespace, "delete_entry", fields, 412, query={"key": "key"})
    _refused(ctx, namespace, "clear_namespace", [CREATE_ONLY], 400)
    for operation in ("contains_entry", "count_entries", "list_keys", "list_items"):
        how = {"query": {"key": "key"}} if operation == "contains_entry" else {}
        for field in (ANY_VERSION, ("if-none-match", other)):
            _refused(ctx, namespace, operation, [field], 400, **how)
    if "batch" in ctx.profiles:
        for operation, how in _writes(namespace)[3:]:
            for field in (ANY_VERSION, ("if-none-match", other)):
                _refused(ctx, namespace, operation, [field], 400, **how)
    fields = [("if-match", f"{other}, {own}"), ("if-none-match", other)]
    second = ctx.set(namespace, "key", 2, fields=fields).json["etag"]
    ctx.delete(namespace, "key", fields=[etag_field(second), ("if-none-match", own)])


@check("REG-COND-04", profile="conditional")
def a_false_if_match_on_a_read_is_412(ctx: Context) -> None:
    """A read with the ETag of the version is answered, with another one it is 412; `If-Match` comes first."""
    namespace = ctx.namespace()
    etag = ctx.set(namespace, "key", 1).json["etag"]
    current = ("if-none-match", f'"{etag}"')
    for field in (etag_field(etag), ANY_VERSION):
        ctx.get(namespace, "key", fields=[field])
        ctx.get(namespace, "key", status=304, fields=[field, current])
    for fields in ([etag_field(other_epoch(etag))], [etag_field(other_epoch(etag)), current]):
        ctx.get(namespace, "key", status=412, fields=fields)
    ctx.get(namespace, "missing", status=404, fields=[etag_field(etag)])


@check("REG-CLR-02", "REG-COND-05", profile="conditional")
def clear_is_of_one_cursor(ctx: Context) -> None:
    """A clear with `If-Match` is done at that cursor only; else it is 412 with the cursor."""
    namespace = ctx.namespace()
    stale = ctx.set(namespace, "key", 1).json["cursor"]
    cursor = ctx.set(namespace, "key", 2).json["cursor"]
    for text in (f'"{stale}"', f'"{other_epoch(cursor)}"', f'W/"{cursor}"'):
        refused = ctx.expect(412, "clear_namespace", namespace, fields=[("if-match", text)])
        require(refused.json.get("cursor") == cursor, f"a 412 with the cursor {refused.json.get('cursor')}")
    require(ctx.cursor(namespace) == cursor, "a clear whose condition failed has changed the namespace")
    fields = [("if-match", f'"{stale}", "{cursor}"')]
    require(ctx.expect(200, "clear_namespace", namespace, fields=fields).json["count"] == 1, "nothing went")
    ctx.expect(200, "clear_namespace", namespace, fields=[ANY_VERSION])


@check("REG-COND-07", profile="conditional")
def dates_are_no_conditions(ctx: Context) -> None:
    """A read ignores conditions on dates; an operation that writes answers them 400."""
    namespace = ctx.namespace()
    ctx.set(namespace, "key", 1)
    for name in DATES:
        ctx.get(namespace, "key", fields=[(name, DATE)])
        for operation, how in _writes(namespace):
            if "batch" in ctx.profiles or not operation.startswith("batch"):
                _refused(ctx, namespace, operation, [(name, DATE)], 400, **how)


@check("REG-COND-08", profile="core")
def conditions_that_are_not_offered_are_refused(ctx: Context) -> None:
    """A server without the profile `conditional` answers a write with a condition 400, and does not do it."""
    if "conditional" in ctx.profiles:
        return
    namespace = ctx.namespace()
    ctx.set(namespace, "key", 1)
    for operation, how in _writes(namespace):
        if "batch" in ctx.profiles or not operation.startswith("batch"):
            for field in (ANY_VERSION, CREATE_ONLY, etag_field("x.1"), ("if-unmodified-since", DATE)):
                _refused(ctx, namespace, operation, [field], 400, **how)
