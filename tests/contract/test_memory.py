from __future__ import annotations

import pytest

from registry_server.storage.memory import MemoryBackend
from registry_server.testing import BackendContract, OpenBackend


class TestMemoryBackend(BackendContract):
    survives_reopening = False

    @pytest.fixture
    def open_backend(self) -> OpenBackend:
        return MemoryBackend
