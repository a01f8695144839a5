"""Results for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.benchmarks.measure import Effort, Finding, Result


def print_machine(console: Console, machine: Mapping[str, str]) -> None:
    for name, value in machine.items():
        console.print(f"[dim]{name:>10}[/]  {value}", highlight=False, soft_wrap=True)


def print_result(console: Console, result: Result) -> None:
    """A table of the questions with their targets, and under it what each contender did."""
    table = Table(title=result.benchmark.about, title_justify="left", title_style="bold")
    table.add_column(result.benchmark.name, min_width=38)
    for heading in ("median", "min .. max"):
        table.add_column(heading, justify="right")
    table.add_column("target, and whether it holds")
    for finding in result.findings:
        table.add_row(
            escape(finding.question.name),
            _shown(finding, finding.median),
            _range(finding),
            _verdicts(finding),
        )
    medians = [f"{name} {median(values):,.4g}" for name, values in result.series.items()]
    table.caption = f"{result.benchmark.unit}: {escape(', '.join(medians))}"
    table.caption_justify = "left"
    console.print(table)


def _shown(finding: Finding, value: float) -> str:
    number = f"{value:,.0f}" if value >= 1_000 else f"{value:.2f}"
    return f"{number} {finding.question.unit}".rstrip()


def _range(finding: Finding) -> str:
    return f"{_shown(finding, min(finding.values))} .. {_shown(finding, max(finding.values))}"


def _verdicts(finding: Finding) -> str:
    words = {True: "[green]holds[/]", False: "[red]misses[/]"}
    return "; ".join(f"{target} {words[holds]}" for target, holds in finding.verdicts()) or "[dim]none[/]"


def as_json(machine: Mapping[str, str], effort: Effort, results: Iterable[Result]) -> dict[str, Any]:
    """Everything, as one JSON object: the numbers of each round too."""
    return {
        "machine": dict(machine),
        "effort": {
            "rounds": effort.rounds,
            "seconds": effort.seconds,
            "load": effort.load,
            "clock": effort.clock,
        },
        "benchmarks": [
            {
                "name": result.benchmark.name,
                "about": result.benchmark.about,
                "unit": result.benchmark.unit,
                "clock": effort.clock,
                "series": {name: list(values) for name, values in result.series.items()},
                "findings": [_finding(finding) for finding in result.findings],
            }
            for result in results
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.question.name,
        "unit": finding.question.unit,
        "median": finding.median,
        "values": list(finding.values),
        "targets": [
            {"side": target.side, "limit": target.limit, "when": target.when, "holds": holds}
            for target, holds in finding.verdicts()
        ],
    }
