"""The table of broken servers in the page; ``python -m tests.conformance.mutants_table`` writes it anew."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.mutants import mutants

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
BEGIN = "| Promise | A server that breaks it | Check that says so |\n|---|---|---|\n"
END = "\n## "


def table() -> str:
    """Its rows, by promise."""
    return "".join(f"| {one.promise} | {one.fault} | `{one.check}` |\n" for one in mutants())


def parted(page: str) -> tuple[str, str, str]:
    """What stands before the rows, the rows, and what stands behind them."""
    head, _, rest = page.partition(BEGIN)
    rows, _, tail = rest.partition(END)
    return head + BEGIN, rows, END + tail


if __name__ == "__main__":
    head, _, tail = parted(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(head + table() + tail, encoding="utf-8")
