"""The server in Python, on the standard library."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.alternatives.contract import FOLDER, AlternativeContract, running


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running([sys.executable, str(FOLDER / "python"), "--port", "0"]) as url:
        yield url


class TestServerInPython(AlternativeContract):
    """Asked what our server is asked."""


def test_imports_nothing_of_ours() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (FOLDER / "python").glob("*.py"))

    assert "import registry" not in sources
    assert "from registry" not in sources
