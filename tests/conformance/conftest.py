import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.reference import Reference
from tests.conformance.serving import serving
from tests.server.processes import environment

Kit = Callable[..., "subprocess.CompletedProcess[str]"]

QUICK = "core.what_is_set_is_there"
"""A check of a few requests, for tests of what surrounds the checks."""


@pytest.fixture(scope="module")
def sound_server() -> Iterator[str]:
    """The address of a reference server."""
    with serving(Reference()) as url:
        yield url


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """``kit(url, *options)``: the command, in a process of its own."""

    def kit(*arguments: str, module: str = "registry.conformance", **variables: str):
        return subprocess.run(
            [sys.executable, "-m", *module.split(), *arguments],
            capture_output=True,
            text=True,
            env=environment(tmp_path, **variables) | {"PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "")},
            cwd=tmp_path,
            timeout=100,
        )

    return kit
