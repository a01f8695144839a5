"""Whole namespaces."""

from __future__ import annotations

import binascii
from typing import Any

from registry.errors import NamespaceError
from registry.names import check_namespace
from registry_server.access.guard import Access
from registry_server.access.visible import visible_namespaces
from registry_server.answers import Answer
from registry_server.conditions import EVERY, Condition
from registry_server.problems import Problem
from registry_server.revisions import invalid_page, listing_of
from registry_server.storage.base import Cleared, ConditionFailedError, StorageBackend


class Namespaces:
    """Handlers of the tag ``namespaces``."""

    def __init__(self, backend: StorageBackend) -> None:
        self._backend = backend

    async def list_namespaces(
        self, access: Access, prefix: str = "", limit: int = 100, page: str | None = None
    ) -> Answer:
        epoch = self._backend.epoch
        listing = listing_of("namespaces", prefix)
        after = "" if page is None else _name_of(page, listing)
        found, more = await visible_namespaces(self._backend, access, prefix=prefix, after=after, limit=limit)
        body: dict[str, Any] = {
            "namespaces": [
                {"namespace": info.namespace, "entries": info.entries, "cursor": f"{epoch}.{info.head}"}
                for info in found
            ]
        }
        if more:
            body["next"] = _token_of(found[-1].namespace, listing)
        return Answer(body)

    async def clear_namespace(self, namespace: str, condition: Condition | None = None) -> Answer:
        cleared = await self._cleared(namespace, condition)
        return Answer(
            {
                "status": "cleared",
                "count": cleared.count,
                "revision": cleared.head,
                "cursor": f"{self._backend.epoch}.{cleared.head}",
            }
        )

    async def _cleared(self, namespace: str, condition: Condition | None) -> Cleared:
        """Clear the namespace if its cursor is among those of the condition.

        Raises:
            Problem: 412: it is not.
        """
        backend, epoch = self._backend, self._backend.epoch
        if condition is None or condition.match is EVERY:  # every namespace has a cursor
            return await backend.clear(namespace)
        _, head = await backend.count(namespace)
        while condition.holds(f"{epoch}.{head}"):
            try:
                return await backend.clear(namespace, head=head)
            except ConditionFailedError as failure:  # a writer came between: decide again
                head = failure.head
        raise Problem(
            412,
            "precondition_failed",
            f"{namespace} is at {epoch}.{head}, which is not what the request expected",
            suggestions=["read the namespace again", "leave out If-Match to clear whatever it holds"],
            context={"namespace": namespace},
            cursor=f"{epoch}.{head}",
        )


def _token_of(namespace: str, listing: str) -> str:
    """A page token: the last name that was listed, in hexadecimal so that nobody takes it for one."""
    return f"{namespace.encode().hex()}.{listing}"


def _name_of(page: str, listing: str) -> str:
    name, _, named_listing = page.partition(".")
    try:
        if named_listing == listing:
            return check_namespace(binascii.unhexlify(name).decode())
    except (ValueError, NamespaceError):
        pass
    raise invalid_page()
