"""The checks, a module for each subject. `all_checks` finds them; no list of them is kept by hand."""

from __future__ import annotations

from importlib import import_module

from registry.conformance.check import PROFILES, Check
from registry.conformance.sequences import sequence_checks

MODULES = (
    "service",
    "entries",
    "names",
    "envelopes",
    "listings",
    "errors",
    "semantics",
    "conditional",
    "races",
    "batch",
    "watch",
    "changes",
    "auth",
    "durable",
    "read_only",
)


def all_checks() -> list[Check]:
    """Every check, in the order in which they are run: by profile, then as they stand in their modules."""
    found = [
        member
        for name in MODULES
        for member in vars(import_module(f"{__name__}.{name}")).values()
        if isinstance(member, Check)
    ]
    return sorted([*found, *sequence_checks()], key=lambda check: PROFILES.index(check.profile))
