"""What the server counts, in Prometheus' text form (version 0.0.4).

Counting is plain numbers where things happen; only a scrape makes metrics of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from registry_server.access.audit import AuditLog
from registry_server.access.guard import Guard
from registry_server.storage.base import StorageBackend, StorageCounters, Totals
from registry_server.tallies import SECONDS, Tally
from registry_server.watch import WatchHub

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_OPERATIONS_OF_A_COMMIT = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one server process."""

    def __init__(
        self,
        backend: StorageBackend,
        hub: WatchHub,
        tallies: Callable[[], Mapping[str, Tally]],
        guard: Guard,
        audit: AuditLog | None,
    ) -> None:
        self._backend = backend
        self._hub = hub
        self._tallies = tallies
        self._guard = guard
        self._audit = audit

    async def text(self) -> bytes:
        """Everything, as of now."""
        totals = await self._backend.totals(largest=0)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Scrape([*self._families(totals)]))
        ProcessCollector(registry=registry)
        return generate_latest(registry)

    def _families(self, totals: Totals) -> Iterator[Metric]:
        yield from _of_requests(self._tallies())
        yield GaugeMetricFamily("registry_entries", "Entries in all namespaces.", totals.entries)
        yield GaugeMetricFamily("registry_namespaces", "Namespaces with an entry.", totals.namespaces)
        yield GaugeMetricFamily("registry_watchers", "Requests that wait for a change.", self._hub.waiting)
        if self._guard.path is not None:
            yield from _of_tokens(self._guard)
        if self._audit is not None:
            yield from _of_audit(self._audit)
        counters = self._backend.counters()
        if counters is not None:
            yield from _of_storage(counters)


class _Scrape(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_requests(tallies: Mapping[str, Tally]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "registry_requests", "Requests that were answered.", labels=["operation", "status"]
    )
    latency = HistogramMetricFamily(
        "registry_request_seconds",
        "From a request's head to its answer, waiting included.",
        labels=["operation"],
    )
    for operation, tally in tallies.items():
        for status, times in enumerate(tally.by_status):
            if times:
                requests.add_metric([operation, str(status)], times)
        latency.add_metric([operation], _cumulated(SECONDS, tally.in_bucket), tally.seconds)
    yield requests
    yield latency


def _of_tokens(guard: Guard) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "registry_token_files_unread",
        "Token and session files that could not be read a second ago.",
        guard.unread,
    )
    yield GaugeMetricFamily(
        "registry_reserve_descriptors",
        "File descriptors kept to read these files with when no other is left.",
        int(guard.reserve.held),
    )


def _of_audit(audit: AuditLog) -> Iterator[Metric]:
    yield GaugeMetricFamily("registry_audit_waiting", "Lines of the audit log to be written.", audit.waiting)
    yield CounterMetricFamily("registry_audit_lost", "Lines of the audit log that were lost.", audit.lost)


def _of_storage(counters: StorageCounters) -> Iterator[Metric]:
    sizes = [0] * (len(_OPERATIONS_OF_A_COMMIT) + 1)
    for operations, times in counters.commits.items():
        sizes[sum(operations > bound for bound in _OPERATIONS_OF_A_COMMIT)] += times
    commits = HistogramMetricFamily("registry_storage_commit_operations", "Operations of a commit.")
    total = sum(operations * times for operations, times in counters.commits.items())
    commits.add_metric([], _cumulated(_OPERATIONS_OF_A_COMMIT, sizes), total)
    yield commits
    yield GaugeMetricFamily("registry_storage_queued", "Operations that wait for a commit.", counters.queued)
    yield CounterMetricFamily("registry_storage_errors", "Times that the storage failed.", counters.errors)


def _cumulated(bounds: Sequence[float], numbers: Sequence[int]) -> list[tuple[str, float]]:
    """Buckets as Prometheus has them: each holds what is in those below it, too."""
    names = [*(f"{float(bound)}" for bound in bounds), "+Inf"]
    return [*zip(names, map(float, accumulate(numbers)), strict=True)]
