"""Whether a value of one type may stand where another is asked for."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from registry.conformity.annotations import UNKNOWN, is_union, simplified


def accepts(wide: Any, narrow: Any) -> bool:
    """Whether a value of type ``narrow`` may stand where ``wide`` is asked for, as far as can be told.

    What is not understood (type variables, Protocols without ``@runtime_checkable``, unresolved names)
    is accepted.
    """
    wide, narrow = simplified(wide), simplified(narrow)
    if wide is narrow or UNKNOWN in (wide, narrow) or wide is object or narrow is typing.NoReturn:
        return True
    if isinstance(wide, str | typing.TypeVar | typing.ForwardRef | typing.ParamSpec):
        return True
    if isinstance(narrow, str | typing.TypeVar | typing.ForwardRef | typing.ParamSpec):
        return True
    if is_union(narrow):
        return all(accepts(wide, member) for member in typing.get_args(narrow))
    if is_union(wide):
        return any(accepts(member, narrow) for member in typing.get_args(wide))
    return (
        _accepts_literal(wide, narrow)
        if _is_literal(wide) or _is_literal(narrow)
        else _accepts_class(wide, narrow)
    )


def _is_literal(annotation: Any) -> bool:
    return typing.get_origin(annotation) is typing.Literal


def _accepts_literal(wide: Any, narrow: Any) -> bool:
    if not _is_literal(narrow):
        return False
    values = typing.get_args(narrow)
    if _is_literal(wide):
        allowed = [(type(value), value) for value in typing.get_args(wide)]
        return all((type(value), value) in allowed for value in values)
    return all(accepts(wide, type(value)) for value in values)


_PROMOTIONS = {float: (int,), complex: (int, float)}
"""The numeric tower as PEP 484 reads it: an int may stand for a float, though it is no subclass."""


def _accepts_class(wide: Any, narrow: Any) -> bool:
    wide_class, narrow_class = typing.get_origin(wide) or wide, typing.get_origin(narrow) or narrow
    if not isinstance(wide_class, type) or not isinstance(narrow_class, type):
        return bool(wide == narrow) or not (isinstance(wide_class, type) or isinstance(narrow_class, type))
    try:
        related = issubclass(narrow_class, wide_class) or issubclass(
            narrow_class, _PROMOTIONS.get(wide_class, ())
        )
    except TypeError:  # a Protocol that is not runtime_checkable, or has data members
        return True
    return related and _accepts_arguments(wide, narrow, wide_class, narrow_class)


def _accepts_arguments(wide: Any, narrow: Any, wide_class: type, narrow_class: type) -> bool:
    wanted, found = typing.get_args(wide), typing.get_args(narrow)
    callables: tuple[Any, ...] = (wide_class, narrow_class)
    if not wanted or not found:
        return True
    if callables == (Callable, Callable):
        return _accepts_callable(wanted, found)
    if wide_class is tuple and narrow_class is tuple:
        return _accepts_tuple(wanted, found)
    if wide_class is narrow_class:
        return len(wanted) != len(found) or all(map(accepts, wanted, found))
    return _accepts_elements(wanted, found, narrow_class)


def _accepts_elements(wanted: tuple[Any, ...], found: tuple[Any, ...], narrow_class: type) -> bool:
    """The same for two classes, where what their parameters mean is known: in the standard library."""
    from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping

    if narrow_class.__module__ not in ("builtins", "collections", "collections.abc"):
        return True
    if narrow_class is tuple:
        return all(accepts(wanted[0], member) for member in found if member is not ...)
    if len(wanted) == 1 and issubclass(narrow_class, Coroutine):
        return accepts(wanted[0], found[-1])
    if len(wanted) == 1 and issubclass(narrow_class, AsyncGenerator | Generator | Mapping):
        return accepts(wanted[0], found[0])
    return len(wanted) != len(found) or narrow_class is enumerate or all(map(accepts, wanted, found))


def _accepts_callable(wanted: tuple[Any, ...], found: tuple[Any, ...]) -> bool:
    wanted_parameters, wanted_result = wanted
    found_parameters, found_result = found
    if not accepts(wanted_result, found_result):
        return False
    if not isinstance(wanted_parameters, list) or not isinstance(found_parameters, list):
        return True
    return len(wanted_parameters) == len(found_parameters) and all(
        accepts(theirs, ours) for ours, theirs in zip(wanted_parameters, found_parameters, strict=True)
    )


def _accepts_tuple(wanted: tuple[Any, ...], found: tuple[Any, ...]) -> bool:
    if wanted[-1] is ...:
        return all(accepts(wanted[0], member) for member in found if member is not ...)
    if found[-1] is ...:
        return False
    return len(wanted) == len(found) and all(accepts(*pair) for pair in zip(wanted, found, strict=True))
