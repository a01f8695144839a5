from __future__ import annotations

import pytest

from registry_server.storage.postgresql import PostgresqlBackend
from registry_server.testing import BackendContract, OpenBackend
from tests.postgresql.server import PostgresServer


class TestPostgresqlBackend(BackendContract):
    @pytest.fixture
    def open_backend(self, postgres: PostgresServer) -> OpenBackend:
        url = postgres.new_schema()
        return lambda: PostgresqlBackend(url)
