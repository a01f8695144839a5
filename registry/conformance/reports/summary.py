"""A run as a whole: its results, counted and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from registry.conformance.check import PROFILES, Verdict
from registry.conformance.redaction import Redaction
from registry.conformance.session import Result

PASSED, FAILED, BROKEN = 0, 1, 2
"""Exit codes: every claimed promise was kept; one was not; the run itself went wrong."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run that is over.

    Attributes:
        url: the server's address.
        started: when, RFC 3339 in UTC.
        seconds: how long it took.
        seed: which draws the same data again.
        profiles: those that were checked.
        results: one for each check that was selected.
        redaction: hides what no report may show.
    """

    url: str
    started: str
    seconds: float
    seed: int
    profiles: Sequence[str]
    results: Sequence[Result]
    redaction: Redaction

    @property
    def counts(self) -> dict[str, int]:
        """How many checks have each verdict; known failures by themselves."""
        found = Counter("known" if result.known else result.verdict.value for result in self.results)
        names = [*(verdict.value for verdict in Verdict), "known"]
        return {name: found[name] for name in names}

    @property
    def exit_code(self) -> int:
        """0, 1 or 2. A run in which nothing was tried is no success."""
        verdicts = {result.verdict for result in self.results}
        if Verdict.ERROR in verdicts or not verdicts - {Verdict.DISABLED, Verdict.NOT_CLAIMED}:
            return BROKEN
        return FAILED if any(result.counts_against for result in self.results) else PASSED

    def by_profile(self) -> dict[str, list[Result]]:
        """The results of each profile that has any, in the order of `PROFILES`."""
        found = {
            profile: [result for result in self.results if result.check.profile == profile]
            for profile in PROFILES
        }
        return {profile: results for profile, results in found.items() if results}

    def said(self, result: Result) -> str:
        """Why a check has its verdict, without secrets, on one line."""
        known = f" (known: {result.known})" if result.known else ""
        return printable(self.redaction.text(result.message + known))


def printable(text: str) -> str:
    """``text`` with escapes for what a terminal obeys and XML cannot hold."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def kit_version() -> str:
    """The version of the distribution that brings the kit."""
    try:
        return version("namestead")
    except PackageNotFoundError:
        return "unknown"
