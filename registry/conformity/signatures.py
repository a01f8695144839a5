"""Whether a callable can be called as a registry declares: the check of ``strict=``."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from registry.conformity.annotations import UNKNOWN, annotation_of, resolved, shown, shown_signature
from registry.conformity.types import accepts
from registry.errors import ConformanceError
from registry.origin import origin_of

if TYPE_CHECKING:
    from inspect import Parameter, Signature


def check_signature(func: Callable[..., Any], expected: object) -> None:
    """Return if ``func`` can be called as ``expected`` declares.

    ``expected`` is ``Callable[[A, B], R]`` (``...``, a ParamSpec and ``Concatenate`` accept what they
    stand for), an `inspect.Signature`, a ``(parameters, result)`` pair, or a function or a Protocol with
    ``__call__`` whose signature is the model. Checked are the number of positional arguments, keywords
    that the declared call does not give, and annotations where both sides have one: a parameter accepts
    the declared type or a wider one, the result is the declared type or a narrower one.

    Accepted without a check: annotations that are missing, are ``Any`` or cannot be resolved (a name
    imported only for type checking), type variables, and builtins that do not tell their signature.
    Type arguments are compared covariantly (``list[bool]`` passes for ``list[int]``): this finds
    mistakes, it is no type checker. Functions, classes, callable objects and `functools.partial` are
    checked alike; a class returns its instances, an ``async def`` an awaitable.

    Raises:
        ConformanceError: it cannot, with both signatures in the message and in ``context``.
    """
    import inspect

    if not callable(func):
        raise ConformanceError(
            f"{type(func).__name__} is not callable, expected {_declared(expected).shown}",
            context={"expected": _declared(expected).shown, "actual": type(func).__name__},
        )
    declared = _declared(expected)
    try:
        signature = inspect.signature(func)
    except (ValueError, TypeError):
        return
    signature = resolved(func, signature)
    problems = [*_call_problems(signature, declared), *_type_problems(signature, declared)]
    if problems:
        raise _mismatch(func, signature, declared, problems)


class _Declared(NamedTuple):
    """What a registry demands: how the callable will be called, and what with."""

    shown: str
    positional: list[Any]
    """Annotations of the positional arguments."""
    optional: int
    """How many of them, from the end, a call may leave out."""
    keywords: dict[str, Any]
    open_ended: bool
    """Any further arguments may follow (``...``, a ParamSpec): none are checked."""
    returns: Any


def _declared(expected: object) -> _Declared:
    import inspect

    if isinstance(expected, inspect.Signature):
        return _from_signature(expected)
    if isinstance(expected, tuple) and len(expected) == 2:
        return _from_parameters(*expected)
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin is Callable and arguments:
        return _from_parameters(*arguments)
    if origin is Callable or expected in (Callable, typing.Callable, UNKNOWN):
        return _from_parameters(..., UNKNOWN)
    if isinstance(expected, type) and origin is None:
        return _from_protocol(expected)
    if callable(expected) and origin is None:
        return _from_signature(resolved(expected, inspect.signature(expected)))
    raise TypeError(f"not the description of a callable: {expected!r:.80}")


def _from_parameters(parameters: Any, returns: Any) -> _Declared:
    open_ended = True
    positional: list[Any] = []
    if isinstance(parameters, list | tuple):
        positional, open_ended = list(parameters), False
    elif typing.get_origin(parameters) is typing.Concatenate:
        positional = list(typing.get_args(parameters))[:-1]
    inside = ", ".join([*map(shown, positional), *(["..."] if open_ended else [])])
    call = f"({inside})" + ("" if returns is UNKNOWN else f" -> {shown(returns)}")
    return _Declared(call, positional, 0, {}, open_ended, returns)


def _from_protocol(cls: type) -> _Declared:
    import inspect

    call = next((vars(base)["__call__"] for base in cls.__mro__ if "__call__" in vars(base)), None)
    if not callable(call) or not getattr(cls, "_is_protocol", False):
        raise TypeError(f"not the description of a callable: {cls!r:.80}")
    signature = resolved(call, inspect.signature(call))
    own = list(signature.parameters.values())[1:]
    return _from_signature(signature.replace(parameters=own))


def _from_signature(signature: Signature) -> _Declared:
    kinds = {kind: [p for p in signature.parameters.values() if p.kind == kind] for kind in range(5)}
    positional = kinds[0] + kinds[1]
    return _Declared(
        shown=shown_signature(signature),
        positional=[annotation_of(parameter.annotation) for parameter in positional],
        optional=sum(parameter.default is not parameter.empty for parameter in positional),
        keywords={parameter.name: annotation_of(parameter.annotation) for parameter in kinds[3]},
        open_ended=bool(kinds[2] or kinds[4]),
        returns=annotation_of(signature.return_annotation),
    )


def _call_problems(signature: Signature, declared: _Declared) -> Iterator[str]:
    """Why the declared calls, with and without what is optional, do not fit ``signature``."""
    if declared.open_ended:
        yield from _open_ended_problems(signature, declared)
        return
    full = len(declared.positional)
    for count in sorted({full - declared.optional, full}):
        try:
            signature.bind(*[None] * count, **dict.fromkeys(declared.keywords))
        except TypeError as error:
            yield f"called with {_counted(count, declared)}: {error}"
            return


def _open_ended_problems(signature: Signature, declared: _Declared) -> Iterator[str]:
    """Only what is declared is asked for; what else is required, the open rest may give."""
    try:
        signature.bind_partial(*[None] * len(declared.positional), **dict.fromkeys(declared.keywords))
    except TypeError as error:
        yield f"called with {_counted(len(declared.positional), declared)}: {error}"


def _counted(count: int, declared: _Declared) -> str:
    words = f"{count} positional argument" + ("" if count == 1 else "s")
    return words + "".join(f", {name}=" for name in declared.keywords)


def _type_problems(signature: Signature, declared: _Declared) -> Iterator[str]:
    for parameter, given in _paired(signature, declared):
        accepted = annotation_of(parameter.annotation)
        if not accepts(accepted, given):
            yield f"parameter {parameter.name!r} takes {shown(accepted)}, and is given {shown(given)}"
    returned = annotation_of(signature.return_annotation)
    if not accepts(declared.returns, returned):
        yield f"it returns {shown(returned)}, not {shown(declared.returns)}"


def _paired(signature: Signature, declared: _Declared) -> Iterator[tuple[Parameter, Any]]:
    """Each parameter with the annotation of what the declared call gives it."""
    parameters = list(signature.parameters.values())
    positional = [parameter for parameter in parameters if parameter.kind <= parameter.VAR_POSITIONAL]
    for position, given in enumerate(declared.positional):
        if position < len(positional):
            yield positional[position], given
        elif positional and positional[-1].kind == positional[-1].VAR_POSITIONAL:
            yield positional[-1], given
    catch_all = next((parameter for parameter in parameters if parameter.kind == parameter.VAR_KEYWORD), None)
    for name, given in declared.keywords.items():
        parameter = signature.parameters.get(name, catch_all)
        if parameter is not None:
            yield parameter, given


def _mismatch(
    func: object, signature: Signature, declared: _Declared, problems: list[str]
) -> ConformanceError:
    origin = origin_of(func)
    actual = shown_signature(signature)
    lines = [
        f"{origin.qualname or 'The callable'} cannot be called as declared: {'; '.join(problems)}",
        f"  expected: {declared.shown}",
        f"  actual:   {actual}",
    ]
    return ConformanceError(
        "\n".join(lines),
        suggestions=[f"change the signature at {origin}", "or register it where strict= is not set"],
        context={"expected": declared.shown, "actual": actual, "problems": problems, "origin": str(origin)},
    )
