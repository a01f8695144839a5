"""What the server counts, in Prometheus' text form (version 0.0.4).

Counting is plain integers where things happen; only a scrape makes metrics of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from registry_server.storage.base import StorageBackend, Totals
from registry_server.watch import WatchHub

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one server process."""

    def __init__(
        self, backend: StorageBackend, hub: WatchHub, request_counts: Callable[[], Mapping[str, int]]
    ) -> None:
        self._backend = backend
        self._hub = hub
        self._request_counts = request_counts

    async def text(self) -> bytes:
        """Everything, as of now."""
        totals = await self._backend.totals(largest=0)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Scrape(self._families(totals)))
        return generate_latest(registry)

    def _families(self, totals: Totals) -> list[Metric]:
        requests = CounterMetricFamily("registry_requests", "Requests taken.", labels=["operation"])
        for operation, count in self._request_counts().items():
            requests.add_metric([operation], count)
        return [
            requests,
            GaugeMetricFamily("registry_entries", "Entries in all namespaces.", totals.entries),
            GaugeMetricFamily("registry_namespaces", "Namespaces with an entry.", totals.namespaces),
            GaugeMetricFamily("registry_watchers", "Requests that wait for a change.", self._hub.waiting),
        ]


class _Scrape(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
