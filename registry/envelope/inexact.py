"""Where a value stops being exactly JSON, and why; asked only once `json_codec` has said that it is not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from registry.envelope.form import MAX_DEPTH
from registry.envelope.json_codec import MAX_INTEGER_DIGITS, is_short


class Flaw(NamedTuple):
    """The first part that is not JSON.

    Attributes:
        path: where it is: keys and places in lists, from the root.
        why: what is wrong with it, in words.
        advice: what to do about it.
    """

    path: tuple[Any, ...]
    why: str
    advice: str


def first_flaw(value: object) -> Flaw | None:
    """The first part of ``value`` that is not exactly JSON; None where there is none to be seen."""
    return _Walk().flaw(value, ())


_JSON = "dicts with text keys, lists, texts, finite numbers, booleans and None"
_ADVICE: dict[type, str] = {
    tuple: "make it a list",
    set: "make it a sorted list",
    frozenset: "make it a sorted list",
    bytes: "make it a text",
}


def _advice(value: Any) -> str:
    """The next step for a value of another type; scalars of numpy and torch have a Python number in them."""
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        plain = type(value.item())
        if plain in (bool, int, float):
            return f"use {plain.__name__}(...)"
    return _ADVICE.get(type(value), f"use {_JSON}")


class _Walk:
    """What is reached by many ways is looked at again only where it lies deeper."""

    def __init__(self) -> None:
        self._cleared: dict[int, int] = {}
        self._around: set[int] = set()

    def flaw(self, value: Any, path: tuple[Any, ...]) -> Flaw | None:
        kind = type(value)
        if kind is list or kind is dict:
            return self._flaw_within(value, path)
        if kind is str:
            return _flaw_of_text(value, path)
        if kind is float and not math.isfinite(value):
            return Flaw(path, f"{value} is no JSON number", "use None, or a finite number")
        if kind is int and not is_short(value):
            return Flaw(path, f"it has more than {MAX_INTEGER_DIGITS:,} digits", "write it as a text")
        if value is None or kind in (bool, int, float):
            return None
        name = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        return Flaw(path, f"{name} is not a JSON type", _advice(value))

    def _flaw_within(self, value: Any, path: tuple[Any, ...]) -> Flaw | None:
        if id(value) in self._around:
            return Flaw(path, "it holds itself", "leave that part out")
        if len(path) >= MAX_DEPTH:
            return Flaw(path[:3], f"it is nested more than {MAX_DEPTH} deep", "make it flatter")
        if self._cleared.get(id(value), -1) >= len(path):
            return None
        self._around.add(id(value))
        try:
            return self._flaw_of_parts(value, path)
        finally:
            self._around.discard(id(value))
            self._cleared[id(value)] = len(path)

    def _flaw_of_parts(self, value: Any, path: tuple[Any, ...]) -> Flaw | None:
        is_dict = type(value) is dict
        parts: Iterable[tuple[Any, Any]] = value.items() if is_dict else enumerate(value)
        for key, part in parts:
            if is_dict and type(key) is not str:
                return Flaw(path, f"its key {_shown(key)} is no text", "make its keys texts")
            found = (_flaw_of_text(key, path) if is_dict else None) or self.flaw(part, (*path, key))
            if found:
                return found
        return None


def _shown(key: object) -> str:
    text = repr(key)
    return text if len(text) <= 100 else f"of type {type(key).__qualname__}"


def _flaw_of_text(text: str, path: tuple[Any, ...]) -> Flaw | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        return Flaw(path, f"U+{code:04X} in it is half of a pair, which UTF-8 cannot carry", "take it out")
    return None
