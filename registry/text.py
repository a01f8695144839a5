"""Text from servers and stored entries, made safe to show."""

from __future__ import annotations


def visible(text: str) -> str:
    """``text`` on one line, with escapes for what would command a terminal or reorder what is read there."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
