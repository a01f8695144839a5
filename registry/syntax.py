"""`ast.parse` for several threads."""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import Final

from registry.storage.lock import ReentrantLock

_ATTEMPTS: Final = 20

_parsing = ReentrantLock()


def parse(text: str) -> ast.Module:
    """The syntax tree of ``text``.

    Before 3.13 CPython counts how deep the trees are that it makes for all threads together, and ends in
    `SystemError` where two of them make one at once (https://github.com/python/cpython/issues/106905). The
    lock keeps our own threads apart, and a tree that another library makes is made soon.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `ast.parse`.
    """
    for _ in range(_ATTEMPTS):
        with suppress(SystemError), _parsing:
            return ast.parse(text)
    return ast.parse(text)
