"""Whether a class inherits what a registry declares, or has its shape: the check of ``abstract=``."""

from __future__ import annotations

import typing
from typing import Any

from registry.conformity.annotations import UNKNOWN, is_union, shown, simplified
from registry.errors import InheritanceError
from registry.origin import origin_of


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
            f"{cls!r:.80} is a {type(cls).__name__}, not a class that inherits {shown(base)}",
            suggestions=[f"register the class: {type(cls).__name__}"] if not callable(cls) else [],
            context={"expected": shown(base), "actual": type(cls).__name__},
        )
    if not any(_inherits(cls, candidate) for candidate in bases):
        raise _no_subclass(cls, base, bases)


def _base_classes(base: object) -> list[type]:
    base = simplified(base)
    if is_union(base):
        return [cls for member in typing.get_args(base) for cls in _base_classes(member)]
    if isinstance(base, tuple):
        return [cls for member in base for cls in _base_classes(member)]
    if base is UNKNOWN:
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
    declared = f"class {cls.__name__}({shown(base)}): ..."
    return InheritanceError(
        f"{origin.qualname} does not {verb} {shown(base)}{lacking}",
        suggestions=[f"add {', '.join(missing)}"] if protocol else [f"inherit it: {declared}"],
        context={
            "expected": shown(base),
            "bases": [parent.__qualname__ for parent in cls.__bases__],
            "missing": missing,
            "origin": str(origin),
        },
    )
