"""For authors of storage backends: the contract of `StorageBackend` as tests, and a model to compare with.

    class TestMyBackend(BackendContract):
        @pytest.fixture
        def open_backend(self, tmp_path):
            return lambda: MyBackend(tmp_path / "store")

Needs pytest, pytest-asyncio and hypothesis.
"""

import pytest

# Before the import below: a failed assert then shows what was compared, here as in a test's own module.
pytest.register_assert_rewrite(
    *(
        f"registry_server.testing.{name}"
        for name in (
            "batches",
            "changes",
            "concurrency",
            "conditions",
            "contract",
            "entries",
            "lifecycle",
            "listings",
            "model",
        )
    )
)

from registry_server.testing.contract import BackendContract, OpenBackend  # noqa: E402
from registry_server.testing.values import stored  # noqa: E402

__all__ = ["BackendContract", "OpenBackend", "stored"]
