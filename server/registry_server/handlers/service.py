"""The server itself: health, readiness, statistics, metrics, capabilities."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from orjson import Fragment

from registry_server.answers import Answer
from registry_server.limits import Limits
from registry_server.metrics import METRICS_TYPE, Metrics
from registry_server.storage.base import StorageBackend
from registry_server.tallies import Tally

PROTOCOL_VERSION = "1.0.0"
LARGEST_NAMESPACES = 1_000

_HEALTHY = Answer(
    Fragment(b'{"status": "healthy", "service": "registry-server"}')
)  # as the user's document prints it
_READY = Answer({"status": "ready"})


class Service:
    """Handlers of the tag ``service``."""

    def __init__(
        self,
        backend: StorageBackend,
        limits: Limits,
        *,
        version: str,
        tallies: Callable[[], Mapping[str, Tally]],
        asks_for_tokens: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        self._backend = backend
        self._limits = limits
        self._version = version
        self._tallies = tallies
        self._asks_for_tokens = asks_for_tokens
        self._metrics = metrics
        self._created_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._started = time.monotonic()

    async def get_health(self) -> Answer:
        return _HEALTHY

    async def get_readiness(self) -> Answer:
        await self._backend.ping()
        return _READY

    async def get_stats(self) -> Answer:
        totals = await self._backend.totals(largest=LARGEST_NAMESPACES)
        counts = {operation: tally.count for operation, tally in self._tallies().items()}
        return Answer(
            {
                "namespaces": totals.namespaces,
                "total_entries": totals.entries,
                "total_requests": sum(counts.values()),
                "get_requests": counts["get_entry"] + counts["batch_get"],
                "set_requests": counts["set_entry"] + counts["batch_set"],
                "delete_requests": counts["delete_entry"] + counts["batch_delete"],
                "namespace_sizes": {info.namespace: info.entries for info in totals.largest},
                "created_at": self._created_at,
                "uptime_seconds": round(time.monotonic() - self._started, 3),
                "storage": self._backend.location,
                "version": self._version,
            }
        )

    async def get_metrics(self) -> Answer:
        return Answer(await self._metrics.text(), content_type=METRICS_TYPE)

    async def get_capabilities(self) -> Answer:
        profiles = ["core", "conditional", "batch", "watch"]
        profiles += ["auth"] if self._asks_for_tokens() else []
        profiles += ["durable"] if self._backend.durable else []
        return Answer(
            {
                "protocol": PROTOCOL_VERSION,
                "profiles": profiles,
                "envelope_types": ["json", "pickle"],
                "limits": self._limits.published(),
            }
        )
