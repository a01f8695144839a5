from __future__ import annotations

import pytest

from registry_server.storage.redis import RedisBackend
from registry_server.testing import BackendContract, OpenBackend
from tests.contract.redis_process import RedisProcess


class TestRedisBackend(BackendContract):
    @pytest.fixture
    def open_backend(self, redis_process: RedisProcess) -> OpenBackend:
        options = redis_process.options()
        return lambda: RedisBackend(options)
