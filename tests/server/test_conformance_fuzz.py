"""Schemathesis over every operation: examples, coverage, fuzzing, and the links between operations.

``FUZZ_CASES`` is the number of generated cases an operation; with it each run has a seed of its own, which a
failure names. ``FUZZ_CASES=2000 make test ARGS=tests/server/test_conformance_fuzz.py`` takes ten minutes.
"""

import os
import subprocess
import sys

import pytest

from tests.server.processes import ROOT, LiveServer, environment

CASES = int(os.environ.get("FUZZ_CASES", 0))
SEED = [] if CASES else ["--seed", "1"]

pytestmark = pytest.mark.timeout(120 + CASES)


@pytest.fixture
def fuzz(tmp_path):
    """``fuzz(server, *options)``: what Schemathesis says; exit code 0 is no finding."""

    def fuzz(server: LiveServer, *options: str) -> subprocess.CompletedProcess[str]:
        settings = ["--config-file", str(ROOT / "tests/server/fuzz/schemathesis.toml")]
        where = [str(ROOT / "openapi.yaml"), "--url", server.url]
        how = ["--checks", "all", "--no-color", "--output-sanitize", "false", "--generation-database", "none"]
        return subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *settings, "run", *where, *how, *SEED, *options],
            capture_output=True,
            text=True,
            env=environment(tmp_path, SCHEMATHESIS_HOOKS="tests.server.fuzz.hooks"),
            cwd=tmp_path,
        )

    return fuzz


STATEFUL = ["--phases", "stateful", "--exclude-operation-id", "list_namespaces"]
"""Without this operation, which is the only one that Schemathesis would begin with: it needs no namespace."""


def test_every_operation_answers_as_documented(fuzz, start_server):
    """REG-ERR-01: no 5xx, nothing undocumented, good requests taken and bad ones refused."""
    server = start_server("memory:")

    done = fuzz(server, "--phases", "examples,coverage,fuzzing", "-n", str(CASES or 25))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 14" in done.stdout
    assert server.stop() == 0
    assert "Traceback" not in server.log


def test_operations_answer_as_documented_after_one_another(fuzz, start_server):
    """REG-REV-04: what was set is there, what was deleted is gone, whatever was asked before."""
    server = start_server("memory:")

    done = fuzz(server, *STATEFUL, "-n", str(CASES or 25))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 covered / 6 selected" in done.stdout
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("forgets_a_field", '"digest" is a required property'),
        ("answers_what_is_not_documented", "Received: 409"),
        ("loses_deletes", "an entry that was deleted is still there"),
        ("drops_meta", "an entry is not as it was set"),
    ],
)
def test_a_planted_fault_is_found(fault, finding, fuzz, tmp_path):
    server = LiveServer(tmp_path, "memory:", fault, module="tests.server.fuzz.faulty").start()

    done = fuzz(server, *STATEFUL, "-n", "25", "--max-failures", "1", "--no-shrink")

    server.kill()
    assert done.returncode == 1, done.stdout + done.stderr
    assert finding in done.stdout
