"""``pytest --registry-url URL``: each check a test. Every pytest of an environment loads it: it imports late.

``--registry-profile`` and ``--registry-baseline`` are the command's ``--assume`` and ``--baseline``; a token
is read from ``REGISTRY_SERVER_TOKEN``. Filter with ``-k``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from registry.extras import install

if TYPE_CHECKING:
    from registry.conformance.check import Check
    from registry.conformance.session import Session


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("registry", "conformance of a registry server")
    group.addoption("--registry-url", metavar="URL", help="check the registry server at this address")
    group.addoption(
        "--registry-profile", metavar="NAME", action="append", help="check this profile, claimed or not"
    )
    group.addoption("--registry-baseline", metavar="FILE", help="failures that are known, with reasons")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add a test for each check, before those that `-k` does not mean are taken out."""
    url = config.getoption("--registry-url")
    if not url:
        return
    try:
        opened, checks = _opened(url, config)
    except ImportError as error:
        raise pytest.UsageError(
            f"--registry-url needs an extra ({error.name}); {install('conformance')}"
        ) from None
    config.add_cleanup(lambda: opened.__exit__(None, None, None))
    added = [
        ConformanceItem.from_parent(session, name=check.id, opened=opened, check=check) for check in checks
    ]
    items += added


def _opened(url: str, config: pytest.Config) -> tuple[Session, list[Check]]:
    from registry.conformance.baseline import read_baseline
    from registry.conformance.check import SetupError
    from registry.conformance.checks import all_checks
    from registry.conformance.options import Options
    from registry.conformance.selection import checked_profiles
    from registry.conformance.session import Session

    checks, path = all_checks(), config.getoption("--registry-baseline")
    try:
        assume = checked_profiles(config.getoption("--registry-profile") or ())
        known = read_baseline(path, {check.id for check in checks}) if path else {}
        options = Options(url, assume=assume, token=os.environ.get("REGISTRY_SERVER_TOKEN") or None)
        return Session(options, known), checks
    except SetupError as error:
        raise pytest.UsageError(str(error)) from None


class BrokenPromise(Exception):
    """A check that did not pass."""


class ConformanceItem(pytest.Item):
    """One check as a test."""

    def __init__(self, *, opened: Session, check: Check, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self._opened = opened
        self._check = check

    def runtest(self) -> None:
        from registry.conformance.check import Verdict

        result = self._opened.result(self._check)
        if result.verdict in (Verdict.NOT_CLAIMED, Verdict.DISABLED):
            pytest.skip(result.message)
        if result.known:
            pytest.xfail(result.known)
        if result.verdict is Verdict.WARN:
            self.warn(pytest.PytestWarning(f"{self.name}: {result.message}"))
        elif result.verdict is not Verdict.PASS:
            raise BrokenPromise(f"{result.verdict.value}: {result.message}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        promises = ", ".join(self._check.promises)
        return f"{self._check.claim}\n{promises} ({self._check.level.value})\n{excinfo.value}"

    def reportinfo(self) -> tuple[str, None, str]:
        return self._check.profile, None, self.name
