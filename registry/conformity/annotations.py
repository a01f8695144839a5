"""Reading and showing annotations: resolved, simplified, and as text."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspect import Signature

UNKNOWN: Any = Any
"""The annotation that stands for a missing or unresolvable one: compatible with everything."""


def resolved(func: Any, signature: Signature) -> Signature:
    """``signature`` with forward references resolved, and the result as the caller gets it."""
    import inspect
    from collections.abc import Coroutine

    owner = _annotation_owner(func)
    parameters = [
        parameter.replace(annotation=_resolve(parameter.annotation, owner))
        for parameter in signature.parameters.values()
    ]
    returns = _resolve(signature.return_annotation, owner)
    if isinstance(func, type):
        returns = func
    elif inspect.iscoroutinefunction(owner):
        returns = types.GenericAlias(Coroutine, (Any, Any, annotation_of(returns)))
    return signature.replace(parameters=parameters, return_annotation=returns)


def _annotation_owner(func: Any) -> Any:
    """The function whose globals the annotations of ``func`` were written in."""
    import functools
    import inspect

    while isinstance(func, functools.partial):
        func = func.func
    if isinstance(func, type):
        func = _constructor(func)
    elif not (hasattr(func, "__code__") or hasattr(func, "__wrapped__") or inspect.ismethod(func)):
        func = inspect.getattr_static(type(func), "__call__", func)
    return inspect.unwrap(getattr(func, "__func__", func))


def _constructor(cls: Any) -> Any:
    """``__init__`` or ``__new__``, whichever gives ``cls`` its signature."""
    for owner in cls.__mro__:
        for name in ("__new__", "__init__"):
            if name in vars(owner):
                return vars(owner)[name]


def _resolve(annotation: Any, owner: Any) -> Any:
    import inspect

    if annotation is inspect.Signature.empty:
        return annotation
    holder = type("Annotated", (), {})()
    holder.__annotations__ = {"it": annotation}
    variables = {kind.__name__: kind for kind in getattr(owner, "__type_params__", ())}
    try:
        found = typing.get_type_hints(holder, getattr(owner, "__globals__", {}), variables)["it"]
        return None if found is type(None) else found
    except Exception:  # an annotation is any expression, and evaluating it may raise anything
        return inspect.Signature.empty


def annotation_of(annotation: Any) -> Any:
    import inspect

    return UNKNOWN if annotation is inspect.Signature.empty else annotation


def simplified(annotation: Any) -> Any:
    """Without ``Annotated``, ``NewType`` and aliases; ``None`` as its type."""
    if annotation is None:
        return type(None)
    if typing.get_origin(annotation) is typing.Annotated:
        return simplified(typing.get_args(annotation)[0])
    if isinstance(annotation, typing.NewType):
        return simplified(annotation.__supertype__)
    if type(annotation).__name__ == "TypeAliasType":
        return simplified(annotation.__value__)
    if getattr(annotation, "__name__", "") in ("Never", "Self") and type(annotation).__module__ == "typing":
        return typing.NoReturn if annotation.__name__ == "Never" else UNKNOWN
    return annotation


def is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def shown(annotation: Any) -> str:
    import inspect

    if isinstance(annotation, tuple):
        return " or ".join(map(shown, annotation))
    return inspect.formatannotation(annotation)


def shown_signature(signature: Signature) -> str:
    import inspect

    parameters = [
        parameter.replace(default=_Default(parameter.default))
        if parameter.default is not inspect.Parameter.empty
        else parameter
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters))


class _Default:
    """A default value whose ``repr`` is short and never fails."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        try:
            return f"{self.value!r:.40}"
        except Exception:
            return "..."
