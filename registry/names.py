"""The grammar of namespaces and keys: one parser for the library, the server and the spec.

Promises REG-NAME-01 (namespaces) and REG-NAME-02 (keys) of ``docs/promises.md``.
"""

from __future__ import annotations

import re
from typing import TypeVar

from registry.errors import CoercionError, NamespaceError

T = TypeVar("T")

MAX_NAMESPACE_LENGTH = 255
"""Longest namespace, in characters (all of them ASCII)."""

MAX_KEY_BYTES = 1_024
"""Longest key that travels, in bytes of UTF-8."""

NAMESPACE_PATTERN = r"^[A-Za-z0-9]+(\.[A-Za-z0-9]+)*$"
"""The pattern as ``openapi.yaml`` prints it."""

# ``$`` in Python also matches before a final newline, in the ECMA dialect of the spec it does not.
_match_namespace = re.compile(NAMESPACE_PATTERN[1:-1]).fullmatch


def check_namespace(namespace: object) -> str:
    """``namespace`` itself, if it is one.

    Dot-delimited segments of ASCII letters and digits, at most `MAX_NAMESPACE_LENGTH` characters.

    Raises:
        NamespaceError: it is not.
    """
    if isinstance(namespace, str) and len(namespace) <= MAX_NAMESPACE_LENGTH and _match_namespace(namespace):
        return namespace
    shown = repr(namespace) if len(repr(namespace)) <= 80 else repr(namespace)[:77] + "..."
    raise NamespaceError(
        f"Invalid namespace: {shown}. A namespace is ASCII letters and digits in segments set apart by dots, "
        f"at most {MAX_NAMESPACE_LENGTH} characters",
        suggestions=_repaired(namespace),
        context={"namespace": shown},
    )


def _repaired(namespace: object) -> list[str]:
    """The namespace that the text would be without what a namespace cannot hold."""
    if not isinstance(namespace, str):
        return ["research.losses"]
    segments = re.findall(r"[A-Za-z0-9]+", namespace.replace("_", "").replace("-", ""))
    return [".".join(segments)[:MAX_NAMESPACE_LENGTH].rstrip(".") or "research.losses"]


def check_key(key: object) -> str:
    """``key`` as a plain `str`, if it can travel: a text of 1 to `MAX_KEY_BYTES` bytes of UTF-8.

    Keys are compared by code point; nothing is normalised. A subclass of `str` (a ``StrEnum`` member,
    a NumPy string) stands for its text.

    Raises:
        CoercionError: it is no text, is empty or too long, or holds a lone surrogate.
    """
    if not isinstance(key, str):
        raise CoercionError(
            f"A key of a shared registry is a text, not {type(key).__name__}",
            suggestions=[f"use str(key): {str(key)!r:.80}"] if isinstance(key, int | float) else [],
            context={"type": type(key).__name__},
        )
    if type(key) is not str:
        key = str.__str__(key)
    if not key:
        raise CoercionError("A key of a shared registry has at least one character", context={"bytes": 0})
    if key.isascii():
        length = len(key)
    else:
        try:
            length = len(key.encode())
        except UnicodeEncodeError:
            raise CoercionError(
                "A key holds a lone surrogate, which UTF-8 cannot carry",
                suggestions=["name the artifact with characters that can be written to a file"],
                context={"key": ascii(key)[:80]},
            ) from None
    if length > MAX_KEY_BYTES:
        raise CoercionError(
            f"A key of {length:,} bytes is longer than {MAX_KEY_BYTES:,} bytes of UTF-8",
            context={"bytes": length, "limit": MAX_KEY_BYTES},
        )
    return key


def hashable(key: T) -> T:
    """``key`` itself, if a registry of this process can hold something under it.

    Raises:
        CoercionError: it has no hash.
    """
    try:
        hash(key)
    except TypeError:
        raise CoercionError(
            f"A {type(key).__name__} cannot be a key",
            suggestions=["use a text"],
            context={"type": type(key).__name__},
        ) from None
    return key
