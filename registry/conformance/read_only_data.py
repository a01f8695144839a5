"""The file of ``--read-only``: what a server is known to hold.

::

    {"namespace": "research.losses", "entries": [{"key": "mse", "value": {"type": "json", ...}}, ...]}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from registry.conformance.check import SetupError
from registry.envelope.form import Envelope
from registry.errors import ValidationError
from registry.names import check_key, check_namespace


class GivenEntry(NamedTuple):
    """An entry that the server is known to hold, in the order of its creation."""

    namespace: str
    key: str
    value: dict[str, Any]


def read_given(path: str) -> tuple[GivenEntry, ...]:
    """The entries of a file.

    Raises:
        SetupError: it cannot be read, or is not of the form above.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        namespace = check_namespace(data["namespace"])
        entries = tuple(_given(namespace, entry) for entry in data["entries"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise SetupError(f"--read-only {path}: not a file of known entries: {in_words(error)}") from None
    if not entries:
        raise SetupError(f"--read-only {path}: it names no entry")
    return entries


def _given(namespace: str, entry: dict[str, Any]) -> GivenEntry:
    return GivenEntry(namespace, check_key(entry["key"]), Envelope.from_dict(entry["value"]).to_dict())


def in_words(error: Exception) -> str:
    """Why a file cannot be used, for who wrote it; on one line, and of no class of Python's."""
    match error:
        case ValidationError():
            said = error.message
        case OSError():
            said = error.strerror or str(error)
        case json.JSONDecodeError():
            said = f"no JSON at line {error.lineno}, column {error.colno}"
        case UnicodeDecodeError():
            said = "it is not UTF-8"
        case KeyError():
            said = f"{error.args[0]!r} is missing"
        case _:
            said = "something in it is of another type than it has to be"
    return " ".join(said.split())[:300]


def one_line(error: BaseException) -> str:
    """What an exception says, on one line."""
    text = error.message if isinstance(error, ValidationError) else str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}"[:300]
