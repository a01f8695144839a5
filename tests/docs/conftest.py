from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.live_server import ROOT, LiveServer, bare_environment
from tests.docs.page_walk import PageWalk, Record, page_account, printed_server_is

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
"""The pages that are run."""

PRELUDES = Path(__file__).parent / "preludes"


@contextmanager
def fresh_server(home: Path) -> Iterator[LiveServer]:
    """A server that keeps nothing, in an account where nothing is set up."""
    server = LiveServer(["-m", "registry", "--port", "0", "--storage", "memory:"], bare_environment(home))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home directory."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def database(page: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the page about it, a PostgreSQL server with an empty database, where libpq's variables say."""
    if page.name != "postgresql.md":
        return
    server = request.getfixturevalue("postgres")
    server.execute("DROP DATABASE IF EXISTS registry")
    server.execute("CREATE DATABASE registry")
    for name, value in (("PGHOST", server.folder), ("PGPORT", server.port), ("PGUSER", "postgres")):
        monkeypatch.setenv(name, str(value))


@contextmanager
def walking(page: Path, home: Path, folder: Path) -> Iterator[tuple[PageWalk, list[Record]]]:
    """A page that was walked through, its server still running, the account still its own."""
    prelude = PRELUDES / page.name
    with (
        fresh_server(home) as server,
        printed_server_is(server),
        page_account(home, REGISTRY_SERVER_URL=server.url),
    ):
        walk = PageWalk(page, server, folder, prelude if prelude.exists() else None)
        yield walk, walk.walk()
