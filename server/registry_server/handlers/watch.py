"""Changes, as they come: stateless long polls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from orjson import Fragment

from registry.names import check_namespace
from registry_server.access.guard import Access
from registry_server.access.scopes import Permission
from registry_server.handlers.entries import PAGE_BYTES
from registry_server.operations import Answer
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
        for namespace in cursors:
            access.require(Permission.READ, check_namespace(namespace))
        moved = await self._watch(cursors, body.get("wait", WAIT_SECONDS), MOST_CHANGES, leaving)
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

    async def _moved(self, cursors: Mapping[str, str], limit: int) -> dict[str, Seen]:
        moved = {}
        room = PAGE_BYTES
        for namespace, cursor in cursors.items():
            seen = await self._since(namespace, cursor, limit, room)
            if seen.changes or seen.gone:
                moved[namespace] = seen
                room -= sum(len(change.envelope) for change in seen.changes)
        return moved

    async def _since(self, namespace: str, cursor: str, limit: int, room: int) -> Seen:
        backend = self._backend
        since = since_of(cursor, backend.epoch)
        if since is None:
            return (await self._now(namespace))._replace(gone="epoch_changed")
        try:
            changes, head = await backend.changes(
                namespace, since, limit=limit, max_bytes=room, max_value=VALUE_BYTES
            )
        except CompactedError as error:
            return self._at(error.head, "compacted")
        if since > head:
            return self._at(head, "future_cursor")
        reached = changes[-1].revision if changes else since
        return Seen(changes, f"{backend.epoch}.{reached}", f"{backend.epoch}.{head}")

    async def _now(self, namespace: str) -> Seen:
        _, head = await self._backend.count(namespace)
        return self._at(head)

    def _at(self, head: int, gone: str | None = None) -> Seen:
        cursor = f"{self._backend.epoch}.{head}"
        return Seen([], cursor, cursor, gone)


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
