"""Many entries in one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from registry.errors import ValidationError
from registry_server.answers import Answer
from registry_server.envelopes import key_of, stored_of
from registry_server.handlers.entries import PAGE_BYTES, current_of, value_of, version_of
from registry_server.limits import Limits
from registry_server.problems import Problem, problem_of
from registry_server.revisions import expected
from registry_server.storage.base import (
    ABSENT,
    ANY,
    Drop,
    Entry,
    Expect,
    Put,
    Refused,
    Removed,
    StorageBackend,
    Written,
)

T = TypeVar("T")


class Batch:
    """Handlers of the tag ``batch``."""

    def __init__(self, backend: StorageBackend, limits: Limits) -> None:
        self._backend = backend
        self._limits = limits

    async def batch_set(self, namespace: str, body: dict[str, Any]) -> Answer:
        epoch = self._backend.epoch
        writes = _by_key(body["entries"], lambda key, entry: self._write(key, entry, epoch))
        done = await self._backend.put_many(namespace, writes, atomic=body.get("atomic", False))
        outcomes = [_written(outcome, epoch) for outcome in done.outcomes]
        if not done.applied:
            raise _all_refused(namespace, [write.key for write in writes], outcomes, f"{epoch}.{done.head}")
        return Answer(_body(outcomes, f"{epoch}.{done.head}"))

    async def batch_delete(self, namespace: str, body: dict[str, Any]) -> Answer:
        epoch = self._backend.epoch
        drops = _by_key(body["entries"], lambda key, entry: Drop(key, _expect(entry.get("expect"), epoch)))
        done = await self._backend.delete_many(namespace, drops, atomic=body.get("atomic", False))
        outcomes = [_removed(outcome, epoch) for outcome in done.outcomes]
        if not done.applied:
            raise _all_refused(namespace, [drop.key for drop in drops], outcomes, f"{epoch}.{done.head}")
        return Answer(_body(outcomes, f"{epoch}.{done.head}"))

    async def batch_get(self, namespace: str, body: dict[str, Any]) -> Answer:
        epoch = self._backend.epoch
        wanted = dict(_by_key(body["entries"], lambda key, entry: (key, entry.get("unless"))))
        outcomes, head = await self._read(namespace, wanted, epoch)
        if _crowded_out(outcomes):
            # What the reader has took room from what it lacks: read again, with that first.
            lacking = sorted(wanted, key=lambda key: outcomes[key]["outcome"] == "unchanged")
            outcomes, head = await self._read(namespace, {key: wanted[key] for key in lacking}, epoch)
        return Answer({"outcomes": [outcomes[key] for key in wanted], "cursor": f"{epoch}.{head}"})

    async def _read(
        self, namespace: str, wanted: Mapping[str, str | None], epoch: str
    ) -> tuple[dict[str, dict[str, Any]], int]:
        entries, head = await self._backend.get_many(namespace, [*wanted], max_bytes=PAGE_BYTES)
        outcomes = {
            key: _found(entry, wanted[key], epoch) for key, entry in zip(wanted, entries, strict=True)
        }
        return outcomes, head

    def _write(self, key: str, entry: dict[str, Any], epoch: str) -> Put:
        value = stored_of(entry["value"], value_bytes=self._limits.value_bytes)
        return Put(key, value, _expect(entry.get("expect"), epoch))


def _by_key(entries: list[dict[str, Any]], read: Callable[[str, dict[str, Any]], T]) -> list[T]:
    """What ``read`` makes of each entry and its key; the index is told with whatever is wrong with one."""
    found: dict[str, T] = {}
    for index, entry in enumerate(entries):
        try:
            key = key_of(entry["key"])
            if key in found:
                raise Problem(422, "invalid_body", f"The key {key!r} comes twice in the batch")
            found[key] = read(key, entry)
        except (ValidationError, Problem) as error:
            raise _at(index, problem_of(error)) from None
    return list(found.values())


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


def _written(outcome: Written | Refused, epoch: str) -> dict[str, Any]:
    if isinstance(outcome, Refused):
        return _refused(outcome, epoch)
    return {"outcome": outcome.outcome, **version_of(outcome.entry, epoch)}


def _removed(outcome: Removed | Refused, epoch: str) -> dict[str, Any]:
    if isinstance(outcome, Refused):
        return _refused(outcome, epoch)
    return {"outcome": "deleted", "revision": outcome.head} if outcome.existed else {"outcome": "missing"}


def _refused(outcome: Refused, epoch: str) -> dict[str, Any]:
    current = {} if outcome.current is None else {"current": current_of(outcome.current, epoch)}
    return {"outcome": "refused", **current}


def _found(entry: Entry | None, unless: str | None, epoch: str) -> dict[str, Any]:
    if entry is None:
        return {"outcome": "missing"}
    if unless is not None and expected(unless, epoch) == entry.revision:
        return {"outcome": "unchanged"}
    return {"outcome": "found", **value_of(entry, epoch)} if entry.envelope else {"outcome": "omitted"}


def _crowded_out(outcomes: Mapping[str, dict[str, Any]]) -> bool:
    told = {outcome["outcome"] for outcome in outcomes.values()}
    return told >= {"omitted", "unchanged"}


def _body(outcomes: list[dict[str, Any]], cursor: str) -> dict[str, Any]:
    refused = any(outcome["outcome"] == "refused" for outcome in outcomes)
    return {"status": "partial" if refused else "success", "outcomes": outcomes, "cursor": cursor}


def _all_refused(namespace: str, keys: Sequence[str], outcomes: list[dict[str, Any]], cursor: str) -> Problem:
    failures = [
        {"index": index, "key": keys[index], **outcome}
        for index, outcome in enumerate(outcomes)
        if outcome["outcome"] == "refused"
    ]
    return Problem(
        412,
        "precondition_failed",
        f"{len(failures)} of {len(keys)} entries are not as expected; nothing of the batch was done",
        context={"namespace": namespace, "failures": failures},
        cursor=cursor,
    )
