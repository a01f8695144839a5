"""Every page is true: its blocks run, and what it prints, answers and links to is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.conftest import PAGES, walking


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each page's reader has an account of their own: what one page sets up, the next one does not find."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_the_page_is_true(page: Path, home: Path, tmp_path: Path) -> None:
    with walking(page, home, tmp_path) as (_, records):
        for record in records:
            if record.error is not None:
                raise record.error


def test_a_page_that_is_not_true_is_noticed(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "wrong.md"
    blocks = {
        "python": ["print(1 + 1)  # 3", "print('a')\n# -> b", "undefined"],
        "bash": ["python -c 'raise SystemExit(1)'", "rm -rf nothing", "pip install 'namestead[server]'"],
        "json": ['{"type": "pickle", "data": "QR==", "encoding": "base64"}', '{"no": "form"}'],
        "http": [
            "GET /health HTTP/1.1\n",
            'HTTP/1.1 200 OK\n\n{"status": "ill"}',
            "HTTP/1.1 404 Not Found",
        ],
        "text": ["something else"],
        "yaml": ["unknown: language"],
    }
    listing = [(language, text) for language, texts in blocks.items() for text in texts]
    page.write_text("".join(f"```{language}\n{text}\n```\n" for language, text in listing), encoding="utf-8")

    with walking(page, home, tmp_path) as (_, records):
        passed = [record.block.text for record in records if record.error is None]

    assert passed == ["GET /health HTTP/1.1\n\n"]
