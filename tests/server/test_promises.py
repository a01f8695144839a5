"""Every promise of the specification is listed for people and cited by a test."""

import re
from pathlib import Path

from registry.spec import spec_text

ROOT = Path(__file__).parents[2]
PROMISE = re.compile(r"REG-[A-Z]+-\d\d")


def promised() -> set[str]:
    """The ids that ``openapi.yaml`` gives a sentence to."""
    return set(re.findall(rf"- \*\*({PROMISE.pattern})\*\*", spec_text()))


def test_an_id_has_one_sentence():
    ids = re.findall(rf"- \*\*({PROMISE.pattern})\*\*", spec_text())

    assert len(ids) == len(set(ids)) > 40


def test_every_id_that_the_specification_mentions_has_a_sentence():
    mentioned = re.sub(r"REG-ENV-01 to REG-ENV-0[35]", "", spec_text())

    assert set(PROMISE.findall(mentioned)) == promised()


def test_the_page_of_promises_lists_them_all():
    page = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")

    assert set(PROMISE.findall(page)) == promised()


def test_every_promise_is_cited_by_a_test_of_the_server():
    tests = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]

    cited = set(PROMISE.findall("\n".join(tests)))

    assert cited == promised()
