"""What a diagnosis is made of, and how it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from registry.errors import ValidationError
from registry.text import visible

Verdict = Literal["ok", "note", "wrong"]


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        about: what it was: ``setting``, ``keys``, ``server``, ``namespace``, ``registry``, ``module``,
            ``name``, ``value``.
        verdict: ``ok``; ``note`` for what is worth knowing; ``wrong`` for what keeps the name from being
            used.
        text: what was found, in a sentence.
        suggestions: what to do about it.
        facts: the same for programs.
    """

    about: str
    verdict: Verdict
    text: str
    suggestions: tuple[str, ...] = ()
    facts: Mapping[str, Any] = {}


class Diagnosis(NamedTuple):
    """Why a name can be used here or not.

    Attributes:
        asked: what was asked for, in words.
        findings: all that was looked at, in the order in which a look-up needs it.
    """

    asked: str
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether nothing is wrong."""
        return all(found.verdict != "wrong" for found in self.findings)

    @property
    def summary(self) -> str:
        """What came of it, in a sentence."""
        wrong = [found for found in self.findings if found.verdict == "wrong"]
        if wrong:
            return f"{visible(self.asked)}: {wrong[-1].text}"
        return f"{visible(self.asked)}: nothing is wrong"

    def as_dict(self) -> dict[str, Any]:
        """For JSON: ``asked``, ``usable``, ``summary``, and ``findings`` with their facts."""
        findings = [
            {**found._asdict(), "suggestions": list(found.suggestions), "facts": dict(found.facts)}
            for found in self.findings
        ]
        return {"asked": self.asked, "usable": self.usable, "summary": self.summary, "findings": findings}

    def advised(self) -> list[tuple[Finding, list[str]]]:
        """The findings with their suggestions, for people: each suggestion once, where it is given last."""
        last = {step: index for index, found in enumerate(self.findings) for step in found.suggestions}
        return [
            (found, [step for step in dict.fromkeys(found.suggestions) if last[step] == index])
            for index, found in enumerate(self.findings)
        ]

    def __str__(self) -> str:
        lines = [self.summary]
        for found, suggestions in self.advised():
            lines.append(f"  {found.verdict:<5} {found.about}: {found.text}")
            lines += [f"        suggestion: {suggestion}" for suggestion in suggestions]
        return "\n".join(lines)


def finding(
    about: str, verdict: Verdict, text: str, suggestions: Iterable[str] = (), **facts: Any
) -> Finding:
    """A finding that can be shown: without passwords, and without anything that a terminal would obey."""
    return Finding(about, verdict, _shown(text), tuple(map(_shown, suggestions)), facts)


def _shown(text: str) -> str:
    return visible(redacted(text))


def from_error(about: str, error: ValidationError, verdict: Verdict = "wrong", **facts: Any) -> Finding:
    """What an error of this library says, as a finding."""
    return finding(about, verdict, error.message, error.suggestions, error=type(error).__name__, **facts)


_PASSWORD = re.compile(r"(?<=//)[^/@\s]*@")


def redacted(text: str) -> str:
    """``text`` with ``***`` for user and password in an address."""
    return _PASSWORD.sub("***@", text)
