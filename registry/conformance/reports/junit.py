"""The run in the form that CI servers read, a suite for each profile.

A failure is a ``failure``; what the kit could not do, and what is blocked, an ``error``; what was not
claimed, is disabled or is known, ``skipped``. A warning passes and is told in ``system-out``.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from registry.conformance.check import Verdict
from registry.conformance.reports.curl import curl_line
from registry.conformance.reports.summary import Summary, printable
from registry.conformance.session import Result

_ELEMENT = {
    Verdict.FAIL: "failure",
    Verdict.ERROR: "error",
    Verdict.BLOCKED: "error",
    Verdict.NOT_CLAIMED: "skipped",
    Verdict.DISABLED: "skipped",
}


def junit_report(summary: Summary) -> str:
    """The report's text."""
    root = Element("testsuites", name="registry conformance", time=f"{summary.seconds:.3f}")
    for profile, results in summary.by_profile().items():
        suite = SubElement(root, "testsuite", name=profile, timestamp=summary.started)
        kinds = [_kind(result) for result in results]
        for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(attribute, str(kinds.count(kind)))
        suite.set("tests", str(len(results)))
        suite.set("time", f"{sum(result.seconds for result in results):.3f}")
        for result in results:
            _case(suite, summary, result)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _kind(result: Result) -> str | None:
    return "skipped" if result.known else _ELEMENT.get(result.verdict)


def _case(suite: Element, summary: Summary, result: Result) -> None:
    check = result.check
    name = check.id.partition(".")[2]
    case = SubElement(
        suite, "testcase", classname=f"conformance.{check.profile}", name=name, time=f"{result.seconds:.3f}"
    )
    kind, said = _kind(result), summary.said(result)
    if kind:
        told = SubElement(case, kind, message=said)
        last = curl_line(result.exchanges[-1], summary.redaction) if result.exchanges else ""
        lines = [check.claim, f"promises: {', '.join(check.promises)}", said, last]
        told.text = "\n".join(map(printable, lines))
    elif result.verdict is Verdict.WARN:
        SubElement(case, "system-out").text = f"warning: {said}"
