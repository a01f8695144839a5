"""Whether a callable or a class is what a registry declares: the checks of ``strict=`` and ``abstract=``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from registry.errors import ConformanceError, InheritanceError
from registry.origin import origin_of

if TYPE_CHECKING:
    from inspect import Parameter, Signature

_UNKNOWN: Any = Any
"""The annotation that stands for a missing or unresolvable one: compatible with everything."""


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
    signature = _resolved(func, signature)
    problems = [*_call_problems(signature, declared), *_type_problems(signature, declared)]
    if problems:
        raise _mismatch(func, signature, declared, problems)


def check_subclass(cls: type, base: object) -> None:
    """Return if ``cls`` is a class that inherits ``base``.

    A generic alias (``Base[int]``) stands for its class, a union for any of its members; ``Any`` and
    `object` accept every class; classes registered with an ABC count. A Protocol is also satisfied by
    structure: every member is there, and callable if the protocol's is. An attribute that the protocol
    only annotates may be annotated, set in the class or assigned by one of its methods. Signatures of
    the members are not compared, and abstract methods may be left open.

    Raises:
        InheritanceError: it is not, naming the members of ``base`` that ``cls`` lacks.
    """
    bases = _base_classes(base)
    if not isinstance(cls, type):
        raise InheritanceError(
            f"{cls!r:.80} is a {type(cls).__name__}, not a class that inherits {_shown(base)}",
            suggestions=[f"register the class: {type(cls).__name__}"] if not callable(cls) else [],
            context={"expected": _shown(base), "actual": type(cls).__name__},
        )
    if not any(_inherits(cls, candidate) for candidate in bases):
        raise _no_subclass(cls, base, bases)


# --- what is declared -----------------------------------------------------------------------------


def _declared(expected: object) -> _Declared:
    import inspect
    import typing

    if isinstance(expected, inspect.Signature):
        return _from_signature(expected)
    if isinstance(expected, tuple) and len(expected) == 2:
        return _from_parameters(*expected)
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin is Callable and arguments:
        return _from_parameters(*arguments)
    if origin is Callable or expected in (Callable, typing.Callable, _UNKNOWN):
        return _from_parameters(..., _UNKNOWN)
    if isinstance(expected, type) and origin is None:
        return _from_protocol(expected)
    if callable(expected) and origin is None:
        return _from_signature(_resolved(expected, inspect.signature(expected)))
    raise TypeError(f"not the description of a callable: {expected!r:.80}")


def _from_parameters(parameters: Any, returns: Any) -> _Declared:
    import typing

    open_ended = True
    positional: list[Any] = []
    if isinstance(parameters, list | tuple):
        positional, open_ended = list(parameters), False
    elif typing.get_origin(parameters) is typing.Concatenate:
        positional = list(typing.get_args(parameters))[:-1]
    inside = ", ".join([*map(_shown, positional), *(["..."] if open_ended else [])])
    shown = f"({inside})" + ("" if returns is _UNKNOWN else f" -> {_shown(returns)}")
    return _Declared(shown, positional, 0, {}, open_ended, returns)


def _from_protocol(cls: type) -> _Declared:
    import inspect

    call = next((vars(base)["__call__"] for base in cls.__mro__ if "__call__" in vars(base)), None)
    if not callable(call) or not getattr(cls, "_is_protocol", False):
        raise TypeError(f"not the description of a callable: {cls!r:.80}")
    signature = _resolved(call, inspect.signature(call))
    own = list(signature.parameters.values())[1:]
    return _from_signature(signature.replace(parameters=own))


def _from_signature(signature: Signature) -> _Declared:
    kinds = {kind: [p for p in signature.parameters.values() if p.kind == kind] for kind in range(5)}
    positional = kinds[0] + kinds[1]
    return _Declared(
        shown=_shown_signature(signature),
        positional=[_annotation(parameter.annotation) for parameter in positional],
        optional=sum(parameter.default is not parameter.empty for parameter in positional),
        keywords={parameter.name: _annotation(parameter.annotation) for parameter in kinds[3]},
        open_ended=bool(kinds[2] or kinds[4]),
        returns=_annotation(signature.return_annotation),
    )


# --- calls ----------------------------------------------------------------------------------------


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


# --- types ----------------------------------------------------------------------------------------


def _type_problems(signature: Signature, declared: _Declared) -> Iterator[str]:
    for parameter, given in _paired(signature, declared):
        accepted = _annotation(parameter.annotation)
        if not accepts(accepted, given):
            yield f"parameter {parameter.name!r} takes {_shown(accepted)}, and is given {_shown(given)}"
    returned = _annotation(signature.return_annotation)
    if not accepts(declared.returns, returned):
        yield f"it returns {_shown(returned)}, not {_shown(declared.returns)}"


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


def _resolved(func: Any, signature: Signature) -> Signature:
    """``signature`` with forward references resolved, and the result as the caller gets it."""
    import inspect
    import types
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
        returns = types.GenericAlias(Coroutine, (Any, Any, _annotation(returns)))
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
    import typing

    if annotation is inspect.Signature.empty:
        return annotation
    holder = type("Annotated", (), {})()
    holder.__annotations__ = {"it": annotation}
    variables = {kind.__name__: kind for kind in getattr(owner, "__type_params__", ())}
    try:
        resolved = typing.get_type_hints(holder, getattr(owner, "__globals__", {}), variables)["it"]
        return None if resolved is type(None) else resolved
    except Exception:  # an annotation is any expression, and evaluating it may raise anything
        return inspect.Signature.empty


def _annotation(annotation: Any) -> Any:
    import inspect

    return _UNKNOWN if annotation is inspect.Signature.empty else annotation


def accepts(wide: Any, narrow: Any) -> bool:
    """Whether a value of type ``narrow`` may stand where ``wide`` is asked for, as far as can be told.

    What is not understood (type variables, Protocols without ``@runtime_checkable``, unresolved names)
    is accepted.
    """
    import typing

    wide, narrow = _simplified(wide), _simplified(narrow)
    if wide is narrow or _UNKNOWN in (wide, narrow) or wide is object or narrow is typing.NoReturn:
        return True
    if isinstance(wide, str | typing.TypeVar | typing.ForwardRef | typing.ParamSpec):
        return True
    if isinstance(narrow, str | typing.TypeVar | typing.ForwardRef | typing.ParamSpec):
        return True
    if _is_union(narrow):
        return all(accepts(wide, member) for member in typing.get_args(narrow))
    if _is_union(wide):
        return any(accepts(member, narrow) for member in typing.get_args(wide))
    return (
        _accepts_literal(wide, narrow)
        if _is_literal(wide) or _is_literal(narrow)
        else _accepts_class(wide, narrow)
    )


def _simplified(annotation: Any) -> Any:
    """Without ``Annotated``, ``NewType`` and aliases; ``None`` as its type."""
    import typing

    if annotation is None:
        return type(None)
    if typing.get_origin(annotation) is typing.Annotated:
        return _simplified(typing.get_args(annotation)[0])
    if isinstance(annotation, typing.NewType):
        return _simplified(annotation.__supertype__)
    if type(annotation).__name__ == "TypeAliasType":
        return _simplified(annotation.__value__)
    if getattr(annotation, "__name__", "") in ("Never", "Self") and type(annotation).__module__ == "typing":
        return typing.NoReturn if annotation.__name__ == "Never" else _UNKNOWN
    return annotation


def _is_union(annotation: Any) -> bool:
    import types
    import typing

    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _is_literal(annotation: Any) -> bool:
    import typing

    return typing.get_origin(annotation) is typing.Literal


def _accepts_literal(wide: Any, narrow: Any) -> bool:
    import typing

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
    import typing

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
    import typing

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


def _mismatch(
    func: object, signature: Signature, declared: _Declared, problems: list[str]
) -> ConformanceError:
    origin = origin_of(func)
    actual = _shown_signature(signature)
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


# --- classes --------------------------------------------------------------------------------------


def _base_classes(base: object) -> list[type]:
    import typing

    base = _simplified(base)
    if _is_union(base):
        return [cls for member in typing.get_args(base) for cls in _base_classes(member)]
    if isinstance(base, tuple):
        return [cls for member in base for cls in _base_classes(member)]
    if base is _UNKNOWN:
        return [object]
    if isinstance(base, typing.TypeVar):
        return _base_classes(base.__bound__) if base.__bound__ is not None else [object]
    origin = typing.get_origin(base) or base
    if not isinstance(origin, type):
        raise TypeError(f"not a base class: {base!r:.80}")
    return [origin]


def _inherits(cls: type, base: type) -> bool:
    if base in cls.__mro__:
        return True
    if getattr(base, "_is_protocol", False):
        return not missing_members(cls, base)
    return issubclass(cls, base)


def missing_members(cls: type, base: type) -> list[str]:
    """Names that ``base`` declares and ``cls`` lacks, in the order they were declared.

    For a Protocol all its members count, for an abstract class what is abstract, for another class its
    public methods.
    """
    return [name for name in _declared_members(base) if not _has_member(cls, name, base)]


def _declared_members(base: type) -> list[str]:
    if getattr(base, "_is_protocol", False):
        return _protocol_members(base)
    abstract = getattr(base, "__abstractmethods__", None)
    if abstract:
        return [name for name in dir(base) if name in abstract]
    return [name for name, value in vars(base).items() if not name.startswith("_") and callable(value)]


_NOT_MEMBERS = frozenset(
    (
        "__abstractmethods__",
        "__annotations__",
        "__dict__",
        "__doc__",
        "__init__",
        "__module__",
        "__new__",
        "__slots__",
        "__subclasshook__",
        "__weakref__",
        "__class_getitem__",
        "__match_args__",
        "__callable_proto_members_only__",
        "__static_attributes__",
        "__firstlineno__",
        "__parameters__",
        "__orig_bases__",
        "__type_params__",
        "__qualname__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__conditional_annotations__",
        "__protocol_attrs__",
        "__non_callable_proto_members__",
        "_abc_impl",
        "_is_protocol",
        "_is_runtime_protocol",
    )
)
"""What a Protocol class carries that is no part of the protocol."""


def _protocol_members(protocol: type) -> list[str]:
    found: dict[str, None] = {}
    for cls in reversed(protocol.__mro__):
        if getattr(cls, "_is_protocol", False) and cls.__module__ not in ("typing", "typing_extensions"):
            found.update(dict.fromkeys([*_annotations(cls), *vars(cls)]))
        elif cls.__module__ == "typing" and cls.__name__.startswith("Supports"):
            found.update(dict.fromkeys(vars(cls)))
    return [name for name in found if name not in _NOT_MEMBERS]


def _annotations(cls: type) -> dict[str, Any]:
    """The annotations written in the body of ``cls`` itself."""
    own = vars(cls).get("__annotations__")
    if isinstance(own, dict):
        return own
    if "__annotate_func__" not in vars(cls):
        return {}
    try:
        return dict(cls.__annotations__)
    except Exception:  # evaluated lazily since Python 3.14: any expression
        return {}


def _has_member(cls: type, name: str, base: type) -> bool:
    must_be_callable = callable(getattr(base, name, None))
    for owner in cls.__mro__:
        if name in vars(owner):
            # ``__hash__ = None`` says that there is none.
            return callable(getattr(cls, name, None)) if must_be_callable else True
        if not must_be_callable and name in _annotations(owner):
            return True
    return not must_be_callable and _assigned_by_a_method(cls, name)


def _assigned_by_a_method(cls: type, name: str) -> bool:
    codes = [getattr(member, "__code__", None) for owner in cls.__mro__ for member in vars(owner).values()]
    return any(name in code.co_names for code in codes if code is not None)


def _no_subclass(cls: type, base: object, bases: list[type]) -> InheritanceError:
    origin = origin_of(cls)
    missing = missing_members(cls, bases[0]) if len(bases) == 1 else []
    protocol = len(bases) == 1 and getattr(bases[0], "_is_protocol", False)
    lacking = f": it lacks {', '.join(missing)}" if missing else ""
    verb = "satisfy the protocol" if protocol else "inherit"
    declared = f"class {cls.__name__}({_shown(base)}): ..."
    return InheritanceError(
        f"{origin.qualname} does not {verb} {_shown(base)}{lacking}",
        suggestions=[f"add {', '.join(missing)}"] if protocol else [f"inherit it: {declared}"],
        context={
            "expected": _shown(base),
            "bases": [parent.__qualname__ for parent in cls.__bases__],
            "missing": missing,
            "origin": str(origin),
        },
    )


# --- words ----------------------------------------------------------------------------------------


def _shown(annotation: Any) -> str:
    import inspect

    if isinstance(annotation, tuple):
        return " or ".join(map(_shown, annotation))
    return inspect.formatannotation(annotation)


def _shown_signature(signature: Signature) -> str:
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
