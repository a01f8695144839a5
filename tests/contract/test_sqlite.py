from __future__ import annotations

from pathlib import Path

import pytest

from registry_server.storage.sqlite import SqliteBackend
from registry_server.testing import BackendContract, OpenBackend


class TestSqliteBackend(BackendContract):
    @pytest.fixture
    def open_backend(self, tmp_path: Path) -> OpenBackend:
        return lambda: SqliteBackend(tmp_path / "registry.db")
