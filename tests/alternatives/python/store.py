"""Namespaces in memory: entries, revisions, conditions (REG-REV, REG-COND)."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from forms import digest_of, size_of

ABSENT: Final = "absent"
PRESENT: Final = "*"
ANSWER_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    value: dict[str, Any]
    revision: int
    etag: str
    digest: str
    updated_at: str
    place: int
    """The revision that created it: the order of listings, kept when it is replaced."""

    def answer(self) -> dict[str, Any]:
        names = ("value", "revision", "etag", "digest", "updated_at")
        return {name: getattr(self, name) for name in names}

    def current(self) -> dict[str, Any]:
        """What the writer is told whose condition failed."""
        answer: dict[str, Any] = {"revision": self.revision, "etag": self.etag, "digest": self.digest}
        return answer | {name: self.value[name] for name in ("meta", "signature") if name in self.value}


@dataclass(slots=True)
class Namespace:
    """The entries of one namespace. Not thread-safe: whoever calls holds the store's lock."""

    epoch: str = field(default_factory=lambda: secrets.token_hex(8))
    head: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    """In creation order: a dict keeps the place of a key that is assigned again."""

    @property
    def cursor(self) -> str:
        return f"{self.epoch}.{self.head}"

    def holds(self, key: str, expect: str | None) -> bool:
        """Whether the entry is as expected: ABSENT, PRESENT, an ETag, or None for anything."""
        entry = self.entries.get(key)
        if expect is None:
            return True
        if entry is None:
            return expect == ABSENT
        return expect in (PRESENT, entry.etag)

    def put(self, key: str, value: dict[str, Any]) -> tuple[str, Entry]:
        """Outcome and entry. A value equal in every field is ``unchanged``, and takes no revision."""
        old = self.entries.get(key)
        if old and old.value == value:
            return "unchanged", old
        self.head += 1
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        place = old.place if old else self.head
        entry = Entry(key, value, self.head, self.cursor, digest_of(value), now, place)
        self.entries[key] = entry
        return ("replaced" if old else "created"), entry

    def remove(self, key: str) -> int:
        """The revision of the removal."""
        del self.entries[key]
        self.head += 1
        return self.head

    def clear(self) -> int:
        """How many entries were removed, in one change; none, and there is no change."""
        count = len(self.entries)
        if count:
            self.entries.clear()
            self.head += 1
        return count

    def after(self, place: int, prefix: str) -> Iterator[Entry]:
        return (
            entry for entry in self.entries.values() if entry.place > place and entry.key.startswith(prefix)
        )


def within_bounds(entries: Iterator[Entry], limit: int, *, whole: bool) -> tuple[list[Entry], bool]:
    """A page of them, and whether more follow. Whole entries stop before 8 MiB, but after one at least."""
    page: list[Entry] = []
    size = 0
    for entry in entries:
        size += size_of(entry.value) if whole else 0
        if len(page) == limit or (page and size > ANSWER_BYTES):
            return page, True
        page.append(entry)
    return page, False
