"""A PostgreSQL of a test's own, and how many connections the registry's servers hold."""

from __future__ import annotations

from tests.postgresql.server import PostgresServer


class PostgresqlStorage(PostgresServer):
    def connections(self) -> int:
        """Those of other programs than this one."""
        return int(
            self.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )[0][0]
        )
