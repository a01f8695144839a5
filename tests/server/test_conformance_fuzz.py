"""Schemathesis over every operation: examples, coverage, fuzzing, and the links between operations.

``FUZZ_CASES`` is the number of generated cases an operation; with it each run has a seed of its own, which a
failure names. ``FUZZ_CASES=2000 make test ARGS=tests/server/test_conformance_fuzz.py`` takes 13 minutes.
"""

import os
from collections.abc import Iterator
from functools import partial

import pytest

from tests.server.fuzz.command import OPERATIONS, runs_of, schemathesis
from tests.server.processes import LiveServer

CASES = int(os.environ.get("FUZZ_CASES", 0))
STATEFUL = ["--phases", "stateful"]
ENTRIES = ["--exclude-operation-id", "list_namespaces", "--exclude-operation-id", "watch_namespace"]
"""Without the first, which is the only one that Schemathesis would begin with: it needs no namespace."""
WATCHING = [f"--include-operation-id={name}" for name in ("set_entry", "delete_entry", "watch_namespace")]
"""By themselves: of all links together too few would lead to a watch."""

pytestmark = pytest.mark.timeout(120 + 3 * CASES)


def runs() -> Iterator[list[str]]:
    """The options of each run over all operations: one in ``make test``, else many for each operation."""
    if not CASES:
        yield ["-n", "25", "--seed", "1"]
    else:
        yield from runs_of(CASES)


@pytest.fixture
def fuzz(tmp_path):
    """``fuzz(server, *options)``: what Schemathesis says; exit code 0 is no finding."""
    return partial(schemathesis, tmp_path)


def test_every_operation_answers_as_documented(fuzz, start_server):
    """REG-ERR-01: no 5xx, nothing undocumented, good requests taken and bad ones refused."""
    server = start_server("memory:")

    for options in runs():
        done = fuzz(server, "--phases", "examples,coverage,fuzzing", *options)

        assert done.returncode == 0, done.stdout + done.stderr
        assert f"Tested: {1 if CASES else len(OPERATIONS)}" in done.stdout
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize(("which", "links"), [(ENTRIES, 6), (WATCHING, 3)], ids=["entries", "watching"])
def test_operations_answer_as_documented_after_one_another(which, links, fuzz, start_server):
    """REG-REV-04, REG-WCH-02: what was set is there, what was deleted is gone, whatever was asked before."""
    server = start_server("memory:")

    seed = [] if CASES else ["--seed", "2"]
    done = fuzz(server, *STATEFUL, *which, "-n", str(min(CASES, 1_000) or 150), *seed)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{links} covered / {links} selected" in done.stdout
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("fault", "which", "finding"),
    [
        ("forgets_a_field", ENTRIES, '"digest" is a required property'),
        ("answers_what_is_not_documented", ENTRIES, "Received: 409"),
        ("tells_a_change_twice", WATCHING, "a watch does not go on from its cursor"),
        ("loses_deletes", ENTRIES, "an entry that was deleted is still there"),
        ("drops_meta", ENTRIES, "an entry is not as it was set"),
    ],
)
def test_a_planted_fault_is_found(fault, which, finding, fuzz, tmp_path):
    server = LiveServer(tmp_path, "memory:", fault, module="tests.server.fuzz.faulty").start()

    done = fuzz(server, *STATEFUL, *which, "-n", "150", "--seed", "2", "--max-failures", "1", "--no-shrink")

    server.kill()
    assert done.returncode == 1, done.stdout + done.stderr
    assert finding in done.stdout
