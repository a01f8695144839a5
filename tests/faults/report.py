"""Findings as a table: on the terminal, and in the page that keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.machine import description
from tests.faults.findings import Finding

BEGIN, END = "<!-- found: written by make test-faults -->", "<!-- end of what was found -->"
COLUMNS = ("test", "on", "done", "found", "holds")


def read(folder: Path) -> list[Finding]:
    """What the tests recorded there, by name."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.json")))
    return [Finding(**json.loads(text)) for text in texts]


def print_table(findings: Sequence[Finding]) -> None:
    table = Table(*COLUMNS, title="Faults", title_justify="left")
    for finding in findings:
        table.add_row(*_cells(finding))
    Console().print(table)


def write_page(page: Path, findings: Sequence[Finding], share: float) -> None:
    """Replace the section that was written so before."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [*_circumstances(share), "", f"| {' | '.join(COLUMNS)} |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in _cells(finding))} |" for finding in findings]
    section = "\n".join([BEGIN, "", *lines, "", END])
    page.write_text(before + section + after, encoding="utf-8")


def _circumstances(share: float) -> list[str]:
    machine = description()
    said = ("system", "processor", "cores", "python", "sqlite on")
    counts = "all counts" if share == 1 else f"{share:.0%} of the counts"
    return [
        f"Run on {date.today().isoformat()} with {counts}, on this machine:",
        "",
        *(f"- {name}: {machine[name]}" for name in said),
    ]


def _cells(finding: Finding) -> tuple[str, ...]:
    seed = f" (seed `{finding.seed}`)" if finding.seed else ""
    return finding.test, finding.on, finding.done + seed, finding.found, "yes" if finding.holds else "**no**"
