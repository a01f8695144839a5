from __future__ import annotations

import httpx
import pytest

pytest.register_assert_rewrite("tests.alternatives.contract")

from registry.testing import ServerProcess  # noqa: E402
from tests.alternatives.questions import QUESTIONS, answer  # noqa: E402


@pytest.fixture(scope="module")
def answers(url: str) -> dict[str, tuple[object, object]]:
    """What our server and the other say to each question, by its name."""
    with ServerProcess() as ours, httpx.Client(base_url=ours.url) as us, httpx.Client(base_url=url) as them:
        return {question.name: (answer(us, question), answer(them, question)) for question in QUESTIONS}
