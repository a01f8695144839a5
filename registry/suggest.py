"""Near names, for "Did you mean ...?"; the same for a local registry and for the server."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

MAX_CANDIDATES = 2_000
"""How many names are looked at, at most: what a wrong name costs stays bounded."""

MAX_NAME_LENGTH = 100
"""Names longer than this are neither matched nor offered (the comparison is quadratic in length)."""


def near_names(name: str, candidates: Iterable[object], *, limit: int = 3) -> list[str]:
    """The ``limit`` names most like ``name``, best first; letter case does not count.

    Looks at the first `MAX_CANDIDATES` candidates, passing over what is no text. Uses Ratcliff and
    Obershelp's similarity as `difflib` has it, with its usual cut-off of 0.6.
    """
    if not 0 < len(name) <= MAX_NAME_LENGTH or limit < 1:
        return []
    from difflib import get_close_matches  # 8 ms of import time, and only misses need it

    spellings: dict[str, str] = {}
    for candidate in islice(candidates, MAX_CANDIDATES):
        if isinstance(candidate, str) and len(candidate) <= MAX_NAME_LENGTH:
            spellings.setdefault(candidate.casefold(), candidate)
    return [spellings[match] for match in get_close_matches(name.casefold(), spellings, n=limit)]


def did_you_mean(names: list[str]) -> str:
    """The sentence that offers ``names``, with a leading space; empty for none."""
    if not names:
        return ""
    return f" Did you mean {' or '.join(repr(name) for name in names)}?"
