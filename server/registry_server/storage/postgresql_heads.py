"""What this server knows of how far each namespace has come, and who is to be told when it goes on.

Known heads only rise, and are not ahead of the database. They may be behind it: so they say *that* something
came, never that nothing did. (Whoever may NOTIFY could make them lie: then the database is asked in vain.)
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from registry_server.storage.base import Listener

log = logging.getLogger(__name__)

BUCKETS: Final = 256
"""Namespaces are compared with the database in so many groups; a power of two."""

_LARGEST_NOTICE: Final = 7_900
"""Bytes; PostgreSQL takes less than 8,000."""


class Head(NamedTuple):
    """How far a namespace has come; ``ident`` is its row's."""

    ident: int
    name: str
    head: int


class Heads:
    """The heads known here, by name."""

    def __init__(self) -> None:
        self._known: dict[str, Head] = {}
        self._sums = [0] * BUCKETS
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def head(self, name: str) -> int:
        """The highest head seen; 0 for what is not known."""
        known = self._known.get(name)
        return 0 if known is None else known.head

    def ident(self, name: str) -> int | None:
        known = self._known.get(name)
        return None if known is None else known.ident

    def learn(self, told: Head) -> None:
        """Take over what was read or told; listeners hear of it where it is news."""
        known = self._known.get(told.name)
        if known is not None and known.ident == told.ident and known.head >= told.head:
            return
        if known is not None:
            self._sums[known.ident % BUCKETS] -= known.head
        self._known[told.name] = told
        self._sums[told.ident % BUCKETS] += told.head
        if told.head:
            self._tell(told.name)

    def forget(self, names: Iterable[str] | None = None) -> None:
        """Know nothing of ``names``, or of all: their history is another one. Listeners hear of it."""
        gone = list(self._known) if names is None else [name for name in names if name in self._known]
        for name in gone:
            known = self._known.pop(name)
            self._sums[known.ident % BUCKETS] -= known.head
        for name in gone:
            self._tell(name)

    def differing(self, sums: Sequence[tuple[int, int]]) -> list[int]:
        """The groups whose heads sum up to something else than is known here."""
        return [bucket for bucket, total in sums if self._sums[bucket] != total]

    def _tell(self, name: str) -> None:
        for listener in self._listeners:
            try:
                listener(name)
            except Exception:  # what moved was committed: whoever wrote it is to be answered all the same
                log.exception("a listener failed")


def notices(heads: Iterable[Head]) -> Iterator[str]:
    """``heads`` as payloads of NOTIFY, each as full as one may be."""
    parts: list[str] = []
    size = 2
    for head in heads:
        part = json.dumps(head)
        if parts and size + len(part) + 1 > _LARGEST_NOTICE:
            yield f"[{','.join(parts)}]"
            parts, size = [], 2
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield f"[{','.join(parts)}]"


def heads_of(notice: str) -> list[Head]:
    """What a payload says; nothing where it is not one of ours (anybody may notify)."""
    try:
        return [Head(int(ident), str(name), int(head)) for ident, name, head in json.loads(notice)]
    except (ValueError, TypeError):
        return []
