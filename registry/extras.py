"""Advice on how to install an optional part of this package."""

from __future__ import annotations


def install(extra: str) -> str:
    """Return the command that installs an extra; no package index has this package.

    Args:
        extra: one or more extras, separated by commas: ``"server,redis"``.
    """
    return f"from a checkout of namestead: pip install '.[{extra}]'"
