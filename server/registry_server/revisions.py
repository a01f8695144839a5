"""Revisions as the protocol spells them: cursors, ETags, page tokens, and what a condition expects."""

from __future__ import annotations

import re

from registry_server.problems import Problem
from registry_server.storage.base import ABSENT, ANY, NEVER, PRESENT, Entry, Expect

_CURSOR = re.compile(r"([0-9A-Za-z_-]{1,100})\.(0|[1-9][0-9]{0,17})")
_is_revision = re.compile(r"[1-9][0-9]{0,17}").fullmatch  # as we write it: "01" is another text, another tag
_ENTITY_TAGS = re.compile(r'\s*(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')


def etag_field(etag: str) -> tuple[bytes, bytes]:
    """The ``ETag`` header field of a version."""
    return b"etag", b'"%b"' % etag.encode()


def parse_etags(field: str, name: str) -> list[str]:
    """The entity tags of an ``If-Match`` or ``If-None-Match`` list (RFC 9110 section 8.8.3), unquoted.

    Raises:
        Problem: 400: the field is not such a list.
    """
    tags = []
    position = 0
    while position < len(field):
        match = _ENTITY_TAGS.match(field, position)
        if match is None:
            raise Problem(
                400, "invalid_request", f"{name} holds ETags in double quotes, with commas between, or is *"
            )
        tags.append(match.group(1))
        position = match.end()
        if position < len(field) and field[position] == ",":
            position += 1
        elif position < len(field):
            raise Problem(400, "invalid_request", f"{name} has something else than a comma between its ETags")
    return tags


def expected(etag: str, epoch: str) -> Expect:
    """The revision that an ETag names, or `NEVER` where no entry of this epoch can have it."""
    named_epoch, _, revision = etag.rpartition(".")
    if named_epoch != epoch or not _is_revision(revision):
        return NEVER
    return int(revision)


def expectation(if_match: str | None, if_none_match: str | None, epoch: str) -> Expect:
    """What a conditional write expects of the entry.

    Raises:
        Problem: 400: both conditions at once, or not an ETag.
    """
    if if_match is None:
        return ANY if if_none_match is None else ABSENT
    if if_none_match is not None:
        raise Problem(400, "invalid_request", "If-Match and If-None-Match exclude each other on a write")
    if if_match.strip() == "*":
        return PRESENT
    tags = parse_etags(if_match, "If-Match")
    if len(tags) != 1 or if_match.lstrip().startswith("W/"):
        raise Problem(400, "invalid_request", "If-Match of a write names one strong ETag, or is *")
    return expected(tags[0], epoch)


def matches(if_none_match: str, entry: Entry, epoch: str) -> bool:
    """Whether ``If-None-Match`` of a read names this version (weak comparison)."""
    if if_none_match == f'"{epoch}.{entry.revision}"':
        return True
    if if_none_match.strip() == "*":
        return True
    return any(expected(tag, epoch) == entry.revision for tag in parse_etags(if_none_match, "If-None-Match"))


def since_of(cursor: str, epoch: str) -> int | None:
    """The revision that a cursor has come to; None where it is of another epoch.

    Raises:
        Problem: 400: it is no cursor.
    """
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise Problem(400, "invalid_cursor", "Not a cursor; give back the `cursor` of an answer as it came")
    return int(match[2]) if match[1] == epoch else None


def position_of(page: str | None, epoch: str, head_cursor: str) -> int:
    """How far a listing has come, from its page token; 0 for the first page.

    Raises:
        Problem: 400 where it is no such token, 410 where it is of another epoch.
    """
    if page is None:
        return 0
    named_epoch, _, position = page.rpartition(".")
    if not (named_epoch and position.isascii() and position.isdecimal() and len(position) <= 18):
        raise Problem(400, "invalid_page", "Not a page token of this listing; give back `next` as it came")
    if named_epoch != epoch:
        raise Problem(
            410,
            "epoch_changed",
            "The listing began in an earlier epoch of this store",
            suggestions=["list again from the first page"],
            cursor=head_cursor,
        )
    return int(position)
