"""What the full tests of faults did and found, for the table in ``docs/reliability.md``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

SHARE = float(os.environ.get("FAULTS_FULL") or 0)
"""Of the full counts, 1 for all; set by ``make test-faults``. Without it every test does a small part."""

FULL = SHARE > 0

FOLDER = os.environ.get("FAULTS_FINDINGS", "")
"""Where `record` writes; without it nowhere."""


def effort(quick: int, full: int) -> int:
    """How often to do something."""
    return max(quick, round(full * SHARE)) if FULL else quick


def bound(quick: float, full: float) -> float:
    """A time that something has, in seconds."""
    return full if FULL else quick


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the table.

    Attributes:
        test: what it is called there.
        on: the backend, or what else was tried.
        done: what was done, in numbers.
        found: what was seen, in numbers.
        holds: whether that is the pass figure of the design.
        seed: what reproduces it; empty where nothing is random.
    """

    test: str
    on: str
    done: str
    found: str
    holds: bool
    seed: str = ""


def record(finding: Finding) -> None:
    """Keep it for the table, and fail a full test whose figure does not hold."""
    if FOLDER:
        name = "".join(letter if letter.isalnum() else "-" for letter in f"{finding.test} {finding.on}")
        Path(FOLDER, f"{name}.json").write_text(json.dumps(asdict(finding)), encoding="utf-8")
    assert finding.holds or not FULL, f"{finding.test}, {finding.on}: {finding.found}"
