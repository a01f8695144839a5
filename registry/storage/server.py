"""A registry server as a whole: its namespaces, its statistics, what it offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from registry.errors import NamespaceError
from registry.storage.connection import Address, Connection
from registry.storage.servers import as_setting
from registry.suggest import near_names
from registry_client.api.entries import count_entries
from registry_client.api.namespaces import clear_namespace, list_namespaces
from registry_client.api.service import get_capabilities, get_health, get_readiness, get_stats

EVEN_IF_EMPTY: Final = "if that is meant: --allow-empty"


class NamespaceSummary(NamedTuple):
    """A namespace that holds at least one entry."""

    namespace: str
    entries: int


class RegistryServer:
    """What a server says of itself. Arguments and environment as `RemoteStorageProxy`'s."""

    def __init__(
        self,
        url: str | Iterable[str] | None = None,
        *,
        timeout: float | None = None,
        token: str | None = None,
    ) -> None:
        self._connection = Connection(Address(timeout=timeout, url=as_setting(url)), token)

    @property
    def url(self) -> str:
        """The server's base URL; of several, the one that is asked now."""
        return self._connection.url

    def namespaces(self, prefix: str = "") -> Iterator[NamespaceSummary]:
        """The namespaces that hold entries and begin with ``prefix``, by name."""
        for page in self._connection.pages(list_namespaces, prefix=prefix):
            for found in page.namespaces:
                yield NamespaceSummary(found.namespace, found.entries)

    def nothing_in(self, namespace: str) -> NamespaceError:
        """What to raise where a namespace that was named holds nothing; offers near names."""
        near = near_names(namespace, (found.namespace for found in self.namespaces()))
        return NamespaceError(
            f"{namespace} holds nothing at {self.url}",
            suggestions=[*(near or ["registry namespaces lists those that do"]), EVEN_IF_EMPTY],
            context={"namespace": namespace, "server": self.url},
        )

    def health(self) -> None:
        """Return if a server answers there, and says that it is one."""
        self._connection.call(get_health)

    def ready(self) -> None:
        """Return if it reaches its storage."""
        self._connection.call(get_readiness)

    def cursor(self, namespace: str) -> str:
        """How far a namespace has come: equal cursors, nothing was written in between."""
        return str(self._connection.call(count_entries, namespace).cursor)

    def stats(self) -> dict[str, Any]:
        """The object that ``GET /stats`` answers."""
        answer: dict[str, Any] = self._connection.call(get_stats).to_dict()
        return answer

    def capabilities(self) -> dict[str, Any]:
        """The object that ``GET /capabilities`` answers: profiles and limits."""
        answer: dict[str, Any] = self._connection.call(get_capabilities).to_dict()
        return answer

    def clear_all(self) -> int:
        """Clear every namespace; returns how many there were."""
        names = [found.namespace for found in self.namespaces()]
        for name in names:
            self._connection.call(clear_namespace, name)
        return len(names)
