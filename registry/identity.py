"""Whether two registrations are the same artifact.

An artifact is written down as nested JSON (kind, module, qualified name, code, defaults, what the code
refers to), and the SHA-256 of that text is its identity. Two mistakes are possible, and they are not
alike: calling different artifacts the same silently keeps the old one, calling the same ones different
makes a worker's re-import an error. So whatever cannot be written down exactly has no identity.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

MAX_NODES = 100_000
"""Values written down for one identity; an artifact that reaches more than that has none."""

FORM = 1
"""Version of the written form; a change of it makes every identity a new one."""


def identity_of(artifact: object) -> str | None:
    """The digest ``sha256:...`` of what ``artifact`` is, or ``None`` if that cannot be told.

    Equal digests mean: the same kind, module, qualified name, code, defaults, annotations and attributes,
    and the same closure values and globals that the code refers to, now. Of those, functions and classes
    of the artifact's own module or of ``__main__`` count with all of that themselves; importable ones of
    other modules, and modules, count by name; values count exactly (``1``, ``1.0``, ``True`` differ).
    A class counts over its bases, members and annotations; `functools.partial`, caches and methods bound
    to a class over what is inside them; a JSON value over its content; other instances have no identity.

    Code counts as the syntax tree of its source (comments and layout do not matter), if the source still
    is what the running code was compiled from, else as bytecode. With source the digest is the same in
    every process, checkout and version of Python; as bytecode it depends on the version. ``-O`` and
    ``-OO`` change it where an ``assert`` refers to a global, or a docstring was assigned.

    Not seen: what is reached through an attribute of a module or by name at run time (``globals()``,
    ``getattr``, imports inside the code), what a builtin does, and globals that are bound again later.

    Costs from 50 us to some milliseconds and may read source files; never raises.
    """
    if not _may_have_identity(artifact):
        return None
    try:
        return "sha256:" + _digest(_Writer(_home_of(artifact)).write(artifact))
    except Exception:  # _NoForm, too deep, or what a user's descriptor, metaclass or __getattr__ raises
        return None


def same_artifact(one: object, other: object) -> bool:
    """Whether both are one object, or have one identity.

    Two equal mutable JSON values of one process are not the same: who holds one does not see the other
    change.
    """
    if one is other:
        return True
    if type(one) is not type(other) or isinstance(one, dict | list):
        return False
    for attribute in ("__module__", "__qualname__"):
        if getattr(one, attribute, None) != getattr(other, attribute, None):
            return False
    identity = identity_of(one)
    return identity is not None and identity == identity_of(other)


class _NoForm(Exception):
    """Something cannot be written down exactly."""


def _home_of(artifact: Any) -> str:
    """The module whose functions and classes count with their content."""
    while isinstance(artifact, functools.partial):
        artifact = artifact.func
    module = getattr(artifact, "__module__", None)
    return module if isinstance(module, str) else ""


# --- values ---------------------------------------------------------------------------------------


class _Writer:
    """Writes one artifact down; not to be used twice."""

    def __init__(self, home: str) -> None:
        self._home = frozenset((home, "__main__"))
        self._nodes = 0
        self._seen: dict[int, int] = {}
        # Keeps every object of ``_seen`` alive: the id of a dead one may be given to another.
        self._alive: list[object] = []
        self._unordered = 0

    def write(self, value: Any) -> Any:
        """``value`` as JSON; different values give different JSON."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _NoForm("too large")
        kind = type(value)
        plain = _PLAIN.get(kind)
        if plain is not None:
            return plain(value)
        if kind in _IMMUTABLE:
            return _IMMUTABLE[kind](self, value)
        return self._write_once(value, _BY_TYPE.get(kind) or _writer_of_other(value))

    def _write_once(self, value: Any, writer: Callable[[_Writer, Any], Any]) -> Any:
        """An object with an identity of its own: met again, it is named by the order of first meetings."""
        if id(value) in self._seen:
            return ["again", self._seen[id(value)]]
        if self._unordered and writer in (_write_function, _write_class):
            # The order of a set of functions differs per process, and with it the numbers of all others.
            return self._write_apart(value)
        self._seen[id(value)] = len(self._alive)
        self._alive.append(value)
        return writer(self, value)

    def _write_apart(self, value: Any) -> Any:
        """As if nothing had been met before: the text does not depend on what came first."""
        apart = _Writer("")
        apart._home, apart._nodes = self._home, self._nodes
        written = apart.write(value)
        self._nodes = apart._nodes
        return ["apart", _digest(written)]

    def items(self, pairs: Iterable[tuple[Any, Any]]) -> list[Any]:
        return [[self.write(key), self.write(value)] for key, value in pairs]

    def sequence(self, values: Iterable[Any]) -> list[Any]:
        return [self.write(value) for value in values]

    def unordered(self, values: Iterable[Any]) -> list[Any]:
        import json

        self._unordered += 1
        written = sorted((self.write(value) for value in values), key=json.dumps)
        self._unordered -= 1
        return written

    def is_home(self, value: Any) -> bool:
        return value.__module__ in self._home

    def self_reference(self, module: str, name: str) -> Any:
        """The artifact, if its code refers to it by a name that is not bound yet; else ``None``."""
        root = self._alive[0] if self._alive else None
        if (getattr(root, "__module__", None), getattr(root, "__qualname__", None)) == (module, name):
            return ["again", 0]
        return None

    def leniently(self, value: Any) -> Any:
        """For annotations: one that cannot be written down counts as its type."""
        seen, alive = dict(self._seen), list(self._alive)
        try:
            return self.write(value)
        except _NoForm:
            self._seen, self._alive = seen, alive
            return ["unknown", type(value).__name__]


def _digest(written: Any) -> str:
    import hashlib
    import json

    text = json.dumps([FORM, written], separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _may_have_identity(artifact: Any) -> bool:
    kind = type(artifact)
    if kind in _PLAIN or kind in (list, dict):
        return True
    return isinstance(artifact, type) or kind in _ARTIFACTS


def _write_text(text: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        # json.dumps writes two lone surrogates and the character they would pair up to alike.
        return ["text", text.encode("utf-32-be", "surrogatepass").hex()]
    return text


def _write_float(number: float) -> Any:
    return ["float", number.hex()]


_PLAIN: dict[type, Callable[[Any], Any]] = {
    type(None): lambda _: None,
    bool: lambda value: value,
    # Not as a JSON number: Python refuses to print very large ones in decimal.
    int: lambda value: ["int", hex(value)],
    float: _write_float,
    complex: lambda value: ["complex", value.real.hex(), value.imag.hex()],
    str: _write_text,
    bytes: lambda value: ["bytes", value.hex()],
    type(...): lambda _: ["..."],
    type(NotImplemented): lambda _: ["NotImplemented"],
    range: lambda value: ["range", hex(value.start), hex(value.stop), hex(value.step)],
}

_IMMUTABLE: dict[type, Callable[[_Writer, Any], Any]] = {
    tuple: lambda writer, value: ["tuple", *writer.sequence(value)],
    frozenset: lambda writer, value: ["frozenset", *writer.unordered(value)],
    slice: lambda writer, value: ["slice", *writer.sequence((value.start, value.stop, value.step))],
    types.CodeType: lambda writer, value: _write_bytecode(writer, value),
    types.ModuleType: lambda _, value: ["module", value.__name__],
    types.MemberDescriptorType: lambda _, value: ["slot", value.__name__],
}
"""Types whose values are told apart by content alone: two equal ones may be one object in another process."""


def _write_dict(writer: _Writer, value: Any) -> Any:
    return ["dict", writer.items(value.items())]


_BY_TYPE: dict[type, Callable[[_Writer, Any], Any]] = {
    list: lambda writer, value: ["list", *writer.sequence(value)],
    dict: _write_dict,
    set: lambda writer, value: ["set", *writer.unordered(value)],
    bytearray: lambda _, value: ["bytearray", value.hex()],
    # It has no state: which of them it is, is all it is.
    object: lambda _, __: ["object"],
    types.MappingProxyType: lambda writer, value: ["mappingproxy", writer.items(value.items())],
    types.FunctionType: lambda writer, value: _write_function(writer, value),
    types.BuiltinFunctionType: lambda _, value: _required_reference(value),
    types.MethodType: lambda writer, value: _write_method(writer, value),
    types.WrapperDescriptorType: lambda _, value: _required_reference(value),
    types.MethodDescriptorType: lambda _, value: _required_reference(value),
    types.ClassMethodDescriptorType: lambda _, value: _required_reference(value),
    types.GetSetDescriptorType: lambda _, value: _required_reference(value),
    staticmethod: lambda writer, value: ["staticmethod", writer.write(value.__func__)],
    classmethod: lambda writer, value: ["classmethod", writer.write(value.__func__)],
    property: lambda writer, value: [
        "property",
        *writer.sequence((value.fget, value.fset, value.fdel)),
        _words(value.__doc__),
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
    type(functools.lru_cache(len)): lambda writer, value: [
        "lru_cache",
        writer.write(value.__wrapped__),
        writer.write(value.cache_parameters()),
    ],
}
"""Writers of objects that are told apart by which object they are."""

_ARTIFACTS = frozenset(
    (
        types.FunctionType,
        types.BuiltinFunctionType,
        types.MethodType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        staticmethod,
        classmethod,
        functools.partial,
        type(functools.lru_cache(len)),
    )
)


def _writer_of_other(value: Any) -> Callable[[_Writer, Any], Any]:
    """The writer of a value whose type alone does not tell."""
    if isinstance(value, type):
        return _write_class
    kind = type(value)
    if kind.__module__ in ("typing", "types", "typing_extensions"):
        return _write_hint
    return _special_writer(kind) or _unwritable


def _unwritable(_: _Writer, value: Any) -> Any:
    reference = _reference(value)
    if reference is None or reference[1] == "__main__":
        raise _NoForm(type(value))
    return reference


def _reference(value: Any) -> Any:
    """``value`` as module and name, if that is where Python would find it."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    for module in (getattr(value, "__module__", None), type(value).__module__):
        if isinstance(module, str) and _find(module, name) is value:
            return ["reference", module, name]
    return None


def _find(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _required_reference(value: Any) -> Any:
    owner = getattr(value, "__objclass__", None) or getattr(value, "__self__", None)
    if isinstance(owner, type) and _reference(owner) is not None:
        return ["builtin", *_reference(owner)[1:], value.__name__]
    return _reference(value) or _raise_no_form(value)


def _raise_no_form(value: Any) -> Any:
    raise _NoForm(type(value))


# --- functions ------------------------------------------------------------------------------------


def _write_function(writer: _Writer, function: Any) -> Any:
    if not writer.is_home(function):
        reference = _reference(function)
        if reference is not None:
            return reference
    code = function.__code__
    source = _source_of(code, function.__globals__)
    return [
        "function",
        function.__module__,
        function.__qualname__,
        ["source", source.tree] if source is not None else _write_bytecode(writer, code),
        writer.write(function.__defaults__),
        writer.write(function.__kwdefaults__),
        _write_closure(writer, function),
        _write_globals(writer, function, source),
        _write_annotations(writer, function),
        writer.items(function.__dict__.items()),
        _assigned_docstring(function),
    ]


def _write_closure(writer: _Writer, function: Any) -> Any:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    return [[name, writer.write(cells[name].cell_contents)] for name in sorted(cells)]


def _write_globals(writer: _Writer, function: Any, source: _Source | None) -> Any:
    names = _global_names(function.__code__)
    return [[name, _write_global(writer, function, name, source)] for name in names]


def _write_global(writer: _Writer, function: Any, name: str, source: _Source | None) -> Any:
    namespace = function.__globals__
    if name in namespace:
        return _write_bound_global(writer, namespace, name)
    if name in _builtins_of(namespace):
        return ["builtin"]
    return writer.self_reference(function.__module__, name) or _write_unbound(writer, namespace, name, source)


def _write_bound_global(writer: _Writer, namespace: dict[str, Any], name: str) -> Any:
    return writer.write(namespace[name])


def _write_unbound(writer: _Writer, namespace: dict[str, Any], name: str, source: _Source | None) -> Any:
    raise _NoForm(name)


def _builtins_of(namespace: dict[str, Any]) -> dict[str, Any]:
    builtins = namespace.get("__builtins__", {})
    return vars(builtins) if isinstance(builtins, types.ModuleType) else builtins


def _global_names(code: types.CodeType) -> list[str]:
    """Names that ``code`` or code nested in it looks up among globals and builtins, sorted."""
    import dis

    found: set[str] = set()
    for nested in _with_nested(code):
        for instruction in dis.get_instructions(nested):
            if instruction.opname == "LOAD_NAME" or "GLOBAL" in instruction.opname:
                found.add(instruction.argval)
    return sorted(found)


def _with_nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_nested(constant)


def _write_annotations(writer: _Writer, function: Any) -> Any:
    annotations = function.__annotations__
    return [[name, writer.leniently(annotation)] for name, annotation in annotations.items()]


def _assigned_docstring(function: Any) -> Any:
    """A docstring that is not the one in the code; the layout of lines differs between Pythons."""
    written = function.__code__.co_consts[:1]
    return None if function.__doc__ in (None, *written) else _words(function.__doc__)


def _words(text: Any) -> Any:
    return _write_text(" ".join(text.split())) if isinstance(text, str) else None


def _write_method(writer: _Writer, method: Any) -> Any:
    if not isinstance(method.__self__, type):
        raise _NoForm("bound to an instance")
    return ["method", writer.write(method.__self__), writer.write(method.__func__)]


def _write_bytecode(writer: _Writer, code: types.CodeType) -> Any:
    """What runs, without where it was written."""
    return [
        "bytecode",
        sys.implementation.cache_tag,
        code.co_qualname,
        code.co_code.hex(),
        code.co_exceptiontable.hex(),
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags],
        [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars],
        writer.sequence(code.co_consts),
    ]


# --- source ---------------------------------------------------------------------------------------


class _Source:
    """The part of a source text that a code object was compiled from."""

    __slots__ = ("module", "tree")

    def __init__(self, tree: Any, module: Any) -> None:
        self.tree = tree
        self.module = module


def _source_of(code: types.CodeType, namespace: dict[str, Any]) -> _Source | None:
    return None


# --- classes --------------------------------------------------------------------------------------


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
    }
)


def _write_class(writer: _Writer, cls: Any) -> Any:
    if not writer.is_home(cls) or not cls.__flags__ & _HEAP_TYPE:
        reference = _reference(cls)
        if reference is not None:
            return reference
    return [
        "class",
        cls.__module__,
        cls.__qualname__,
        writer.write(type(cls)),
        writer.sequence(cls.__bases__),
        [
            [_write_text(name), writer.write(value)]
            for name, value in cls.__dict__.items()
            if name not in _NOT_MEMBERS
        ],
        _write_class_annotations(writer, cls),
        _words(cls.__dict__.get("__doc__")),
    ]


_HEAP_TYPE = 1 << 9


def _write_class_annotations(writer: _Writer, cls: Any) -> Any:
    annotations = cls.__dict__.get("__annotations__", {})
    return [[name, writer.leniently(annotation)] for name, annotation in annotations.items()]


# --- annotations ----------------------------------------------------------------------------------


def _write_hint(writer: _Writer, hint: Any) -> Any:
    raise _NoForm(hint)


# --- special types --------------------------------------------------------------------------------


def _special_writer(kind: type) -> Callable[[_Writer, Any], Any] | None:
    return None
