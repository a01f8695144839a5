"""The run as a page for a pull request or a wiki."""

from __future__ import annotations

from registry.conformance.check import Verdict
from registry.conformance.reports.curl import curl_line
from registry.conformance.reports.summary import Summary, kit_version, printable
from registry.conformance.session import Result

_TOLD = (Verdict.FAIL, Verdict.WARN, Verdict.BLOCKED, Verdict.ERROR)
_OUTCOME = ("conforms", "does not conform", "could not be judged")


def markdown_report(summary: Summary) -> str:
    """The report's text."""
    lines = [
        "# Registry conformance",
        "",
        f"{_code(summary.url)} **{_OUTCOME[summary.exit_code]}**: {_counts(summary)}.",
        "",
        f"Kit {kit_version()}, seed {summary.seed}, {summary.started}, {summary.seconds:.1f} s.",
        "",
        "| Profile | Pass | Fail | Warn | Known | Not run |",
        "|---|---|---|---|---|---|",
        *(_row(profile, results) for profile, results in summary.by_profile().items()),
    ]
    for result in summary.results:
        if result.verdict in _TOLD:
            lines += _told(summary, result)
    return "\n".join(lines) + "\n"


def _counts(summary: Summary) -> str:
    return ", ".join(f"{count} {name}" for name, count in summary.counts.items() if count)


def _row(profile: str, results: list[Result]) -> str:
    new = [result.verdict for result in results if not result.known]
    known = len(results) - len(new)
    passed, failed, warned = (new.count(verdict) for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.WARN))
    return f"| {profile} | {passed} | {failed} | {warned} | {known} | {len(new) - passed - failed - warned} |"


def _told(summary: Summary, result: Result) -> list[str]:
    check = result.check
    lines = ["", f"## {result.verdict.value}: {_code(check.id)}", "", _plain(printable(check.claim))]
    lines += ["", f"{', '.join(check.promises)} ({check.level.value}). {_code(summary.said(result))}"]
    if result.exchanges:
        line = printable(curl_line(result.exchanges[-1], summary.redaction))
        fence = "```" if "```" not in line else "~" * 80
        lines += ["", f"{fence}sh", line, fence]
    return lines


def _code(text: str) -> str:
    """Text as code, whatever it holds: between more backticks than it has in a row."""
    ticks = "`"
    while ticks in text:
        ticks += "`"
    return f"{ticks} {text} {ticks}" if len(ticks) > 1 else f"`{text}`"


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|")
