from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry_server.storage.redis import RedisBackend
from registry_server.testing import BackendContract, OpenBackend
from tests.contract.redis_process import RedisProcess


@pytest.fixture(scope="module")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path_factory.mktemp("redis")).start()
    yield process
    process.kill()


class TestRedisBackend(BackendContract):
    @pytest.fixture
    def open_backend(self, redis_process: RedisProcess) -> OpenBackend:
        options = redis_process.options()
        return lambda: RedisBackend(options)
