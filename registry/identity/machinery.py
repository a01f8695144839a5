"""What a class decorator or metaclass put into a class, written as what it was made of.

The methods that `enum`, `dataclasses`, `namedtuple`, attrs and pydantic generate have no source, and differ
between versions of Python and of these packages; the fields they come from do not.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

from registry.identity.code import write_bytecode
from registry.identity.values import write_state
from registry.identity.writer import Writer


class Made:
    """What was put into a class.

    Attributes:
        names: the members that were made, not written by the user.
        written: what they were made of.
        package: the package whose functions in this class count by name; ``""`` for none.
        docstring: whether the class's docstring was made too.
    """

    __slots__ = ("docstring", "names", "package", "written")

    def __init__(
        self, names: Iterable[str] = (), written: Any = None, package: str = "", docstring: bool = False
    ) -> None:
        self.names = frozenset(names)
        self.written = written
        self.package = package
        self.docstring = docstring


def made_by_machinery(writer: Writer, cls: Any) -> Made:
    own = vars(cls)
    if "_member_map_" in own:
        return _made_by_enum(writer, cls)
    if "__dataclass_fields__" in own:
        return _made_by_dataclass(writer, cls)
    if "_fields" in own and issubclass(cls, tuple):
        return _made_by_namedtuple(writer, cls)
    if "__attrs_attrs__" in own:
        written = ["attrs", [write_state(writer, attribute) for attribute in cls.__attrs_attrs__]]
        return Made(("__attrs_attrs__", "__attrs_props__"), written, "attr")
    if "__pydantic_decorators__" in own:
        return _made_by_pydantic(writer, cls)
    return Made()


_ENUM_INTERNALS = frozenset(
    (
        "__new__",
        "_all_bits_",
        "_flag_mask_",
        "_generate_next_value_",
        "_hashable_values_",
        "_inverted_",
        "_member_map_",
        "_member_names_",
        "_member_type_",
        "_new_member_",
        "_singles_mask_",
        "_unhashable_values_",
        "_unhashable_values_map_",
        "_use_args_",
        "_value2member_map_",
        "_value_repr_",
    )
)


def _made_by_enum(writer: Writer, cls: Any) -> Made:
    members = cls._member_map_
    values = [[name, members[name]._name_, writer.write(members[name]._value_)] for name in members]
    make = cls.__dict__.get("_new_member_")
    custom = writer.write(make) if isinstance(make, types.FunctionType) else None
    return Made(_ENUM_INTERNALS.union(members), ["enum", values, custom], "enum")


# --- dataclasses ----------------------------------------------------------------------------------


_DATACLASS_FLAGS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_FIELD_FLAGS = ("init", "repr", "hash", "compare", "kw_only")


def _made_by_dataclass(writer: Writer, cls: Any) -> Made:
    fields = [_write_field(writer, field) for field in cls.__dataclass_fields__.values()]
    names = ("__dataclass_fields__", "__dataclass_params__", "__replace__", *_generated_by_dataclass(cls))
    return Made(
        names,
        ["dataclass", list(_dataclass_flags(cls).values()), fields],
        "dataclasses",
        docstring=str(cls.__doc__).startswith(cls.__name__ + "("),
    )


def _dataclass_flags(cls: Any) -> dict[str, bool]:
    return {name: getattr(cls.__dataclass_params__, name) for name in _DATACLASS_FLAGS}


def _write_field(writer: Writer, field: Any) -> Any:
    import dataclasses

    defaults = [
        ["no default"] if value is dataclasses.MISSING else ["default", writer.write(value)]
        for value in (field.default, field.default_factory)
    ]
    return [
        field.name,
        field._field_type.name,
        writer.write(field.type),
        defaults,
        [getattr(field, flag) is True if flag != "hash" else field.hash for flag in _FIELD_FLAGS],
        writer.items(field.metadata.items()),
    ]


def _generated_by_dataclass(cls: Any) -> list[str]:
    """The methods of ``cls`` that are, to the byte, what `dataclasses` generates from its fields."""
    twin = _dataclass_twin(cls)
    return [
        name
        for name, value in vars(twin).items()
        if _same_code(value, vars(cls).get(name)) and _has_defaults_of_fields(cls, vars(cls)[name])
    ]


def _has_defaults_of_fields(cls: Any, method: Any) -> bool:
    """Whether nobody has set other defaults on a generated method."""
    known = {id(field.default) for field in cls.__dataclass_fields__.values()}
    defaults = [*(method.__defaults__ or ()), *(method.__kwdefaults__ or {}).values()]
    return all(id(value) in known or type(value).__module__ == "dataclasses" for value in defaults)


def _dataclass_twin(cls: Any) -> type:
    import dataclasses

    namespace: dict[str, Any] = {"__annotations__": {}, "__module__": cls.__module__}
    if hasattr(cls, "__post_init__"):
        namespace["__post_init__"] = lambda self: None
    for name, field in cls.__dataclass_fields__.items():
        if field._field_type.name == "_FIELD_CLASSVAR":
            continue
        init_only = field._field_type.name == "_FIELD_INITVAR"
        namespace["__annotations__"][name] = dataclasses.InitVar[object] if init_only else object
        options = {flag: getattr(field, flag) for flag in _FIELD_FLAGS}
        if field.default_factory is not dataclasses.MISSING:
            options["default_factory"] = list
        elif field.default is not dataclasses.MISSING:
            options["default"] = None
        namespace[name] = dataclasses.field(**options)
    return dataclasses.dataclass(**_dataclass_flags(cls))(type(cls.__name__, (), namespace))


def _same_code(one: Any, other: Any) -> bool:
    """Whether two functions run alike, and what they wrap; qualified names tell where each was generated."""
    codes: list[Any] = [getattr(value, "__code__", None) for value in (one, other)]
    if None in codes:
        return False
    one_form, other_form = (write_bytecode(code.replace(co_qualname="")) for code in codes)
    inner = [getattr(value, "__wrapped__", None) for value in (one, other)]
    return one_form == other_form and (inner == [None, None] or _same_code(*inner))


# --- named tuples ---------------------------------------------------------------------------------


def _made_by_namedtuple(writer: Writer, cls: Any) -> Made:
    import collections

    defaults = cls.__dict__.get("_field_defaults", {})
    twin = collections.namedtuple(cls.__name__, cls._fields, defaults=[None] * len(defaults))  # type: ignore[misc]
    names = [name for name, value in vars(twin).items() if _same_generated(value, vars(cls).get(name))]
    # Before there was a syntax for defaults they were set on __new__.
    written = ["namedtuple", writer.write(cls.__new__.__defaults__)]
    return Made(names, written, docstring=cls.__doc__ == twin.__doc__)


def _same_generated(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    return type(one).__name__ == "_tuplegetter" or _same_code(
        getattr(one, "__func__", one), getattr(other, "__func__", other)
    )


# --- pydantic -------------------------------------------------------------------------------------


def _made_by_pydantic(writer: Writer, cls: Any) -> Made:
    fields = getattr(cls, "__pydantic_fields__", {})
    written = [
        "pydantic",
        [[name, write_state(writer, field)] for name, field in fields.items()],
        [[kind, _write_decorators(writer, group)] for kind, group in _decorator_groups(cls)],
    ]
    internals = [name for name in vars(cls) if name.startswith("__pydantic_")]
    return Made((*internals, "__signature__", "__class_vars__"), written, "pydantic")


def _decorator_groups(cls: Any) -> list[tuple[str, dict[str, Any]]]:
    groups = cls.__pydantic_decorators__
    names = [name for name in dir(groups) if isinstance(getattr(groups, name), dict) and name[0] != "_"]
    return [(name, getattr(groups, name)) for name in sorted(names)]


def _write_decorators(writer: Writer, group: dict[str, Any]) -> Any:
    return [[name, one.cls_var_name, write_state(writer, one.info)] for name, one in group.items()]
