"""A pytest plugin: a test that skips itself fails, wherever the skip is written.

A skipped test is a promise nobody checked, and the closing line hides it between hundreds of passes. Expected
failures stay what they are. ``make test`` loads this; a bare ``pytest`` does not, so that a test can be run
where, say, its database is missing.
"""

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # pytest reports an expected failure as skipped too, with its reason in `wasxfail`.
    if report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skipped ``report`` into a failed one that names the place and the reason of the skip."""
    place, line, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("?", 0, report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{place}:{line}: skipped, and no test of this project may be: {reason}"
