"""What a check is: one small function, and the promises that it holds a server to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.conformance.context import Context

PROFILES = ("core", "conditional", "batch", "watch", "auth", "durable", "read-only")
"""What a server can claim, in the order in which it is checked; ``read-only`` is chosen by an option."""


class Level(Enum):
    """How much a promise binds, in the words of RFC 2119."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Verdict(Enum):
    """What became of a check.

    ``FAIL``: a MUST is broken. ``WARN``: a SHOULD is. ``NOT_CLAIMED``: the server does not offer the profile.
    ``DISABLED``: an option leaves it out, or the option that it needs was not given. ``BLOCKED``: what it
    stands on failed before. ``ERROR``: the kit itself failed.
    """

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    NOT_CLAIMED = "not-claimed"
    DISABLED = "disabled"
    BLOCKED = "blocked"
    ERROR = "error"


class Failure(Exception):
    """The server breaks the promise; the message says what was asked, what came, and what was promised."""


class SetupError(Exception):
    """The run cannot begin, or a check cannot be made: one line that says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check.

    Attributes:
        id: ``<profile>.<name>``, stable; baselines and filters cite it.
        promises: the ids in ``openapi.yaml`` that it is about.
        profile: the profile that has to be claimed.
        level: `Level`.
        claim: what holds of a server that passes, in one sentence.
        run: asks the server; returns, or raises `Failure`.
        also: further profiles that have to be claimed.
        needs: options that have to be given, by their names in `registry.conformance.options`.
    """

    id: str
    promises: tuple[str, ...]
    profile: str
    level: Level
    claim: str
    run: Callable[[Context], None]
    also: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def check(
    *promises: str,
    profile: str,
    level: Level = Level.MUST,
    also: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
) -> Callable[[Callable[[Context], None]], Check]:
    """Make a `Check` of a function; the first line of its docstring is the claim."""

    def checked(function: Callable[[Context], None]) -> Check:
        claim = (function.__doc__ or "").strip().partition("\n")[0]
        return Check(f"{profile}.{function.__name__}", promises, profile, level, claim, function, also, needs)

    return checked


def require(holds: object, message: str) -> None:
    """Raise `Failure` with ``message`` unless ``holds``."""
    if not holds:
        raise Failure(message)
