"""Conditional writes and reads (RFC 9110 section 13)."""

from __future__ import annotations

from registry.conformance.check import check, require
from registry.conformance.context import (
    CREATE_ONLY,
    Answer,
    Context,
    envelope,
    etag_field,
    other_epoch,
)

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


@check("REG-COND-03", "REG-ERR-02", profile="conditional")
def conditions_that_cannot_be_read_are_errors(ctx: Context) -> None:
    """A condition that is no ETag, or two at once, is refused with 4xx and nothing is written."""
    namespace = ctx.namespace()
    etag = ctx.set(namespace, "key", 1).json["etag"]
    cases = (
        [("if-match", etag)],
        [("if-match", f'"{etag}')],
        [("if-match", f'W/"{etag}"')],
        [("if-none-match", f'"{etag}"')],
        [CREATE_ONLY, etag_field(etag)],
    )
    for fields in cases:
        body = {"key": {"type": "json", "data": '"key"', "encoding": "json"}, "value": envelope(2)}
        answer = ctx.ask("set_entry", namespace, body=body, fields=fields)
        require(answer.status in (400, 412, 422), f"a set with {fields} is answered {answer.status}")
    require(ctx.get(namespace, "key").json["etag"] == etag, "a condition that cannot be read was left out")
