"""Annotations, and what `typing` has to write them with."""

from __future__ import annotations

import sys
import types
import typing
from typing import Any

from registry.identity.code import global_names
from registry.identity.values import write_importable
from registry.identity.writer import Writer


def write_annotations(writer: Writer, owner: Any, namespace: dict[str, Any]) -> Any:
    """The annotations of a function or a class body, in order.

    Those left as text count with the globals that they name, as far as they are bound: names that are
    imported for type checkers only stay unbound for ever.
    """
    return [
        [name, writer.write(annotation), _write_named_in(writer, annotation, namespace)]
        for name, annotation in _annotations(owner).items()
    ]


def _annotations(owner: Any) -> dict[str, Any]:
    if isinstance(owner, type) and "__annotations__" not in vars(owner) and sys.version_info < (3, 14):
        return {}  # the attribute would be that of a base class
    try:
        return dict(owner.__annotations__)
    except Exception:  # evaluated when read since Python 3.14: any expression
        return {}


def _write_named_in(writer: Writer, annotation: Any, namespace: dict[str, Any]) -> Any:
    names = _names_in_text(annotation) if type(annotation) is str else []
    module = namespace.get("__name__", "")
    return [
        [name, writer.write(namespace[name])]
        if name in namespace
        else [name, writer.self_reference(module, name)]
        for name in names
    ]


def _names_in_text(annotation: str) -> list[str]:
    try:
        code = compile(annotation, "<annotation>", "eval", dont_inherit=True)
    except (SyntaxError, ValueError):
        return []
    return global_names(code)


HINT_MODULES = ("typing", "types", "typing_extensions", "collections.abc", "_collections_abc")


def write_hint(writer: Writer, hint: Any) -> Any:
    """Something of `HINT_MODULES`: what an annotation or a base class is written with."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return ["annotated", writer.write(hint.__origin__), *writer.sequence(hint.__metadata__)]
    if origin in (typing.Union, types.UnionType):
        return ["union", *writer.sequence(typing.get_args(hint))]
    kind = type(hint).__name__
    if origin is None:
        return _write_simple_hint(writer, hint, kind)
    # P.args and P.kwargs, tuple[int] and *tuple[int] differ in nothing else.
    part = (
        kind if kind in ("ParamSpecArgs", "ParamSpecKwargs") else getattr(hint, "__unpacked__", False) is True
    )
    return ["generic", part, writer.write(origin), *writer.sequence(typing.get_args(hint))]


def _write_simple_hint(writer: Writer, hint: Any, kind: str) -> Any:
    if kind in ("TypeVar", "ParamSpec", "TypeVarTuple"):
        return ["variable", kind, hint.__name__, *writer.sequence(_details(hint))]
    if kind == "NewType":
        return ["newtype", hint.__module__, hint.__name__, writer.write(hint.__supertype__)]
    if kind == "TypeAliasType":
        return ["alias", hint.__module__, hint.__name__, writer.write(hint.__value__)]
    if kind == "ForwardRef":
        return ["forward", hint.__forward_arg__]
    if kind.endswith("Form"):
        return ["form", hint._name]
    return write_importable(writer, hint)


def _details(variable: Any) -> list[Any]:
    names = ("__bound__", "__constraints__", "__covariant__", "__contravariant__")
    details = [getattr(variable, name, None) for name in names]
    # Python 3.12 says NoneType where 3.11 says None: no bound.
    details = [None if detail is type(None) else detail for detail in details]
    if hasattr(variable, "has_default") and variable.has_default():
        details.append(variable.__default__)
    return details
