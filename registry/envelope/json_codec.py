"""Values that are exactly JSON, as JSON text, and nothing else as JSON.

``json.dumps`` alone would turn tuples into lists, integer keys into texts and enum members into integers
without a word. Here a value either comes back with the same types all the way down, or is not JSON.
"""

from __future__ import annotations

import json
from typing import Any, Final

from registry.envelope import form
from registry.errors import EnvelopeTooLargeError

MAX_INTEGER_DIGITS: Final = 4_300
"""Longest integer that travels: what Python reads without being told otherwise."""

_INTEGER_BOUND = 10**MAX_INTEGER_DIGITS
_PLAIN = frozenset({str, float, bool, type(None)})
_CONTAINERS = frozenset({list, dict})
_EXACT = _PLAIN | _CONTAINERS | {int}
_TEXT_KEYS = frozenset({str})

# NaN is found by the encoder itself and cycles by the depth limit, both without a second look at a value.
_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode


def encode_exactly(value: object) -> str | None:
    """The JSON text of ``value``, or ``None`` if ``value`` is not exactly JSON.

    Exactly JSON are `None`, `bool`, `int` of at most `MAX_INTEGER_DIGITS` digits, finite `float`, `str`
    without lone surrogates, and `list` and `dict` with `str` keys of these, no subclasses, nested at most
    `form.MAX_DEPTH` deep. Written with Python's default separators, characters unescaped: ``{"result": 42}``.

    Raises:
        EnvelopeTooLargeError: it is JSON, and larger than `form.MAX_VALUE_BYTES`.
    """
    if not _has_exact_types(value, form.MAX_DEPTH, _Room()):
        return None
    try:
        text = _dumps(value)
        text.encode()
    except ValueError:  # NaN, an infinity, a lone surrogate, or a lower integer limit of this process
        return None
    form.check_size(text)
    return text


def decode(text: str) -> Any:
    """The value that a JSON text spells, made afresh.

    Raises:
        MalformedEnvelopeError: it is not strict JSON (`form.parse_json`).
    """
    return form.parse_json(text)


class _Room:
    """How many characters may still come.

    A list that holds a list ten times, which holds another ten times, is a few hundred bytes here and
    10**64 elements as JSON: the walk has to end long before that.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = form.MAX_VALUE_BYTES

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise EnvelopeTooLargeError(
                f"A value of more than {form.MAX_VALUE_BYTES:,} bytes as JSON cannot travel",
                suggestions=["keep large data in a file or object store, and share a function that loads it"],
                context={"limit": form.MAX_VALUE_BYTES},
            )


def _has_exact_types(value: Any, levels: int, room: _Room) -> bool:
    kind = type(value)
    if kind is list:
        return _elements_are_exact(value, levels, room)
    if kind is dict:
        if not _TEXT_KEYS.issuperset(map(type, value)):
            return False
        room.take(sum(map(len, value)))
        return _elements_are_exact(value.values(), levels, room)
    if kind is str:
        room.take(len(value))
    return kind in _PLAIN or (kind is int and is_short(value))


def _elements_are_exact(elements: Any, levels: int, room: _Room) -> bool:
    if levels == 0:
        return False
    kinds = set(map(type, elements))
    if not _EXACT.issuperset(kinds):
        return False
    room.take(len(elements))
    if str in kinds:
        room.take(sum(len(element) for element in elements if type(element) is str))
    if int in kinds and not all(map(is_short, [element for element in elements if type(element) is int])):
        return False
    return _CONTAINERS.isdisjoint(kinds) or all(
        _has_exact_types(element, levels - 1, room) for element in elements if type(element) in _CONTAINERS
    )


def is_short(integer: int) -> bool:
    """Whether it has at most `MAX_INTEGER_DIGITS` digits."""
    return -_INTEGER_BOUND < integer < _INTEGER_BOUND
