"""Which checks are run, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from registry.conformance.check import PROFILES, Check, SetupError, Verdict
from registry.conformance.options import Options

OPTION_OF = {
    "restart": "--restart-cmd",
    "token": "--token",
    "reader_token": "--reader-token",
    "revoked_token": "--revoked-token",
    "data": "--read-only",
}


def matches(check: Check, selector: str) -> bool:
    """Whether a selector, an id or a glob, names the check, one of its promises, or its profile."""
    return any(fnmatchcase(name, selector) for name in (check.id, *check.promises, check.profile))


def selected(checks: Sequence[Check], options: Options) -> list[Check]:
    """The checks of ``--only``, in their order; all of them without it.

    Raises:
        SetupError: a selector names no check.
    """
    for option, selectors in (("--only", options.only), ("--skip", options.skip)):
        for selector in selectors:
            if not any(matches(check, selector) for check in checks):
                raise SetupError(
                    f"{option} {selector}: no check or promise is called so{_near(selector, checks)}"
                )
    if not options.only:
        return list(checks)
    return [check for check in checks if any(matches(check, selector) for selector in options.only)]


def _near(selector: str, checks: Iterable[Check]) -> str:
    names = {name for check in checks for name in (check.id, *check.promises)}
    near = get_close_matches(selector, sorted(names), n=2)
    return f". Did you mean {' or '.join(near)}?" if near else ""


def checked_profiles(assume: Sequence[str]) -> tuple[str, ...]:
    """The profiles of ``--assume``, which may be set apart by commas.

    Raises:
        SetupError: one is none.
    """
    names = [name.strip() for text in assume for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PROFILES:
            raise SetupError(f"--assume {name}: the profiles are {', '.join(PROFILES)}")
    return tuple(names)


def not_run(check: Check, options: Options, profiles: frozenset[str]) -> tuple[Verdict, str] | None:
    """Verdict and reason of a check that is left out; None where it is to be run."""
    if any(matches(check, selector) for selector in options.skip):
        return Verdict.DISABLED, "left out by --skip"
    if options.data and check.profile != "read-only":
        return Verdict.DISABLED, "with --read-only nothing is written"
    missing = [name for name in (check.profile, *check.also) if name not in profiles]
    if missing == ["read-only"]:
        return Verdict.DISABLED, "needs --read-only"
    if missing:
        return Verdict.NOT_CLAIMED, f"the server does not offer {' and '.join(missing)}"
    absent = [OPTION_OF[name] for name in check.needs if not options.has(name)]
    return (Verdict.DISABLED, f"needs {' and '.join(absent)}") if absent else None
