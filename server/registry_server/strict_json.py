"""Strict JSON at the speed of orjson: what it accepts is what `registry.envelope.form.parse_json` accepts.

orjson refuses NaN, infinities, numbers beyond a double, lone surrogates and invalid UTF-8 by itself. It lets
repeated names through, nests deeper than the protocol, and reads long integers as doubles. So the fast way
is taken only where none of these can be; whatever is in doubt goes to `parse_json`, which decides. Property
tests hold the two together.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from registry.envelope.form import MAX_DEPTH, check_depth, parse_json
from registry.errors import MalformedEnvelopeError
from registry_server.problems import Problem

_LONGEST_INTEGER = 4_300
_holds_long_integer = re.compile(r"\d{4301}").search


def check_json_text(text: str) -> None:
    """Raise `MalformedEnvelopeError` unless ``text`` is strict JSON; the value itself is not made."""
    check_depth(text)
    if len(text) > _LONGEST_INTEGER and _holds_long_integer(text):
        parse_json(text)
        return
    try:
        raw = text.encode()
        value = orjson.loads(raw)
    except ValueError:
        parse_json(text)  # to say why, and to have the last word
        return
    if "{" in text and not _names_are_unique(raw, value):
        parse_json(text)


def parse_body(raw: bytes) -> Any:
    """The value of a request's body; integers beyond 64 bits may come as doubles (no field of ours has any).

    Raises:
        Problem: 400 ``invalid_json``: it is not strict JSON.
    """
    try:
        value = orjson.loads(raw)
        # A client that writes compactly, as ours does, sends what orjson would write: nothing was dropped.
        if orjson.dumps(value) == raw and (_has_few_brackets(raw) or _nests_within(MAX_DEPTH, value)):
            return value
    except (ValueError, TypeError):
        pass
    try:
        return parse_json(raw.decode())
    except UnicodeDecodeError as error:
        raise Problem(400, "invalid_json", f"The body is not UTF-8 at byte {error.start}") from None
    except MalformedEnvelopeError as error:
        reason = error.message.removeprefix("Not strict JSON: ")
        raise Problem(400, "invalid_json", f"The body is not strict JSON: {reason}") from None


def parse_key(text: str) -> object:
    """The value that the data of a key's envelope spells; a key if it is a `str`.

    Raises:
        MalformedEnvelopeError: it is not strict JSON.
    """
    try:
        return orjson.loads(text)
    except ValueError:
        return parse_json(text)


def _names_are_unique(raw: bytes, value: object) -> bool:
    """Whether no object lost a member when it was read, where that can be told at a glance.

    Without escapes each text is written with exactly two quotation marks, so a lost name shows in their
    number.
    """
    return b"\\" not in raw and orjson.dumps(value).count(b'"') == raw.count(b'"')


def _has_few_brackets(raw: bytes) -> bool:
    return raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH


def _nests_within(levels: int, value: object) -> bool:
    """Whether a value nests no deeper; faster than `check_depth` where most brackets stand in texts."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return levels > 0 and all(
        _nests_within(levels - 1, member) for member in value if isinstance(member, dict | list)
    )
