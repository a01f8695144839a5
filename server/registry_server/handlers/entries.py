"""Single entries, and listings of them."""

from __future__ import annotations

import asyncio
from typing import Any

from orjson import Fragment

from registry.names import check_key
from registry.suggest import MAX_CANDIDATES, did_you_mean, near_names
from registry_server.answers import Answer
from registry_server.conditions import Condition, write_if
from registry_server.envelopes import annotations_of, key_of, stored_of
from registry_server.limits import Limits
from registry_server.problems import Problem
from registry_server.revisions import etag_field, listing_of, position_of
from registry_server.storage.base import ConditionFailedError, Entry, Page, StorageBackend

PAGE_BYTES = 8 * 1024 * 1024
"""A page of items ends before its values sum to more; it always holds one."""


class Entries:
    """Handlers of the tag ``entries``."""

    def __init__(self, backend: StorageBackend, limits: Limits) -> None:
        self._backend = backend
        self._limits = limits

    async def set_entry(
        self,
        namespace: str,
        body: dict[str, Any],
        condition: Condition | None = None,
    ) -> Answer:
        backend = self._backend
        key = key_of(body["key"])
        value = stored_of(body["value"], value_bytes=self._limits.value_bytes)
        try:
            outcome, entry, head = await write_if(
                condition,
                backend.epoch,
                lambda: backend.get(namespace, key),
                lambda expect: backend.put(namespace, key, value, expect=expect),
            )
        except ConditionFailedError as failure:
            raise condition_failed(namespace, key, failure, backend.epoch) from None
        revision = entry.revision
        etag = f"{backend.epoch}.{revision}"
        return Answer(
            {
                "status": "success",
                "outcome": outcome,
                "key": key,
                "revision": revision,
                "etag": etag,
                "digest": entry.digest,
                "cursor": etag if head == revision else f"{backend.epoch}.{head}",
            },
            200,
            (etag_field(etag),),
        )

    async def get_entry(
        self, namespace: str, key: str, suggest: int = 0, condition: Condition | None = None
    ) -> Answer:
        epoch = self._backend.epoch
        entry, head = await self._backend.get(namespace, check_key(key))
        if entry is None:
            raise await self._key_not_found(namespace, key, head, suggest)
        etag = f"{epoch}.{entry.revision}"
        if condition is not None and not condition.holds(etag):
            if not condition.matched(etag):
                raise condition_failed(namespace, key, ConditionFailedError(entry, head), epoch, asked="read")
            return Answer(None, 304, (etag_field(etag), (b"registry-cursor", f"{epoch}.{head}".encode())))
        return Answer({**value_of(entry, epoch), "cursor": f"{epoch}.{head}"}, 200, (etag_field(etag),))

    async def delete_entry(self, namespace: str, key: str, condition: Condition | None = None) -> Answer:
        backend, epoch = self._backend, self._backend.epoch
        check_key(key)
        try:
            removed = await write_if(
                condition,
                epoch,
                lambda: backend.get(namespace, key),
                lambda expect: backend.delete(namespace, key, expect=expect),
            )
        except ConditionFailedError as failure:
            raise condition_failed(namespace, key, failure, epoch) from None
        if not removed.existed:
            raise await self._key_not_found(namespace, key, removed.head, 0)
        return Answer({"status": "deleted", "revision": removed.head, "cursor": f"{epoch}.{removed.head}"})

    async def contains_entry(self, namespace: str, key: str) -> Answer:
        found, head = await self._backend.contains(namespace, check_key(key))
        return Answer({"contains": found, "cursor": f"{self._backend.epoch}.{head}"})

    async def count_entries(self, namespace: str) -> Answer:
        count, head = await self._backend.count(namespace)
        return Answer({"length": count, "cursor": f"{self._backend.epoch}.{head}"})

    async def list_keys(
        self, namespace: str, prefix: str = "", limit: int = 100, page: str | None = None
    ) -> Answer:
        name = listing_of("keys", namespace, prefix)
        listing = await self._page(name, namespace, prefix, limit, page, values=False)
        return self._listed("keys", [entry.key for entry in listing.entries], listing, name)

    async def list_items(
        self, namespace: str, prefix: str = "", limit: int = 100, page: str | None = None
    ) -> Answer:
        name = listing_of("items", namespace, prefix)
        listing = await self._page(name, namespace, prefix, limit, page, values=True)
        epoch = self._backend.epoch
        items = [{"key": entry.key, **value_of(entry, epoch)} for entry in listing.entries]
        return self._listed("items", items, listing, name)

    async def _page(
        self, name: str, namespace: str, prefix: str, limit: int, page: str | None, *, values: bool
    ) -> Page:
        backend = self._backend
        _, head = await backend.count(namespace) if page is not None else (0, 0)
        after = position_of(page, name, backend.epoch, f"{backend.epoch}.{head}")
        return await backend.page(
            namespace, prefix=prefix, after=after, limit=limit, max_bytes=PAGE_BYTES, values=values
        )

    def _listed(self, what: str, members: list[Any], listing: Page, name: str) -> Answer:
        epoch = self._backend.epoch
        body = {what: members, "cursor": f"{epoch}.{listing.head}"}
        if listing.more:
            body["next"] = f"{epoch}.{listing.entries[-1].created}.{name}"
        return Answer(body)

    async def _key_not_found(self, namespace: str, key: str, head: int, suggest: int) -> Problem:
        near: list[str] = []
        if suggest:
            candidates = await self._backend.page(
                namespace, limit=MAX_CANDIDATES, max_bytes=PAGE_BYTES, values=False
            )
            names = [entry.key for entry in candidates.entries]
            near = await asyncio.to_thread(near_names, key, names, limit=suggest)
        return Problem(
            404,
            "key_not_found",
            f"Key not found: {key!r} in {namespace}.{did_you_mean(near)}",
            suggestions=near,
            context={"key": key, "namespace": namespace},
            cursor=f"{self._backend.epoch}.{head}",
        )


def value_of(entry: Entry, epoch: str) -> dict[str, Any]:
    """An entry without its key, as its reader gets it."""
    return {
        "value": Fragment(entry.envelope),
        "revision": entry.revision,
        "etag": f"{epoch}.{entry.revision}",
        "digest": entry.digest,
        "updated_at": entry.updated_at,
    }


def current_of(entry: Entry, epoch: str) -> dict[str, Any]:
    """What the loser of a condition is told of the entry as it is: all but its value."""
    return {**version_of(entry, epoch), **annotations_of(entry.envelope)}


def version_of(entry: Entry, epoch: str) -> dict[str, Any]:
    """Which version of itself an entry is: revision, ETag and digest."""
    return {
        "revision": entry.revision,
        "etag": f"{epoch}.{entry.revision}",
        "digest": entry.digest,
    }


def condition_failed(
    namespace: str, key: str, failure: ConditionFailedError, epoch: str, *, asked: str = "write"
) -> Problem:
    """412, with the entry as it is where there is one."""
    members: dict[str, Any] = {}
    if failure.current is not None:
        members["current"] = current_of(failure.current, epoch)
    state = "is not there" if failure.current is None else f"is at revision {failure.current.revision}"
    return Problem(
        412,
        "precondition_failed",
        f"The key {key!r} of {namespace} {state}, which is not what the {asked} expected",
        context={"key": key, "namespace": namespace},
        cursor=f"{epoch}.{failure.head}",
        **members,
    )
