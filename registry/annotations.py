"""Annotations that pydantic checks not at all or too late, in a form that it checks when it is asked."""

from __future__ import annotations

import collections.abc
from collections.abc import Callable
from functools import partial
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin


def checkable(annotation: Any) -> Any:
    """``annotation``, its static protocols checked by their members' names, its iterables not lazily.

    `isinstance` refuses a protocol that is not ``runtime_checkable``. An ``Iterable`` becomes, in pydantic, a
    generator that checks on the way and is empty the second time; here what is a list is a list.
    """
    if _is_static_protocol(annotation):
        from pydantic import AfterValidator

        return Annotated[Any, AfterValidator(partial(_conforming, annotation))]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if collections.abc.Iterable in (annotation, origin):
        from pydantic import WrapValidator

        item = checkable(arguments[0]) if arguments else Any
        return Annotated[list[item], WrapValidator(_at_once)]  # type: ignore[valid-type]
    if _is_static_protocol(origin):
        return checkable(origin)
    if origin in (None, Literal, Callable, type):
        return annotation
    if origin is Annotated:
        first, *rest = arguments
        inner = checkable(first)
        return annotation if inner is first else Annotated[(inner, *rest)]
    changed = tuple(map(checkable, arguments))
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return annotation
    return Union[changed] if origin in (Union, UnionType) else origin[changed]  # noqa: UP007 - of a tuple


def _at_once(value: Any, check: Callable[[Any], Any]) -> Any:
    own = isinstance(value, collections.abc.Iterable) and not isinstance(value, (str, bytes))
    return value if own and type(value) not in (list, tuple, set, frozenset) else check(value)


def _is_static_protocol(kind: Any) -> bool:
    return bool(getattr(kind, "_is_protocol", False)) and not getattr(kind, "_is_runtime_protocol", False)


def _conforming(protocol: type, value: Any) -> Any:
    members = {
        name
        for base in protocol.__mro__
        if getattr(base, "_is_protocol", False)
        for name in (*vars(base), *vars(base).get("__annotations__", ()))
        if name == "__call__" or not name.startswith("_")
    }
    lacking = sorted(name for name in members if not hasattr(value, name))
    if lacking:
        raise ValueError(f"it has no {' and no '.join(lacking)}, which {protocol.__qualname__} declares")
    return value
