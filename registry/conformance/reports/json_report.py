"""The run as JSON; its form is ``report.schema.json`` beside this module."""

from __future__ import annotations

import json
from typing import Any

from registry.conformance.reports.summary import Summary, kit_version
from registry.conformance.session import Result

FORMAT = 1


def json_report(summary: Summary) -> str:
    """The report's text."""
    report = {
        "format": FORMAT,
        "kit": kit_version(),
        "url": summary.url,
        "started": summary.started,
        "seconds": round(summary.seconds, 3),
        "seed": summary.seed,
        "profiles": list(summary.profiles),
        "exit_code": summary.exit_code,
        "counts": summary.counts,
        "results": [_result(summary, result) for result in summary.results],
    }
    return json.dumps(report, indent=2) + "\n"


def _result(summary: Summary, result: Result) -> dict[str, Any]:
    check = result.check
    return {
        "check": check.id,
        "promises": list(check.promises),
        "profile": check.profile,
        "level": check.level.value,
        "claim": check.claim,
        "verdict": result.verdict.value,
        "message": summary.said(result),
        "known": result.known or None,
        "seconds": round(result.seconds, 3),
        "requests": len(result.exchanges),
    }
