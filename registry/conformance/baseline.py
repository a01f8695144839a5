"""Failures that are known: ``--baseline FILE``.

::

    {"known": [{"check": "core.limits_are_those_published", "reason": "our proxy takes 1 MiB, see #12"}]}

Strict: a check that is in it and passes is a failure, so the file says what is, and shrinks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from registry.conformance.check import SetupError
from registry.conformance.read_only_data import in_words


def read_baseline(path: str, ids: Collection[str]) -> Mapping[str, str]:
    """The reasons by the id of the check.

    Raises:
        SetupError: the file cannot be read, has not this form, gives no reason, or names what is no check.
    """
    try:
        known = json.loads(Path(path).read_text(encoding="utf-8"))["known"]
        reasons = {entry["check"]: str(entry["reason"]).strip() for entry in known}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(f"--baseline {path}: not a baseline: {in_words(error)}") from None
    _judge(path, known, reasons, ids)
    return reasons


def _judge(path: str, known: list[Any], reasons: Mapping[str, str], ids: Collection[str]) -> None:
    if len(known) != len(reasons):
        raise SetupError(f"--baseline {path}: a check is in it twice")
    for check, reason in reasons.items():
        if check not in ids:
            raise SetupError(f"--baseline {path}: no check is called {check!r}")
        if not reason:
            raise SetupError(f"--baseline {path}: {check} has no reason")
