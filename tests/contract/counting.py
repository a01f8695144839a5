"""What a storage counts of its work, for those that share commits."""

from __future__ import annotations

import asyncio

import pytest

from registry_server.storage.base import ABSENT, ConditionFailedError, StorageBackend
from registry_server.testing import stored


async def check_commits_are_counted(backend: StorageBackend) -> None:
    """Twenty writes at once, and one that is refused, which is no failure of the storage."""
    await asyncio.gather(*(backend.put("space", f"{number}", stored(number)) for number in range(20)))
    with pytest.raises(ConditionFailedError):
        await backend.put("space", "1", stored(2), expect=ABSENT)

    counters = backend.counters()
    assert counters is not None
    assert sum(operations * times for operations, times in counters.commits.items()) == 21
    assert sum(counters.commits.values()) < 20
    assert (counters.errors, counters.queued) == (0, 0)
