"""What a namespace holds after any operations, in memory: a server must answer the same."""

from __future__ import annotations

from typing import NamedTuple


class Held(NamedTuple):
    """An entry of the model."""

    value: int
    revision: int


class Model:
    """A namespace as the promises have it: entries in creation order, and the latest revision."""

    def __init__(self) -> None:
        self.entries: dict[str, Held] = {}
        self.head = 0
        self.log: list[tuple[str, str | None]] = []

    def set(self, key: str, value: int) -> tuple[str, int]:
        """The outcome and the revision that the entry has then."""
        held = self.entries.get(key)
        if held is not None and held.value == value:
            return "unchanged", held.revision
        self._changed("set", key)
        self.entries[key] = Held(value, self.head)  # a key that is there keeps its place
        return "created" if held is None else "replaced", self.head

    def delete(self, key: str) -> bool:
        """Whether there was such an entry."""
        if key not in self.entries:
            return False
        self._changed("delete", key)
        del self.entries[key]
        return True

    def clear(self) -> int:
        """How many entries there were."""
        count = len(self.entries)
        if count:
            self._changed("clear", None)
            self.entries.clear()
        return count

    def _changed(self, op: str, key: str | None) -> None:
        self.head += 1
        self.log.append((op, key))
