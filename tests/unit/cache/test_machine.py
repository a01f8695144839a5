"""No order of events that Hypothesis finds makes a cache show what it must not; what would, it finds."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.cache.machine import CachesMachine

QUICK = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_no_read_is_stale_beyond_the_bound_and_no_change_is_lost_doubled_or_reordered():
    run_state_machine_as_test(CachesMachine, settings=QUICK)
