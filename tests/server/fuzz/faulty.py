"""A server with a defect, to show that the fuzzing would find it.

``python -m tests.server.fuzz.faulty [OPTIONS] FAULT``, with the options of ``python -m registry``.
"""

from __future__ import annotations

import sys
from typing import Any

from registry.cli import main
from registry_server.answers import Answer
from registry_server.envelopes import stored_of
from registry_server.handlers import entries
from registry_server.problems import Problem
from registry_server.storage.base import Changes, Removed
from registry_server.storage.memory import MemoryBackend

get_entry = entries.Entries.get_entry


async def forgets_a_field(self: Any, *arguments: Any, **options: Any) -> Answer:
    answer = await get_entry(self, *arguments, **options)
    if isinstance(answer.body, dict):
        del answer.body["digest"]
    return answer


async def answers_what_is_not_documented(_self: Any, **_arguments: Any) -> Answer:
    raise Problem(409, "key_not_found", "Ask somebody else")


async def loses_deletes(self: MemoryBackend, namespace: str, key: str, **_expect: int) -> Removed:
    current, head = await self.get(namespace, key)
    return Removed(current is not None, head)


changes = MemoryBackend.changes


async def tells_a_change_twice(self: MemoryBackend, namespace: str, since: int, **bounds: int) -> Changes:
    """``>=`` where it should be ``>``."""
    return await changes(self, namespace, max(0, since - 1), **bounds)


def drops_meta(wire: dict[str, Any], **options: Any) -> Any:
    return stored_of({name: field for name, field in wire.items() if name != "meta"}, **options)


FAULTS = {
    "forgets_a_field": (entries.Entries, "get_entry", forgets_a_field),
    "answers_what_is_not_documented": (entries.Entries, "contains_entry", answers_what_is_not_documented),
    "tells_a_change_twice": (MemoryBackend, "changes", tells_a_change_twice),
    "loses_deletes": (MemoryBackend, "delete", loses_deletes),
    "drops_meta": (entries, "stored_of", drops_meta),
}

if __name__ == "__main__":
    setattr(*FAULTS[sys.argv.pop()])
    main()
