"""Revisions as the protocol spells them: cursors, ETags and page tokens."""

from __future__ import annotations

import re
from hashlib import blake2b

from registry.envelope.form import length_prefixed
from registry_server.problems import Problem
from registry_server.storage.base import NEVER, Expect

_CURSOR = re.compile(r"([0-9A-Za-z_-]{1,100})\.(0|[1-9][0-9]{0,17})")
_POSITION = re.compile(r"[0-9]{1,18}")
_is_revision = re.compile(r"[1-9][0-9]{0,17}").fullmatch  # as we write it: "01" is another text, another tag


def etag_field(etag: str) -> tuple[bytes, bytes]:
    """The ``ETag`` header field of a version."""
    return b"etag", b'"%b"' % etag.encode()


def expected(etag: str, epoch: str) -> Expect:
    """The revision that an ETag names, or `NEVER` where no entry of this epoch can have it."""
    named_epoch, _, revision = etag.rpartition(".")
    if named_epoch != epoch or not _is_revision(revision):
        return NEVER
    return int(revision)


def since_of(cursor: str, epoch: str) -> int | None:
    """The revision that a cursor has come to; None where it is of another epoch.

    Raises:
        Problem: 400: it is no cursor.
    """
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise Problem(400, "invalid_cursor", "Not a cursor; give back the `cursor` of an answer as it came")
    return int(match[2]) if match[1] == epoch else None


def listing_of(*parts: str) -> str:
    """Names a listing in its page tokens: the operation, the namespace and the filters that it is of."""
    return blake2b(length_prefixed(*(part.encode() for part in parts)), digest_size=6).hexdigest()


def invalid_page() -> Problem:
    """The problem of a token that is malformed or of another listing."""
    return Problem(400, "invalid_page", "Not a page token of this listing; give back `next` as it came")


def position_of(page: str | None, listing: str, epoch: str, head_cursor: str) -> int:
    """How far a listing has come, from its page token; 0 for the first page.

    Raises:
        Problem: 400 if it is not a token of this listing, 410 if it is of another epoch.
    """
    if page is None:
        return 0
    token, _, named_listing = page.rpartition(".")
    named_epoch, _, position = token.rpartition(".")
    if named_listing != listing or not named_epoch or _POSITION.fullmatch(position) is None:
        raise invalid_page()
    if named_epoch != epoch:
        raise Problem(
            410,
            "epoch_changed",
            "The listing began in an earlier epoch of this store",
            suggestions=["list again from the first page"],
            cursor=head_cursor,
        )
    return int(position)
