"""Objects that are known to be no more than what can be read off them."""

from __future__ import annotations

import functools
import types
from typing import Any

from registry.identity.names import reference, required_reference
from registry.identity.plain import NoForm, write_words
from registry.identity.writer import Rule, Writer


def write_importable(writer: Writer, value: Any) -> Any:
    """What has no rule: by its name, where another module has it."""
    named = reference(value)
    if named is None or writer.is_home(named[1]):
        raise NoForm(type(value))
    return named


def write_builtin(writer: Writer, value: Any) -> Any:
    owner = value.__self__
    kind = type(owner)
    if kind is str or f"{kind.__module__}.{kind.__qualname__}" in ("re.Pattern", "_struct.Struct"):
        return ["method", writer.write(owner), value.__name__]
    return required_reference(value)


_LRU_CACHE: Any = type(functools.lru_cache(len))

BY_TYPE: dict[type, Rule] = {
    list: lambda writer, value: ["list", *writer.sequence(value)],
    dict: lambda writer, value: ["dict", writer.items(value.items())],
    set: lambda writer, value: ["set", *writer.unordered(value)],
    bytearray: lambda _, value: ["bytearray", value.hex()],
    # It has no state: which of them it is, is all it is.
    object: lambda _, __: ["object"],
    types.MappingProxyType: lambda writer, value: ["mappingproxy", writer.items(value.items())],
    types.BuiltinFunctionType: write_builtin,
    types.WrapperDescriptorType: lambda _, value: required_reference(value),
    types.MethodDescriptorType: lambda _, value: required_reference(value),
    types.ClassMethodDescriptorType: lambda _, value: required_reference(value),
    types.GetSetDescriptorType: lambda _, value: required_reference(value),
    staticmethod: lambda writer, value: ["staticmethod", writer.write(value.__func__)],
    classmethod: lambda writer, value: ["classmethod", writer.write(value.__func__)],
    property: lambda writer, value: [
        "property",
        *writer.sequence((value.fget, value.fset, value.fdel)),
        write_words(value.__doc__),
    ],
    functools.partial: lambda writer, value: [
        "partial",
        *writer.sequence((value.func, value.args, value.keywords, vars(value))),
    ],
    functools.partialmethod: lambda writer, value: [
        "partialmethod",
        *writer.sequence((value.func, value.args, value.keywords)),
    ],
    functools.cached_property: lambda writer, value: [
        "cached_property",
        writer.write(value.func),
        value.attrname,
    ],
    _LRU_CACHE: lambda writer, value: [
        "lru_cache",
        *writer.sequence((value.__wrapped__, value.cache_parameters())),
    ],
}

ARTIFACTS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    staticmethod,
    classmethod,
    functools.partial,
    _LRU_CACHE,
)
"""Types of what may be registered and is no class."""


def special_rule(kind: type) -> Rule | None:
    """The rule of a type that is neither compiled in nor a class of classes."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name in _BY_NAME:
        return _BY_NAME[name]
    if "_member_map_" in vars(kind):
        return _write_member_of_enum
    if issubclass(kind, tuple) and hasattr(kind, "_fields") and kind.__dictoffset__ == 0:
        return lambda writer, value: ["namedtuple", writer.write(kind), *writer.sequence(value)]
    package = kind.__module__.partition(".")[0]
    if package == "pathlib":
        return lambda writer, value: ["path", kind.__qualname__, writer.write(str(value))]
    if package in _DESCRIBING_PACKAGES or _is_frozen_dataclass(kind):
        return write_state
    return None


def _write_member_of_enum(writer: Writer, member: Any) -> Any:
    return ["member", writer.write(type(member)), member._name_, writer.write(member._value_)]


def _is_frozen_dataclass(kind: Any) -> bool:
    """Whether the fields of an instance are all that it is."""
    bases = [base for base in kind.__mro__[:-1] if base.__module__ not in ("typing", "abc")]
    return all("__dataclass_params__" in vars(base) and base.__dataclass_params__.frozen for base in bases)


_DESCRIBING_PACKAGES = ("annotated_types", "attr", "attrs", "pydantic", "dataclasses")
"""Their instances describe fields; they are Python through and through, their attributes all they are."""

_DERIVED_STATE = ("_complete", "_original_annotation", "_original_assignment", "_final", "__weakref__")
"""What pydantic remembers of the way to a field, and finishes later."""


def write_state(writer: Writer, value: Any) -> Any:
    """An instance as its attributes."""
    kind = type(value)
    slots = [vars(base).get("__slots__", ()) for base in reversed(kind.__mro__)]
    names = [name for group in slots for name in ((group,) if isinstance(group, str) else group)]
    state = {name: getattr(value, name) for name in names if hasattr(value, name)}
    state.update(getattr(value, "__dict__", {}))
    described = kind.__module__.partition(".")[0] in _DESCRIBING_PACKAGES
    return [
        "state",
        [kind.__module__, kind.__qualname__] if described else writer.write(kind),
        [[name, writer.write(state[name])] for name in state if name not in _DERIVED_STATE],
    ]


def _write_by_reduce(writer: Writer, value: Any) -> Any:
    make, arguments = value.__reduce__()[:2]
    return ["reduced", writer.write(make), *writer.sequence(arguments)]


def _write_by_text(writer: Writer, value: Any) -> Any:
    return [type(value).__module__, type(value).__qualname__, writer.write(str(value))]


def _write_moment(writer: Writer, value: Any) -> Any:
    zone = getattr(value, "tzinfo", None)
    if zone is not None and type(zone).__qualname__ != "timezone":
        raise NoForm(zone)
    return ["datetime", repr(value)]


_BY_NAME: dict[str, Rule] = {
    "_struct.Struct": lambda writer, value: ["struct", writer.write(value.format)],
    "_thread.RLock": lambda _, __: ["rlock"],
    "_thread.lock": lambda _, __: ["lock"],
    "builtins.builtin_method": write_builtin,
    "collections.Counter": lambda writer, value: ["counter", writer.items(value.items())],
    "collections.OrderedDict": lambda writer, value: ["ordered", writer.items(value.items())],
    "collections.defaultdict": lambda writer, value: [
        "defaultdict",
        writer.write(value.default_factory),
        writer.items(value.items()),
    ],
    "collections.deque": lambda writer, value: [
        "deque",
        writer.write(value.maxlen),
        *writer.sequence(value),
    ],
    "datetime.date": _write_moment,
    "datetime.datetime": _write_moment,
    "datetime.time": _write_moment,
    "datetime.timedelta": _write_moment,
    "datetime.timezone": _write_moment,
    "decimal.Decimal": _write_by_text,
    "fractions.Fraction": _write_by_text,
    "logging.Logger": lambda _, value: ["logger", value.name],
    "logging.RootLogger": lambda _, value: ["logger", ""],
    "operator.attrgetter": _write_by_reduce,
    "operator.itemgetter": _write_by_reduce,
    "operator.methodcaller": _write_by_reduce,
    "pydantic_core._pydantic_core.PydanticUndefinedType": lambda _, __: ["undefined"],
    "re.Pattern": lambda writer, value: ["pattern", writer.write(value.pattern), value.flags],
    "uuid.UUID": _write_by_text,
}
"""Types that are known not to hide anything, by name: naming them here does not import them."""
