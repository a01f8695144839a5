"""The rule that no test skips itself, shown on a small suite that does, in each way there is."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tests.packaging.conftest import ROOT

WAYS = {
    "by a mark": """
        import pytest

        @pytest.mark.skip(reason="no database here")
        def test_skipped(): ...
    """,
    "in the middle": """
        import pytest

        def test_skipped():
            pytest.skip("no database here")
    """,
    "in a fixture": """
        import pytest

        @pytest.fixture
        def database():
            pytest.skip("no database here")

        def test_skipped(database): ...
    """,
    "by unittest": """
        import unittest

        class TestSkipped(unittest.TestCase):
            @unittest.skip("no database here")
            def test_skipped(self): ...
    """,
    "as a module": """
        import pytest

        pytest.skip("no database here", allow_module_level=True)
    """,
    "for want of a package": """
        import pytest

        pytest.importorskip("no_such_package", reason="no database here")
    """,
}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run pytest with the plugin on one file beside a passing test."""

    def run_pytest(source: str, *options: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(dedent(source), encoding="utf-8")
        (tmp_path / "test_other.py").write_text("def test_passes(): ...\n", encoding="utf-8")
        (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "no_skips", *options]
        # Without the plugins that are installed: loading them takes longer than these tests.
        environment = os.environ | {"PYTHONPATH": str(ROOT / ".ci"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run_pytest


@pytest.mark.parametrize("way", WAYS)
def test_a_skip_is_a_failure_that_names_its_reason(run, way):
    ended = run(WAYS[way])

    assert ended.returncode != 0
    assert re.search(r"1 (failed|error)", ended.stdout.splitlines()[-1])
    assert "skipped, and no test of this project may be" in ended.stdout
    assert "no database here" in ended.stdout


def test_a_skip_in_a_worker_process_is_a_failure_too(run):
    ended = run(WAYS["in the middle"], "-p", "xdist", "-n", "1")

    assert ended.returncode == 1
    assert "1 failed, 1 passed" in ended.stdout


def test_an_expected_failure_stays_one(run):
    ended = run("""
        import pytest

        @pytest.mark.xfail(reason="known")
        def test_expected():
            assert False
    """)

    assert ended.returncode == 0
    assert "1 passed, 1 xfailed" in ended.stdout
