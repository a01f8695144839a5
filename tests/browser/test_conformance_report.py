"""The report of the conformance kit, as a browser shows it."""

from __future__ import annotations

import re
from pathlib import Path

from registry.conformance.checks import all_checks
from registry.conformance.options import Options
from registry.conformance.redaction import Redaction
from registry.conformance.reports.html import html_report
from registry.conformance.reports.summary import Summary
from registry.conformance.session import Session
from tests.conformance.mutants import DropsMeta
from tests.conformance.serving import serving

CHECKED = ("core.an_envelope_comes_back_whole", "core.length_counts_entries")


def report() -> str:
    checks = [check for check in all_checks() if check.id in CHECKED]
    with serving(DropsMeta()) as url, Session(Options(url)) as session:
        results = list(session.run(checks))
    return html_report(Summary(url, "2026-01-31T12:00:00.000Z", 1.0, 0, ["core"], results, Redaction([])))


def test_the_report_is_shown_as_it_was_written(browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report(), encoding="utf-8")

    shown = browser.dom(file.as_uri())

    assert re.search('<details class="check fail" open', shown)
    assert re.search('<details class="check pass">', shown)
    assert "curl -sS -i -X POST" in shown


def test_the_report_has_ink_on_it(browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report(), encoding="utf-8")

    assert len(browser.screenshot(file.as_uri()).colours()) > 20
