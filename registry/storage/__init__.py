"""Where a registry keeps its artifacts: in this process, or on a server.

``RemoteStorageProxy`` is imported when it is first asked for: local registries load no HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.storage.base import Claim, Storage
from registry.storage.local import ThreadSafeLocalStorage

if TYPE_CHECKING:
    from registry.storage.remote import RemoteStorageProxy

__all__ = ["Claim", "RemoteStorageProxy", "Storage", "ThreadSafeLocalStorage"]


def __getattr__(name: str) -> Any:
    if name == "RemoteStorageProxy":
        from registry.storage.remote import RemoteStorageProxy

        return RemoteStorageProxy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
