"""Many entries in one request."""

from __future__ import annotations

from typing import Any

from registry.errors import ValidationError
from registry_server.envelopes import key_of, stored_of
from registry_server.handlers.entries import current_of, version_of
from registry_server.limits import Limits
from registry_server.operations import Answer
from registry_server.problems import Problem, problem_of
from registry_server.revisions import expected
from registry_server.storage.base import (
    ABSENT,
    ANY,
    BatchWritten,
    Expect,
    Put,
    Refused,
    StorageBackend,
    Written,
)


class Batch:
    """Handlers of the tag ``batch``."""

    def __init__(self, backend: StorageBackend, limits: Limits) -> None:
        self._backend = backend
        self._limits = limits

    async def batch_set(self, namespace: str, body: dict[str, Any]) -> Answer:
        epoch = self._backend.epoch
        writes = self._writes(body["entries"], epoch)
        written = await self._backend.put_many(namespace, writes, atomic=body.get("atomic", False))
        if not written.applied:
            raise _all_refused(namespace, writes, written, epoch)
        refused = any(isinstance(outcome, Refused) for outcome in written.outcomes)
        return Answer(
            {
                "status": "partial" if refused else "success",
                "outcomes": [_outcome(outcome, epoch) for outcome in written.outcomes],
                "cursor": f"{epoch}.{written.head}",
            }
        )

    def _writes(self, entries: list[dict[str, Any]], epoch: str) -> list[Put]:
        writes: dict[str, Put] = {}
        for index, entry in enumerate(entries):
            try:
                key = key_of(entry["key"])
                value = stored_of(entry["value"], value_bytes=self._limits.value_bytes)
            except ValidationError as error:
                raise _at(index, problem_of(error)) from None
            if key in writes:
                raise _at(index, Problem(422, "invalid_body", f"The key {key!r} comes twice in the batch"))
            writes[key] = Put(key, value, _expect(entry.get("expect"), epoch))
        return list(writes.values())


def _expect(expect: str | None, epoch: str) -> Expect:
    if expect is None:
        return ANY
    return ABSENT if expect == "absent" else expected(expect, epoch)


def _at(index: int, problem: Problem) -> Problem:
    """The problem of one entry, as that of the batch it came in."""
    context = {**problem.members.pop("context", {}), "index": index, "pointer": f"/entries/{index}"}
    return Problem(
        problem.status, problem.code, f"Entry {index}: {problem.detail}", context=context, **problem.members
    )


def _outcome(outcome: Written | Refused, epoch: str) -> dict[str, Any]:
    if isinstance(outcome, Refused):
        current = {} if outcome.current is None else {"current": current_of(outcome.current, epoch)}
        return {"outcome": "refused", **current}
    return {"outcome": outcome.outcome, **version_of(outcome.entry, epoch)}


def _all_refused(namespace: str, writes: list[Put], written: BatchWritten, epoch: str) -> Problem:
    failures = [
        {"index": index, "key": writes[index].key, **_outcome(outcome, epoch)}
        for index, outcome in enumerate(written.outcomes)
        if isinstance(outcome, Refused)
    ]
    return Problem(
        412,
        "precondition_failed",
        f"{len(failures)} of {len(writes)} entries are not as expected; nothing of the batch was stored",
        context={"namespace": namespace, "failures": failures},
        cursor=f"{epoch}.{written.head}",
    )
