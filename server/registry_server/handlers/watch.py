"""Changes, as they come: stateless long polls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Final, NamedTuple

from orjson import Fragment

from registry.names import check_namespace
from registry_server.access.guard import Access
from registry_server.access.scopes import Permission
from registry_server.answers import Answer
from registry_server.handlers.entries import PAGE_BYTES
from registry_server.problems import Problem
from registry_server.revisions import since_of
from registry_server.storage.base import Change, CompactedError, StorageBackend
from registry_server.watch import Leaving, WatchHub

VALUE_BYTES: Final = 64 * 1024
"""An envelope of more bytes does not travel with its change (REG-CHG-01)."""

WAIT_SECONDS: Final = 25
MOST_CHANGES: Final = 1_000

_GONE: Final = {
    "compacted": "Changes after this cursor are no longer kept",
    "epoch_changed": "The cursor is of another epoch of this store",
    "future_cursor": "The cursor is ahead of the namespace",
}


class Seen(NamedTuple):
    """What a namespace has to tell after a cursor: changes, or in ``gone`` why there can be none."""

    changes: list[Change]
    cursor: str
    head: str
    gone: str | None = None

    def body(self) -> dict[str, Any]:
        gone = {} if self.gone is None else {"gone": self.gone}
        return {
            "changes": [_change(change) for change in self.changes],
            "cursor": self.cursor,
            "head": self.head,
            **gone,
        }


class Watch:
    """Handlers of the tag ``watch``."""

    def __init__(self, backend: StorageBackend, hub: WatchHub) -> None:
        self._backend = backend
        self._hub = hub
        self._turns = count()

    async def watch_namespace(
        self,
        namespace: str,
        leaving: Leaving,
        since: str | None = None,
        wait: int = WAIT_SECONDS,
        limit: int = MOST_CHANGES,
    ) -> Answer:
        if since is None:
            return Answer((await self._now(namespace)).body())
        moved = await self._watch({namespace: since}, wait, limit, leaving)
        seen = moved.get(namespace, Seen([], since, since))
        if seen.gone is not None:
            raise _gone(namespace, seen.gone, seen.cursor)
        return Answer(seen.body())

    async def watch_namespaces(self, access: Access, body: dict[str, Any], leaving: Leaving) -> Answer:
        cursors: dict[str, str] = body["cursors"]
        for namespace, cursor in cursors.items():
            access.require(Permission.READ, check_namespace(namespace))
            _check_cursor(namespace, cursor)
        # Each answer begins at another one: else those at the end would starve behind some that never rest.
        turned = _turned(cursors, next(self._turns))
        moved = await self._watch(turned, body.get("wait", WAIT_SECONDS), MOST_CHANGES, leaving)
        return Answer({"namespaces": [{"namespace": name, **seen.body()} for name, seen in moved.items()]})

    async def _watch(
        self, cursors: Mapping[str, str], wait: int, limit: int, leaving: Leaving
    ) -> dict[str, Seen]:
        """The namespaces that have moved past their cursors, once there is one; none after ``wait`` s."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + wait
        with self._hub.poll(cursors) as poll:
            told: Iterable[str] = cursors
            while True:
                moved = await self._moved({name: cursors[name] for name in told}, limit)
                left = deadline - clock()
                if moved or left <= 0 or self._hub.closed:
                    return moved
                told = await poll.wait(left, leaving)
                if not told:
                    return {}
                self._hub.register(poll, told)

    async def _moved(self, cursors: Mapping[str, str], limit: int) -> dict[str, Seen]:
        """Those of the namespaces that have moved, until ``limit`` changes are found."""
        moved = {}
        room = PAGE_BYTES
        for namespace, cursor in (await self._not_idle(cursors)).items():
            seen = await self._since(namespace, cursor, limit, room)
            if seen.changes or seen.gone:
                moved[namespace] = seen
                room -= sum(len(change.envelope) for change in seen.changes)
                limit -= len(seen.changes)
            if limit <= 0:
                break
        return moved

    async def _not_idle(self, cursors: Mapping[str, str]) -> Mapping[str, str]:
        """``cursors`` without those that are their namespace's head: of many, all asked for at once.

        One after the other would cost a storage behind a network as many round trips.
        """
        if len(cursors) == 1:
            return cursors
        counts = await asyncio.gather(*(self._backend.count(name) for name in cursors))
        heads = (f"{self._backend.epoch}.{head}" for _, head in counts)
        pairs = zip(cursors.items(), heads, strict=True)
        return {name: cursor for (name, cursor), head in pairs if cursor != head}

    async def _since(self, namespace: str, cursor: str, limit: int, room: int) -> Seen:
        backend = self._backend
        epoch = backend.epoch  # before the read: what is of a newer epoch may be answered under the old name
        since = since_of(cursor, epoch)
        if since is None:
            return (await self._now(namespace))._replace(gone="epoch_changed")
        try:
            changes, head = await backend.changes(
                namespace, since, limit=limit, max_bytes=room, max_value=VALUE_BYTES
            )
        except CompactedError as error:
            return _at(epoch, error.head, "compacted")
        if since > head:
            return _at(epoch, head, "future_cursor")
        reached = changes[-1].revision if changes else since
        return Seen(changes, f"{epoch}.{reached}", f"{epoch}.{head}")

    async def _now(self, namespace: str) -> Seen:
        epoch = self._backend.epoch
        _, head = await self._backend.count(namespace)
        return _at(epoch, head)


def _at(epoch: str, head: int, gone: str | None = None) -> Seen:
    cursor = f"{epoch}.{head}"
    return Seen([], cursor, cursor, gone)


def _turned(cursors: Mapping[str, str], turns: int) -> dict[str, str]:
    """The same cursors, beginning at another one."""
    pairs = [*cursors.items()]
    first = turns % len(pairs)
    return dict(pairs[first:] + pairs[:first])


def _check_cursor(namespace: str, cursor: str) -> None:
    try:
        since_of(cursor, "")
    except Problem as problem:
        raise Problem(
            problem.status, problem.code, f"{namespace}: {problem.detail}", context={"namespace": namespace}
        ) from None


def _change(change: Change) -> dict[str, Any]:
    body: dict[str, Any] = {"revision": change.revision, "op": change.op}
    if change.op != "clear":
        body["key"] = change.key
    if change.op == "set":
        body["digest"] = change.digest
    if change.envelope:
        body["value"] = Fragment(change.envelope)
    body["updated_at"] = change.updated_at
    return body


def _gone(namespace: str, code: str, cursor: str) -> Problem:
    return Problem(
        410,
        code,
        f"{_GONE[code]}, {namespace}",
        suggestions=["list the namespace again, and watch from the listing's first cursor"],
        context={"namespace": namespace},
        cursor=cursor,
    )
