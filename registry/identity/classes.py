"""Classes: bases, members and annotations."""

from __future__ import annotations

import sys
from typing import Any

from registry.identity.annotations import write_annotations
from registry.identity.machinery import made_by_machinery
from registry.identity.names import module_of
from registry.identity.plain import write_text, write_words
from registry.identity.writer import Writer

_NOT_MEMBERS = frozenset(
    {
        "__module__",
        "__qualname__",
        "__doc__",
        "__dict__",
        "__weakref__",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__abstractmethods__",
        "_abc_impl",
        "__firstlineno__",
        "__static_attributes__",
        "__slotnames__",
        "__parameters__",
        "__mutable_keys__",
        "__readonly_keys__",
        "__optional_keys__",
        "__required_keys__",
        "__callable_proto_members_only__",
        "__conditional_annotations__",
        "__type_params__",
        "__non_callable_proto_members__",
        "__protocol_attrs__",
    }
)
"""What stands in the form already, or is Python's own bookkeeping."""


def write_class(writer: Writer, cls: Any) -> Any:
    if hasattr(type(cls), "_identity_by_name"):
        return _write_by_name(cls)
    made = made_by_machinery(writer, cls)
    members = [(name, value) for name, value in vars(cls).items() if name not in made.names | _NOT_MEMBERS]
    # Decorators add dunders, in an order that differs between versions; the rest is in the order written.
    members.sort(key=lambda member: (member[0][:2] == "__", member[0] if member[0][:2] == "__" else ""))
    return [
        "class",
        module_of(cls),
        cls.__qualname__,
        writer.write(type(cls)),
        writer.sequence(cls.__bases__),
        made.written,
        [[write_text(name), _write_member(writer, value, made.package)] for name, value in members],
        write_annotations(writer, cls, getattr(sys.modules.get(cls.__module__), "__dict__", {})),
        None if made.docstring else write_words(cls.__doc__),
    ]


def _write_by_name(cls: Any) -> Any:
    """A class that is a place: what it holds today is not what it is.

    Its metaclass says so with a property ``_identity_by_name``. Where the place is known elsewhere too, the
    property is its name there, a text: another namespace is another registry.
    """
    place = cls._identity_by_name
    return ["named", module_of(cls), cls.__qualname__, place if isinstance(place, str) else None]


def _write_member(writer: Writer, value: Any, package: str) -> Any:
    """A member of a class body; a function that ``package`` made counts by name."""
    function = getattr(value, "__func__", value)
    code = getattr(function, "__code__", None)
    top = str(getattr(function, "__globals__", {}).get("__name__", "")).partition(".")[0]
    generated = code is not None and code.co_filename.startswith(f"<{package}")
    if code is not None and (top == "typing" or (package and (top == package or generated))):
        return ["made", top, code.co_name]
    return writer.write(value)
