"""From a callable to the parameters that a config can give it."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, ForwardRef, NamedTuple, get_args, get_origin, get_type_hints

from registry.errors import ConformanceError

REQUIRED: Any = inspect.Parameter.empty
"""In the place of a default."""

ABSENT: Any = object()
"""The default of a keyword that is left out of the call if it is not given: a ``NotRequired`` key."""

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Parameter(NamedTuple):
    """One keyword that a callable takes.

    Attributes:
        name: the keyword of the call.
        annotation: its resolved type hint, or ``Any``.
        default: the callable's own default, `REQUIRED` or `ABSENT`.
        factory: makes the default, for fields with a ``default_factory``.
        field: pydantic's own description, for the fields of a pydantic dataclass.
    """

    name: str
    annotation: Any
    default: Any = REQUIRED
    factory: Callable[[], Any] | None = None
    field: Any = None


class Parameters(NamedTuple):
    """All keywords that a callable takes.

    Attributes:
        named: in the order of the signature.
        extra: the type hint of further keywords, or `REQUIRED` if there may not be any.
    """

    named: tuple[Parameter, ...]
    extra: Any = REQUIRED


def parameters_of(name: str, artifact: Callable[..., Any]) -> Parameters:
    """Read the signature of ``artifact`` as a call by keywords sees it.

    Each type hint is resolved in the namespace of the class or function that wrote it, so that a dataclass
    may inherit fields from a module with other imports (PEP 563). ``InitVar[T]`` and ``Final[T]`` count as
    ``T``, and ``**kwargs: Unpack[TD]`` as the keys of ``TD`` (PEP 692).

    Raises:
        ConformanceError: it has no signature, takes an argument by position only, or has an annotation that
            cannot be resolved.
    """
    if dataclasses.is_dataclass(artifact) and hasattr(artifact, "__pydantic_fields__"):
        return Parameters(tuple(_pydantic_parameters(artifact)))
    named: list[Parameter] = []
    extra: Any = REQUIRED
    for parameter in _signature(name, artifact).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            continue
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise ConformanceError(
                f"{name!r} takes {parameter.name!r} by position only, and a config has names only",
                suggestions=[f"let {parameter.name!r} be given by name"],
                context={"key": name, "parameter": parameter.name},
            )
        hint = _hint(name, artifact, parameter)
        if parameter.kind in _BY_NAME:
            named.append(_parameter(artifact, parameter, hint))
        elif _form(hint) == "Unpack":
            named += _keys_of(hint.__args__[0])
        else:
            extra = hint
    return Parameters(tuple(named), extra)


def _pydantic_parameters(kind: Any) -> Iterator[Parameter]:
    for name, field in kind.__pydantic_fields__.items():
        if field.init is not False:
            alias = field.validation_alias
            yield Parameter(alias if isinstance(alias, str) else name, field.annotation, field=field)


def _signature(name: str, artifact: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(artifact)
    except (TypeError, ValueError):
        raise ConformanceError(
            f"{name!r} has no signature that Python can tell",
            suggestions=["register a Python function that calls it"],
            context={"key": name},
        ) from None


def _parameter(artifact: Any, parameter: inspect.Parameter, hint: Any) -> Parameter:
    """A parameter, with the default that a dataclass or attrs class makes anew for each instance."""
    if isinstance(artifact, type):
        field = getattr(artifact, "__dataclass_fields__", {}).get(parameter.name)
        factory = getattr(field, "default_factory", dataclasses.MISSING)
        if factory is not dataclasses.MISSING and parameter.default is not REQUIRED:
            return Parameter(parameter.name, hint, factory=factory)
        for attribute in getattr(artifact, "__attrs_attrs__", ()):
            made = getattr(attribute.default, "factory", None)
            if attribute.alias == parameter.name and made is not None:
                # What is made from the instance is known only when there is one.
                if attribute.default.takes_self:
                    return Parameter(parameter.name, hint, ABSENT)
                return Parameter(parameter.name, hint, factory=made)
    return Parameter(parameter.name, hint, parameter.default)


def _keys_of(kind: Any) -> Iterator[Parameter]:
    """The keys of a TypedDict as keywords."""
    for key, hint in get_type_hints(kind, include_extras=True).items():
        while _form(hint) in ("Required", "NotRequired", "ReadOnly"):
            hint = hint.__args__[0]
        yield Parameter(key, hint, REQUIRED if key in kind.__required_keys__ else ABSENT)


def _form(hint: Any) -> str:
    """The name of a special form. Those of typing_extensions are not those of typing in every Python."""
    return str(getattr(hint, "__origin__", "")).rpartition(".")[2]


# ---- type hints


class _Writer(NamedTuple):
    """A function or class that wrote annotations, and the names that they may use."""

    annotations: Mapping[str, Any]
    globals: dict[str, Any]
    locals: dict[str, Any]


def _hint(name: str, artifact: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The resolved annotation of one parameter; ``Any`` for one without."""
    raw = parameter.annotation
    if raw is REQUIRED:
        return Any
    writers = list(_writers(artifact))
    writer = next(
        (one for one in writers if _same(one.annotations.get(parameter.name, REQUIRED), raw)),
        writers[0] if writers else _Writer({}, {}, {}),
    )
    holder = SimpleNamespace(__annotations__={"hint": raw})
    try:
        hint = get_type_hints(holder, writer.globals, writer.locals, include_extras=True)["hint"]
    except Exception as error:  # whatever an annotation's evaluation raises: it is the user's code
        raise ConformanceError(
            f"An annotation of {name!r} cannot be resolved in this process: {error}",
            suggestions=[
                "define what it names where the function is defined, and not only for type checking",
                "do without `from __future__ import annotations` in a script whose functions travel by value",
            ],
            context={"key": name, "parameter": parameter.name},
        ) from error
    if isinstance(hint, dataclasses.InitVar):
        hint = hint.type
    return get_args(hint)[0] if get_origin(hint) is Final else hint


def _same(written: Any, raw: Any) -> bool:
    if isinstance(written, str) and isinstance(raw, ForwardRef):
        written, raw = ForwardRef(written).__forward_arg__, raw.__forward_arg__
    return written is raw or (isinstance(written, str) and written == raw)


def _writers(artifact: Any) -> Iterator[_Writer]:
    """Who may have written the annotations of ``artifact``, the likeliest first."""
    if isinstance(artifact, partial):
        yield from _writers(artifact.func)
    elif isinstance(artifact, type):
        generated = (
            hasattr(artifact, "__dataclass_fields__")
            or hasattr(artifact, "__attrs_attrs__")
            or (issubclass(artifact, tuple) and hasattr(artifact, "_fields"))
        )
        functions = [
            one
            for how in (
                type(artifact).__call__,
                artifact.__new__,
                inspect.getattr_static(artifact, "__init__"),
            )
            for one in _functions(how)
        ]
        classes = [_of_class(base, artifact) for base in artifact.__mro__ if "__annotations__" in vars(base)]
        yield from [*classes, *functions] if generated else [*functions, *classes]
    elif inspect.isroutine(artifact):
        yield from _functions(artifact)
    else:
        yield from _functions(type(artifact).__call__)


def _functions(function: Any) -> Iterator[_Writer]:
    """A function, and those that it wraps."""
    while function is not None:
        function = getattr(function, "__func__", function)
        if hasattr(function, "__globals__"):
            names = {one.__name__: one for one in getattr(function, "__type_params__", ())}
            yield _Writer(getattr(function, "__annotations__", {}), function.__globals__, names)
        function = getattr(function, "__wrapped__", None)


def _of_class(base: type, artifact: Any) -> _Writer:
    """The fields that a class of the inheritance line wrote; attrs calls ``_x`` by the keyword ``x``."""
    aliases = {one.name: one.alias for one in getattr(artifact, "__attrs_attrs__", ())}
    written = {aliases.get(name, name): raw for name, raw in vars(base)["__annotations__"].items()}
    names = {one.__name__: one for one in getattr(base, "__type_params__", ())}
    module = sys.modules.get(base.__module__)
    return _Writer(written, vars(module) if module else {}, {**names, **vars(base)})
