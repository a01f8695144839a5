"""Code objects: the names they use, and what runs of them."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

from registry.identity.plain import PLAIN, NoForm


def write_bytecode(code: types.CodeType) -> Any:
    """What runs, without where it was written."""
    return [
        "bytecode",
        sys.implementation.cache_tag,
        code.co_qualname,
        code.co_code.hex(),
        code.co_exceptiontable.hex(),
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags],
        [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars],
        [_write_constant(constant) for constant in code.co_consts],
    ]


def _write_constant(constant: Any) -> Any:
    kind = type(constant)
    if kind in PLAIN:
        return PLAIN[kind](constant)
    if kind is tuple:
        return ["tuple", *map(_write_constant, constant)]
    if kind is frozenset:
        import json

        return ["frozenset", *sorted(map(_write_constant, constant), key=json.dumps)]
    if kind is slice:
        return ["slice", *map(_write_constant, (constant.start, constant.stop, constant.step))]
    if kind is types.CodeType:
        return write_bytecode(constant)
    raise NoForm(kind)


def global_names(code: types.CodeType) -> list[str]:
    """Names that ``code`` or code nested in it looks up among globals and builtins, sorted."""
    return sorted(names_used(code, "LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"))


def names_used(code: types.CodeType, *operations: str) -> set[str]:
    """Names that these operations of ``code`` or code nested in it are about."""
    import dis

    return {
        instruction.argval
        for nested in with_nested(code)
        for instruction in dis.get_instructions(nested)
        if instruction.opname in operations
    }


def with_nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from with_nested(constant)
