"""Which names code will look for in vain, when it runs in a process that has only what came with it.

A decorator runs before the name it decorates is bound, and before what stands below it in the file is.
Pickled by value at that moment, a function would go without these names, and fail when it is called far away.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, NamedTuple, cast

_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
MAIN = ("__main__", "__mp_main__")


class Lookup(NamedTuple):
    """A global that code reads.

    Attributes:
        name: its name.
        line: where it is read, as far as the code knows.
        guarded: the code is prepared for not finding it.
    """

    name: str
    line: int | None
    guarded: bool


def lookups(code: CodeType, guarded: bool = False) -> Iterator[Lookup]:
    """The globals and builtins that ``code`` or code nested in it reads, in order.

    Not names that the body of a class binds itself; not annotations, which nobody need evaluate.
    """
    if code.co_name == "__annotate__":  # since Python 3.14
        return
    guards = _Guards(code)
    bound = {*_names(code, "STORE_NAME"), "__annotations__"}
    # ``"name" in globals()`` asks first.
    asked = code.co_consts if "globals" in code.co_names else ()
    for instruction in dis.get_instructions(code):
        name, safe = instruction.argval, guarded or guards.cover(instruction.offset)
        if isinstance(name, CodeType):
            yield from lookups(name, safe)
        elif instruction.opname in _LOADS and not (instruction.opname == "LOAD_NAME" and name in bound):
            line = instruction.positions.lineno if instruction.positions else None
            yield Lookup(name, line, safe or name in asked)


def bindings(code: CodeType) -> set[str]:
    """The globals that ``code`` or code nested in it binds when it runs."""
    nested = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return _names(code, "STORE_GLOBAL").union(*map(bindings, nested))


def _names(code: CodeType, operation: str) -> set[str]:
    return {one.argval for one in dis.get_instructions(code) if one.opname == operation}


def missing_in(function: FunctionType) -> dict[str, int | None]:
    """The names that ``function`` reads unguarded and that nothing binds yet, each with its first line.

    Of a module that is imported to its end none: it binds no more names, so what it lacks (for another
    platform, another Python) it lacks in every process.
    """
    namespace = function.__globals__
    if not _may_bind_more(namespace):
        return {}
    builtins = cast(Any, function).__builtins__  # not in every version of the typeshed
    missing: dict[str, int | None] = {}
    for name, line, guarded in lookups(function.__code__):
        if not guarded and name not in namespace and name not in builtins:
            missing.setdefault(name, line)
    return missing


def _may_bind_more(namespace: dict[str, Any]) -> bool:
    name = namespace.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if name in MAIN or getattr(module, "__dict__", None) is not namespace:
        return True
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


_CLAUSE = ("EXTENDED_ARG", "PUSH_EXC_INFO", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "BUILD_TUPLE")
"""What an ``except`` clause compiles to, up to its comparison."""


class _Guards:
    """The parts of a code object in which a `NameError` is caught by its name."""

    def __init__(self, code: CodeType) -> None:
        self._ranges: Any = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        self._instructions = list(dis.get_instructions(code)) if self._ranges else []
        self._at = {instruction.offset: at for at, instruction in enumerate(self._instructions)}

    def cover(self, offset: int) -> bool:
        passed: set[int] = set()
        while (handler := self._handler_of(offset)) is not None and handler not in passed:
            if self._catches(handler):
                return True
            passed.add(handler)
            offset = handler  # what it does not catch goes on to the handler around it
        return False

    def _handler_of(self, offset: int) -> int | None:
        return next((entry.target for entry in self._ranges if entry.start <= offset < entry.end), None)

    def _catches(self, handler: int) -> bool:
        """Whether one of the ``except`` clauses that begin there names `NameError`."""
        at = self._at.get(handler)
        while at is not None:
            named = set()
            while self._instructions[at].opname in _CLAUSE:
                named.add(self._instructions[at].argval)
                at += 1
            if self._instructions[at].opname != "CHECK_EXC_MATCH":
                return False
            if "NameError" in named:
                return True
            at = self._at.get(self._instructions[at + 1].argval)  # the jump to the next clause
        return False
