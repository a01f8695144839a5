"""``make test-faults``: every test of faults in full, and a table of what was done and found."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.report import print_table, read, write_page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"


def main() -> int:
    """Run the tests; exit code 0 if every one holds."""
    parser = argparse.ArgumentParser(prog="make test-faults", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the counts, to take less time: 0.1 say")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        variables = {
            "FAULTS_FULL": str(options.share),
            "FAULTS_FINDINGS": folder,
            "PYTHONPATH": str(ROOT / ".ci"),
        }
        command = [sys.executable, "-m", "pytest", "-p", "no_skips", "-n", "0", "tests/faults", *rest]
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}).returncode
        findings = read(Path(folder))
    print_table(findings)
    if options.write:
        write_page(PAGE, findings, options.share)
    return code


if __name__ == "__main__":
    sys.exit(main())
