from __future__ import annotations

import pytest

from registry_server.storage.postgresql import PostgresqlBackend
from registry_server.testing import BackendContract, OpenBackend
from tests.postgresql.server import PostgresServer


# The random scripts are some 8,000 round trips: ten seconds, or a minute where the machine has other work.
@pytest.mark.timeout(300)
class TestPostgresqlBackend(BackendContract):
    @pytest.fixture
    def open_backend(self, postgres: PostgresServer) -> OpenBackend:
        url = postgres.new_schema()
        return lambda: PostgresqlBackend(url)
