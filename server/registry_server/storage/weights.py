"""How much memory entries and changes take, for what is bounded by bytes."""

from __future__ import annotations

from typing import Final

from registry_server.storage.base import Change, Entry

_ENTRY: Final = 700
"""Bytes of an entry's tuple, digest, time, numbers and place in a dict, beside its texts and envelope."""
_CHANGE: Final = 500
"""The same of a change."""


def text_bytes(text: str) -> int:
    """Return at least the bytes that ``text`` takes, at once.

    Python stores every character of a text as wide as its widest one, up to 4 bytes, and may keep its UTF-8
    as well. The same text always counts the same, as `sys.getsizeof` does not promise.
    """
    return len(text) if text.isascii() else 8 * len(text)


def entry_bytes(namespace: str, entry: Entry) -> int:
    """Return about how many bytes ``entry`` takes under its namespace and key."""
    return _ENTRY + len(entry.envelope) + text_bytes(entry.key) + len(namespace)


def change_bytes(change: Change) -> int:
    """Return about how many bytes ``change`` takes."""
    return _CHANGE + len(change.envelope) + text_bytes(change.key)
