"""``docs/benchmarks.md``: what a run measured goes between its marks, what is said about it stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import BenchmarkError
from tests.benchmarks.serving import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = "results.json"

_MARKED = re.compile(r"(<!-- measured: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write(document: Mapping[str, Any], page: Path = PAGE) -> None:
    """Renew the page's tables and charts, and lay the numbers beside them.

    Raises:
        BenchmarkError: the page has a table of something that was not measured.
    """
    from tests.benchmarks import charts  # matplotlib takes its time, and only this needs it

    folder = page.with_suffix("")
    charts.draw(document, folder)
    (folder / RESULTS).write_text(json.dumps(_short(document), separators=(",", ":")) + "\n")
    page.write_text(
        _MARKED.sub(lambda found: found[1] + _table(document, found[2]) + found[3], page.read_text())
    )


def _table(document: Mapping[str, Any], name: str) -> str:
    if name == "machine":
        return "".join(f"{line}\n" for line in _machine(document))
    found = next((benchmark for benchmark in document["benchmarks"] if benchmark["name"] == name), None)
    if found is None:
        raise BenchmarkError(f"{name} was not measured, and the page has a table of it")
    return "".join(f"{line}\n" for line in _rows(found))


def _machine(document: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| | |", "|---|---|")
    yield f"| measured | {datetime.now(UTC):%Y-%m-%d} |"
    for name, value in document["machine"].items():
        yield f"| {name} | {value} |"


def _rows(benchmark: Mapping[str, Any]) -> Iterator[str]:
    rounds = len(next(iter(benchmark["series"].values())))
    about = f"{benchmark['about']} (rounds: {rounds}, {benchmark['clock']} clock)"
    yield from (f"| {about} | median | min .. max | target | |", "|---|---|---|---|---|")
    for finding in benchmark["findings"]:
        unit, values = finding["unit"], finding["values"]
        span = f"{_number(min(values))} .. {_number(max(values))}"
        sides = {"at least": "≥", "at most": "≤"}
        targets = ", ".join(f"{sides[each['side']]} {each['limit']:,g}" for each in finding["targets"])
        holds = ", ".join("holds" if each["holds"] else "**misses**" for each in finding["targets"])
        found = f"{_number(finding['median'])} {unit}".rstrip()
        yield f"| {finding['name']} | {found} | {span} | {targets} | {holds} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _short(document: Any) -> Any:
    """The same, with numbers of five digits: more of them is noise."""
    if isinstance(document, float):
        return float(f"{document:.5g}")
    if isinstance(document, dict):
        return {name: _short(value) for name, value in document.items()}
    return [_short(value) for value in document] if isinstance(document, list) else document
