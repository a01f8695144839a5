"""Whole namespaces."""

from __future__ import annotations

import binascii
from typing import Any

from registry.errors import NamespaceError
from registry.names import check_namespace
from registry_server.access.guard import Access
from registry_server.access.visible import visible_namespaces
from registry_server.answers import Answer
from registry_server.problems import Problem
from registry_server.storage.base import StorageBackend


class Namespaces:
    """Handlers of the tag ``namespaces``."""

    def __init__(self, backend: StorageBackend) -> None:
        self._backend = backend

    async def list_namespaces(
        self, access: Access, prefix: str = "", limit: int = 100, page: str | None = None
    ) -> Answer:
        epoch = self._backend.epoch
        after = "" if page is None else _name_of(page)
        found, more = await visible_namespaces(self._backend, access, prefix=prefix, after=after, limit=limit)
        body: dict[str, Any] = {
            "namespaces": [
                {"namespace": info.namespace, "entries": info.entries, "cursor": f"{epoch}.{info.head}"}
                for info in found
            ]
        }
        if more:
            body["next"] = _token_of(found[-1].namespace)
        return Answer(body)

    async def clear_namespace(self, namespace: str) -> Answer:
        cleared = await self._backend.clear(namespace)
        return Answer(
            {
                "status": "cleared",
                "count": cleared.count,
                "revision": cleared.head,
                "cursor": f"{self._backend.epoch}.{cleared.head}",
            }
        )


def _token_of(namespace: str) -> str:
    """A page token: the last name that was listed, in hexadecimal so that nobody takes it for one."""
    return namespace.encode().hex()


def _name_of(page: str) -> str:
    try:
        return check_namespace(binascii.unhexlify(page).decode())
    except (ValueError, NamespaceError):
        raise Problem(
            400, "invalid_page", "Not a page token of this listing; give back `next` as it came"
        ) from None
