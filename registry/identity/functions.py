"""Functions and methods: code, defaults, annotations, and what the code refers to."""

from __future__ import annotations

from typing import Any

from registry.identity.annotations import write_annotations
from registry.identity.code import write_bytecode
from registry.identity.names import find, module_of
from registry.identity.plain import NoForm, write_words
from registry.identity.referred import write_closure, write_globals
from registry.identity.source import source_of
from registry.identity.writer import Writer


def write_function(writer: Writer, function: Any) -> Any:
    code = function.__code__
    source = source_of(code, function.__globals__)
    return [
        "function",
        module_of(function),
        function.__qualname__,
        ["source", source.tree] if source is not None else write_bytecode(code),
        writer.write(function.__defaults__),
        writer.write(function.__kwdefaults__),
        write_closure(writer, function),
        write_globals(writer, function, source),
        write_annotations(writer, function, function.__globals__),
        writer.items(function.__dict__.items()),
        _assigned_docstring(function),
    ]


def _assigned_docstring(function: Any) -> Any:
    """A docstring that is not the one in the code."""
    written = function.__code__.co_consts[:1]
    return None if function.__doc__ in (None, *written) else write_words(function.__doc__)


def write_method(writer: Writer, method: Any) -> Any:
    if not isinstance(method.__self__, type):
        # Some modules offer the methods of an instance as functions: random.shuffle.
        module, name = method.__module__, method.__name__
        if writer.is_home(module) or find(module, name) is not method:
            raise NoForm("bound to an instance")
        return ["reference", module, name]
    return ["method", writer.write(method.__self__), writer.write(method.__func__)]
