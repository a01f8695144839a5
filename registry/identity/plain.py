"""Scalars as JSON, from which type and value can be told, and what has no form at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class NoForm(Exception):
    """Something cannot be written down exactly."""


def write_text(text: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        # json.dumps writes two lone surrogates and the character they would pair up to alike.
        return ["text", text.encode("utf-32-be", "surrogatepass").hex()]
    return text


def write_words(text: Any) -> Any:
    """A docstring without its layout, which differs between Pythons."""
    return write_text(" ".join(text.split())) if isinstance(text, str) else None


PLAIN: dict[type, Callable[[Any], Any]] = {
    type(None): lambda _: None,
    bool: lambda value: value,
    # Not as a JSON number: Python refuses to print very large ones in decimal.
    int: lambda value: ["int", hex(value)],
    float: lambda value: ["float", value.hex()],
    complex: lambda value: ["complex", value.real.hex(), value.imag.hex()],
    str: write_text,
    bytes: lambda value: ["bytes", value.hex()],
    type(...): lambda _: ["..."],
    type(NotImplemented): lambda _: ["NotImplemented"],
    range: lambda value: ["range", hex(value.start), hex(value.stop), hex(value.step)],
}


def is_json(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and is_json(member) for key, member in value.items())
    if kind is list:
        return all(map(is_json, value))
    return value is None or kind in (bool, int, float, str)
