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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ast

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

    Costs up to a few milliseconds, and for the first artifact of a module the time to read and parse
    it; meant for a duplicate or a remote registration, not for every one. Never raises.
    """
    try:
        if not _may_have_identity(artifact):
            return None
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


_MAIN = ("__main__", "__mp_main__")
"""What the program's main module is called, here and in a process that multiprocessing spawned from it."""


def _module_of(value: Any) -> str:
    module: str = value.__module__
    return "__main__" if module in _MAIN else module


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
        self._home = frozenset((home, *_MAIN))
        self._nodes = 0
        self._seen: dict[int, int] = {}
        # Keeps every object of ``_seen`` alive: the id of a dead one may be given to another.
        self._alive: list[object] = []
        self._unordered = 0
        self._unbound: set[str] = set()

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
        outside = self._reference_outside(value)
        if outside is not None:
            return outside
        return self._write_once(value, _BY_TYPE.get(kind) or _writer_of_other(value))

    def _reference_outside(self, value: Any) -> Any:
        """An importable function or class of another module as its name; else ``None``."""
        if isinstance(value, type):
            outside = not (self.is_home(value) and value.__flags__ & _HEAP_TYPE)
        else:
            outside = type(value) is types.FunctionType and not self.is_home(value)
        return _reference(value) if outside else None

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

    def is_home_module(self, module: Any) -> bool:
        return module in self._home

    def self_reference(self, module: str, name: str) -> Any:
        """The artifact, if its code refers to it by a name that is not bound yet; else ``None``."""
        root = self._alive[0] if self._alive else None
        if (getattr(root, "__module__", None), getattr(root, "__qualname__", None)) == (module, name):
            return ["again", 0]
        return None

    def write_or(self, value: Any, instead: Any) -> Any:
        """``value``, or ``instead`` if it cannot be written down."""
        known = len(self._alive)
        try:
            return self.write(value)
        except _NoForm:
            while len(self._alive) > known:
                del self._seen[id(self._alive.pop())]
            return instead

    def annotations(self, owner: Any, namespace: dict[str, Any]) -> Any:
        """The annotations of a function or a class body, in order.

        Those left as text count with the globals that they name, as far as they are bound: names that
        are imported for type checkers only stay unbound for ever.
        """
        return [
            [name, self.write(annotation), self._named_in(annotation, owner, namespace)]
            for name, annotation in _annotations(owner).items()
        ]

    def _named_in(self, annotation: Any, owner: Any, namespace: dict[str, Any]) -> Any:
        names = _names_in_text(annotation) if type(annotation) is str else []
        module = namespace.get("__name__", "")
        return [
            [name, self.write(namespace[name])]
            if name in namespace
            else [name, self.self_reference(module, name)]
            for name in names
        ]

    def meets_unbound(self, name: str) -> bool:
        """Whether this is the first time the unbound global ``name`` is met."""
        first = name not in self._unbound
        self._unbound.add(name)
        return first


def _digest(written: Any) -> str:
    import hashlib
    import json

    text = json.dumps([FORM, written], separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _may_have_identity(artifact: Any) -> bool:
    if isinstance(artifact, types.BuiltinFunctionType | types.MethodType):
        # math.sin and Model.make are functions, "text".join and model.fit belong to an instance.
        return artifact.__self__ is None or isinstance(artifact.__self__, type | types.ModuleType)
    return isinstance(artifact, type) or type(artifact) in _ARTIFACTS or _is_json(artifact)


def _is_json(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_json(member) for key, member in value.items())
    if kind is list:
        return all(map(_is_json, value))
    return value is None or kind in (bool, int, float, str)


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
    types.MemberDescriptorType: lambda writer, value: [
        "slot",
        writer.write(value.__objclass__),
        value.__name__,
    ],
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
    types.BuiltinFunctionType: lambda writer, value: _write_builtin(writer, value),
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
    if kind.__module__ in ("typing", "types", "typing_extensions", "collections.abc", "_collections_abc"):
        return _write_hint
    return _special_writer(kind) or _unwritable


def _unwritable(writer: _Writer, value: Any) -> Any:
    reference = _reference(value)
    if reference is None or writer.is_home_module(reference[1]):
        raise _NoForm(type(value))
    return reference


def _reference(value: Any) -> Any:
    """``value`` as module and name, if that is where Python would find it."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    if isinstance(value, type) and not value.__flags__ & _HEAP_TYPE:
        # Compiled in; some (NoneType, generator) claim to be in builtins, where they are not found.
        return ["reference", value.__module__, name]
    for module in (getattr(value, "__module__", None), type(value).__module__):
        if isinstance(module, str) and _find(module, name) is value:
            return ["reference", module, name]
    return None


def _find(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _write_builtin(writer: _Writer, value: Any) -> Any:
    owner = value.__self__
    kind = type(owner)
    if kind is str or f"{kind.__module__}.{kind.__qualname__}" in ("re.Pattern", "_struct.Struct"):
        return ["method", writer.write(owner), value.__name__]
    return _required_reference(value)


def _required_reference(value: Any) -> Any:
    owner = getattr(value, "__objclass__", None) or getattr(value, "__self__", None)
    if isinstance(owner, type) and _reference(owner) is not None:
        return ["builtin", *_reference(owner)[1:], value.__name__]
    return _reference(value) or _raise_no_form(value)


def _raise_no_form(value: Any) -> Any:
    raise _NoForm(type(value))


# --- functions ------------------------------------------------------------------------------------


def _write_function(writer: _Writer, function: Any) -> Any:
    code = function.__code__
    source = _source_of(code, function.__globals__)
    return [
        "function",
        _module_of(function),
        function.__qualname__,
        ["source", source.tree] if source is not None else _write_bytecode(writer, code),
        writer.write(function.__defaults__),
        writer.write(function.__kwdefaults__),
        _write_closure(writer, function),
        _write_globals(writer, function, source),
        writer.annotations(function, function.__globals__),
        writer.items(function.__dict__.items()),
        _assigned_docstring(function),
    ]


def _write_closure(writer: _Writer, function: Any) -> Any:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    # An empty cell (a local function below its decorator) raises ValueError: what it will hold is unknown.
    return [
        [name, _write_referred(writer, function, name, cells[name].cell_contents)] for name in sorted(cells)
    ]


def _write_globals(writer: _Writer, function: Any, source: _Source | None) -> Any:
    names = _global_names(function.__code__)
    return [[name, _write_global(writer, function, name, source)] for name in names]


def _write_global(writer: _Writer, function: Any, name: str, source: _Source | None) -> Any:
    namespace = function.__globals__
    if name in _MODULE_ATTRIBUTES:
        return ["attribute"]
    if name in namespace:
        return _write_referred(writer, function, name, namespace[name])
    if name in _builtins_of(namespace):
        return ["builtin"]
    if name in _names_of_class_bodies(function.__code__):
        return ["local"]
    return writer.self_reference(function.__module__, name) or _write_unbound(writer, namespace, name, source)


def _names_of_class_bodies(code: types.CodeType) -> set[str]:
    """Names that only class bodies inside a function know: bound there, and read as globals would be."""
    return _names_used(code, ("STORE_NAME",)) - _names_used(code, ("LOAD_GLOBAL",))


_MODULE_ATTRIBUTES = (
    "__builtins__",
    "__cached__",
    "__doc__",
    "__file__",
    "__loader__",
    "__name__",
    "__spec__",
)
"""Globals that say where the module was found this time: another checkout is the same module."""


def _write_referred(writer: _Writer, function: Any, name: str, value: Any) -> Any:
    """What ``function`` knows as ``name``.

    A wrapper that another module made (a decorator's) is code of that module, which counts by name:
    so does what it uses there, if it has no form (a lock, a client).
    """
    module = function.__globals__.get("__name__")
    importable = getattr(sys.modules.get(module), "__dict__", None) is function.__globals__
    if writer.is_home_module(module) or not importable:
        return writer.write(value)
    return writer.write_or(value, ["global", module, name])


def _write_unbound(writer: _Writer, namespace: dict[str, Any], name: str, source: _Source | None) -> Any:
    """A global that is not there yet: a decorator runs before what stands below it in the file.

    It counts as the statements of the file that will bind it, with the names that these use. Only the
    text of the whole module can tell: a notebook's next cell may bind anything.
    """
    if source is None or source.file != namespace.get("__file__") or source.text.imports_all:
        raise _NoForm(name)
    if not writer.meets_unbound(name):
        return ["unbound", name]
    statements = source.text.binding(name)
    used = sorted({used for statement in statements for used in statement.used})
    return [
        "unbound",
        [statement.tree for statement in statements],
        [[other, _write_used(writer, namespace, other, source)] for other in used if other != name],
    ]


def _write_used(writer: _Writer, namespace: dict[str, Any], name: str, source: _Source) -> Any:
    if name in namespace:
        return writer.write(namespace[name])
    if name in _builtins_of(namespace):
        return ["builtin"]
    module = namespace.get("__name__", "")
    return writer.self_reference(module, name) or _write_unbound(writer, namespace, name, source)


def _builtins_of(namespace: dict[str, Any]) -> dict[str, Any]:
    builtins = namespace.get("__builtins__", {})
    return vars(builtins) if isinstance(builtins, types.ModuleType) else builtins


def _global_names(code: types.CodeType) -> list[str]:
    """Names that ``code`` or code nested in it looks up among globals and builtins, sorted."""
    return sorted(_names_used(code, ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")))


def _names_used(code: types.CodeType, operations: tuple[str, ...]) -> set[str]:
    import dis

    return {
        instruction.argval
        for nested in _with_nested(code)
        for instruction in dis.get_instructions(nested)
        if instruction.opname in operations
    }


def _with_nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_nested(constant)


def _annotations(owner: Any) -> dict[str, Any]:
    if isinstance(owner, type) and "__annotations__" not in vars(owner) and sys.version_info < (3, 14):
        return {}  # the attribute would be that of a base class
    try:
        return dict(owner.__annotations__)
    except Exception:  # evaluated when read since Python 3.14: any expression
        return {}


def _names_in_text(annotation: str) -> list[str]:
    try:
        code = compile(annotation, "<annotation>", "eval", dont_inherit=True)
    except (SyntaxError, ValueError):
        return []
    return _global_names(code)


def _assigned_docstring(function: Any) -> Any:
    """A docstring that is not the one in the code; the layout of lines differs between Pythons."""
    written = function.__code__.co_consts[:1]
    return None if function.__doc__ in (None, *written) else _words(function.__doc__)


def _words(text: Any) -> Any:
    return _write_text(" ".join(text.split())) if isinstance(text, str) else None


def _write_method(writer: _Writer, method: Any) -> Any:
    if not isinstance(method.__self__, type):
        # Some modules offer the methods of an instance as functions: random.shuffle.
        module, name = method.__module__, method.__name__
        if writer.is_home_module(module) or _find(module, name) is not method:
            raise _NoForm("bound to an instance")
        return ["reference", module, name]
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


class _Statement:
    """A statement of a module: its tree, and the names that it binds and uses when it runs."""

    __slots__ = ("bound", "tree", "used")

    def __init__(self, statement: ast.stmt, flags: int) -> None:
        code = _compiled([statement], flags)
        self.tree = _write_tree(statement)
        self.bound = _names_used(code, ("STORE_NAME", "STORE_GLOBAL"))
        self.used = set(_global_names(code))


class _Text:
    """A source text, compiled again: its code objects, and the trees they come from."""

    __slots__ = ("_flags", "_functions", "_lambdas", "_statements", "codes", "imports_all", "tree")

    def __init__(self, text: str, flags: int) -> None:
        import ast

        self._flags = flags
        self.tree = ast.parse(text)
        self.codes: dict[str, list[types.CodeType]] = {}
        for code in _with_nested(_compiled(self.tree.body, flags)):
            self.codes.setdefault(code.co_qualname, []).append(code)
        nodes = list(ast.walk(self.tree))
        self._lambdas = [node for node in nodes if isinstance(node, ast.Lambda)]
        self._functions = {
            (node.name, _first_line(node)): node
            for node in nodes
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self.imports_all = any(isinstance(node, ast.alias) and node.name == "*" for node in nodes)
        self._statements: list[_Statement] | None = None

    def tree_of(self, code: types.CodeType) -> ast.AST | None:
        """The function or lambda that ``code``, one of `codes`, was compiled from."""
        if code.co_name != "<lambda>":
            return self._functions.get((code.co_name, code.co_firstlineno))
        return _innermost(self._lambdas, _span(code))

    def binding(self, name: str) -> list[_Statement]:
        """The statements that bind the global ``name``, in order."""
        if self._statements is None:
            self._statements = [_Statement(statement, self._flags) for statement in self.tree.body]
        return [statement for statement in self._statements if name in statement.bound]


class _Source:
    """The tree that a code object was compiled from, and where it stands."""

    __slots__ = ("file", "text", "tree")

    def __init__(self, tree: ast.AST, text: _Text, file: str) -> None:
        self.tree = _write_tree(tree, without_decorators=True)
        self.text = text
        self.file = file


def _source_of(code: types.CodeType, namespace: dict[str, Any]) -> _Source | None:
    """The source of ``code``, if its text can be read and still compiles to ``code``.

    Comparing code is what makes a file that was edited since, or another file in its place, harmless.
    """
    text = _text_of(code, namespace)
    if text is None:
        return None
    form = _form(code)
    alike = [other for other in text.codes.get(code.co_qualname, ()) if _form(other) == form]
    exact = [other for other in alike if _positions(other) == _positions(code)]
    # Lines may have moved above it. Of several that run alike none is known to be it.
    chosen = exact[:1] or (alike if len(alike) == 1 else [])
    tree = text.tree_of(chosen[0]) if chosen else None
    return _Source(tree, text, code.co_filename) if tree is not None else None


def _form(code: types.CodeType) -> Any:
    return _write_bytecode(_Writer(""), code)


def _positions(code: types.CodeType) -> list[Any]:
    return [code.co_firstlineno, *code.co_positions()]


def _text_of(code: types.CodeType, namespace: dict[str, Any]) -> _Text | None:
    import __future__

    import linecache

    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, namespace)
    features = (getattr(__future__, name) for name in __future__.all_feature_names)
    flags = sum({feature.compiler_flag for feature in features if feature.compiler_flag & code.co_flags})
    return _parsed("".join(lines), flags) if lines else None


@functools.lru_cache(maxsize=4)
def _parsed(text: str, flags: int) -> _Text | None:
    try:
        return _Text(text, flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _compiled(body: list[ast.stmt], flags: int) -> types.CodeType:
    import ast

    # A notebook's cell may await at its top.
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: types.CodeType = compile(ast.Module(body, []), "<source>", "exec", flags, dont_inherit=True)
    return code


def _first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])


_Span = tuple[tuple[int, int], tuple[int, int]]


def _span(code: types.CodeType) -> _Span | None:
    """First and last ``(line, column)`` of the expression that a lambda's ``code`` computes."""
    places = [place for place in code.co_positions() if None not in place and place[0::2] != place[1::2]]
    # In the order of co_positions: line, end line, column, end column.
    starts = [(line, column) for line, _, column, _ in places if line is not None and column is not None]
    ends = [(line, column) for _, line, _, column in places if line is not None and column is not None]
    return (min(starts), max(ends)) if places else None


def _innermost(lambdas: list[ast.Lambda], span: _Span | None) -> ast.Lambda | None:
    """The lambda with the smallest body around ``span``: lambdas on one line differ in nothing else."""
    if span is None:
        return None
    around = [node for node in lambdas if _body(node)[0] <= span[0] and span[1] <= _body(node)[1]]
    return max(around, key=lambda node: _body(node)[0], default=None)


def _body(node: ast.Lambda) -> _Span:
    body = node.body
    return (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)


def _write_tree(node: Any, *, without_decorators: bool = False) -> Any:
    """A syntax tree as JSON, the same for every version of Python that can parse the text."""
    import ast

    if isinstance(node, list):
        return [_write_tree(child) for child in node]
    if not isinstance(node, ast.AST):
        return _PLAIN[type(node)](node)
    written: list[Any] = [type(node).__name__]
    for name, child in ast.iter_fields(node):
        # Newer versions have more fields, empty where the older syntax is used.
        if (child is None and not isinstance(node, ast.Constant)) or child == []:
            continue
        if name in ("ctx", "kind", "type_comment") or (without_decorators and name == "decorator_list"):
            continue
        if isinstance(node, ast.JoinedStr):
            # Python 3.12 ends some f-strings with an empty text.
            child = [part for part in child if getattr(part, "value", None) != ""]
        written.append([name, _write_tree(child)])
    return written


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


def _write_class(writer: _Writer, cls: Any) -> Any:
    if getattr(type(cls), "_identity_by_name", False):
        return ["named", _module_of(cls), cls.__qualname__]
    made = _made_by_machinery(writer, cls)
    members = [(name, value) for name, value in vars(cls).items() if name not in made.names | _NOT_MEMBERS]
    # Decorators add dunders, in an order that differs between versions; the rest is in the order written.
    members.sort(key=lambda member: (member[0][:2] == "__", member[0] if member[0][:2] == "__" else ""))
    return [
        "class",
        _module_of(cls),
        cls.__qualname__,
        writer.write(type(cls)),
        writer.sequence(cls.__bases__),
        made.written,
        [[_write_text(name), _write_member(writer, value, made.package)] for name, value in members],
        writer.annotations(cls, vars(sys.modules.get(cls.__module__, _EMPTY))),
        None if made.docstring else _words(cls.__doc__),
    ]


_EMPTY = types.ModuleType("")

_HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: made by a class statement, not compiled into the interpreter."""


def _write_member(writer: _Writer, value: Any, package: str) -> Any:
    """A member of a class body; a function that ``package`` made counts by name."""
    code = getattr(getattr(value, "__func__", value), "__code__", None)
    namespace = getattr(getattr(value, "__func__", value), "__globals__", {})
    top = str(namespace.get("__name__", "")).partition(".")[0]
    generated = code is not None and code.co_filename.startswith(f"<{package}")
    if code is not None and (top == "typing" or (package and (top == package or generated))):
        return ["made", top, code.co_name]
    return writer.write(value)


class _Made:
    """What a class decorator or metaclass put into a class, and what it made that of."""

    __slots__ = ("docstring", "names", "package", "written")

    def __init__(self, names: Iterable[str] = (), written: Any = None, package: str = "") -> None:
        self.names = frozenset(names)
        self.written = written
        self.package = package
        self.docstring = False


def _made_by_machinery(writer: _Writer, cls: Any) -> _Made:
    own = vars(cls)
    if "_member_map_" in own:
        return _made_by_enum(writer, cls)
    if "__dataclass_fields__" in own:
        return _made_by_dataclass(writer, cls)
    if "_fields" in own and issubclass(cls, tuple):
        return _made_by_namedtuple(writer, cls)
    if "__attrs_attrs__" in own:
        written = ["attrs", [_write_state(writer, attribute) for attribute in cls.__attrs_attrs__]]
        return _Made(("__attrs_attrs__", "__attrs_props__"), written, "attr")
    if "__pydantic_decorators__" in own:
        return _made_by_pydantic(writer, cls)
    return _Made()


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


def _made_by_enum(writer: _Writer, cls: Any) -> _Made:
    members = cls._member_map_
    values = [[name, members[name]._name_, writer.write(members[name]._value_)] for name in members]
    make = cls.__dict__.get("_new_member_")
    custom = writer.write(make) if isinstance(make, types.FunctionType) else None
    return _Made(_ENUM_INTERNALS.union(members), ["enum", values, custom], "enum")


def _made_by_dataclass(writer: _Writer, cls: Any) -> _Made:
    fields = [_write_field(writer, field) for field in cls.__dataclass_fields__.values()]
    flags = [getattr(cls.__dataclass_params__, name) for name in _DATACLASS_FLAGS]
    names = ("__dataclass_fields__", "__dataclass_params__", "__replace__", *_generated_by_dataclass(cls))
    made = _Made(names, ["dataclass", flags, fields], "dataclasses")
    made.docstring = str(cls.__doc__).startswith(cls.__name__ + "(")
    return made


_DATACLASS_FLAGS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_FIELD_FLAGS = ("init", "repr", "hash", "compare", "kw_only")


def _write_field(writer: _Writer, field: Any) -> Any:
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
    """The methods of ``cls`` that are, to the byte, what `dataclasses` generates from its fields.

    They have no source, and their bytecode would tie the identity to a version of Python.
    """
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
    flags = {name: getattr(cls.__dataclass_params__, name) for name in _DATACLASS_FLAGS}
    return dataclasses.dataclass(**flags)(type(cls.__name__, (), namespace))


def _same_code(one: Any, other: Any) -> bool:
    codes = [getattr(value, "__code__", None) for value in (one, other)]
    if None in codes:
        return False
    inner = [getattr(value, "__wrapped__", None) for value in (one, other)]
    return _runs_alike(*codes) and (inner == [None, None] or _same_code(*inner))


def _runs_alike(one: Any, other: Any) -> bool:
    # Qualified names tell where generated code was generated.
    return bool(_form(one.replace(co_qualname="")) == _form(other.replace(co_qualname="")))


def _made_by_namedtuple(writer: _Writer, cls: Any) -> _Made:
    import collections

    defaults = cls.__dict__.get("_field_defaults", {})
    twin = collections.namedtuple(cls.__name__, cls._fields, defaults=[None] * len(defaults))  # type: ignore[misc]
    names = [name for name, value in vars(twin).items() if _same_generated(value, vars(cls).get(name))]
    # Before there was a syntax for defaults they were set on __new__.
    made = _Made(names, ["namedtuple", writer.write(cls.__new__.__defaults__)])
    made.docstring = cls.__doc__ == twin.__doc__
    return made


def _same_generated(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    return type(one).__name__ == "_tuplegetter" or _same_code(
        getattr(one, "__func__", one), getattr(other, "__func__", other)
    )


def _made_by_pydantic(writer: _Writer, cls: Any) -> _Made:
    fields = getattr(cls, "__pydantic_fields__", {})
    written = [
        "pydantic",
        [[name, _write_state(writer, field)] for name, field in fields.items()],
        [[kind, _write_decorators(writer, group)] for kind, group in _decorator_groups(cls)],
    ]
    internals = [name for name in vars(cls) if name.startswith("__pydantic_")]
    return _Made((*internals, "__signature__", "__class_vars__"), written, "pydantic")


def _decorator_groups(cls: Any) -> list[tuple[str, dict[str, Any]]]:
    groups = cls.__pydantic_decorators__
    names = [name for name in dir(groups) if isinstance(getattr(groups, name), dict) and name[0] != "_"]
    return [(name, getattr(groups, name)) for name in sorted(names)]


def _write_decorators(writer: _Writer, group: dict[str, Any]) -> Any:
    return [[name, one.cls_var_name, _write_state(writer, one.info)] for name, one in group.items()]


# --- annotations ----------------------------------------------------------------------------------


def _write_hint(writer: _Writer, hint: Any) -> Any:
    """Something of `typing`: what an annotation or a base class is written with."""
    import typing

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


def _write_simple_hint(writer: _Writer, hint: Any, kind: str) -> Any:
    if kind in ("TypeVar", "ParamSpec", "TypeVarTuple"):
        details = [getattr(hint, name, None) for name in _VARIABLE_DETAILS]
        # Python 3.12 says NoneType where 3.11 says None: no bound.
        details = [None if detail is type(None) else detail for detail in details]
        if hasattr(hint, "has_default") and hint.has_default():
            details.append(hint.__default__)
        return ["variable", kind, hint.__name__, *writer.sequence(details)]
    if kind == "NewType":
        return ["newtype", hint.__module__, hint.__name__, writer.write(hint.__supertype__)]
    if kind == "TypeAliasType":
        return ["alias", hint.__module__, hint.__name__, writer.write(hint.__value__)]
    if kind == "ForwardRef":
        return ["forward", hint.__forward_arg__]
    if kind.endswith("Form"):
        return ["form", hint._name]
    return _unwritable(writer, hint)


_VARIABLE_DETAILS = ("__bound__", "__constraints__", "__covariant__", "__contravariant__")


# --- values with a type of their own --------------------------------------------------------------


def _special_writer(kind: Any) -> Callable[[_Writer, Any], Any] | None:
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
    if package in _DESCRIBING_PACKAGES:
        return _write_state
    return _write_state if _is_frozen_dataclass(kind) else None


def _write_member_of_enum(writer: _Writer, member: Any) -> Any:
    return ["member", writer.write(type(member)), member._name_, writer.write(member._value_)]


def _is_frozen_dataclass(kind: Any) -> bool:
    """Whether the fields of an instance are all that it is."""
    bases = [base for base in kind.__mro__[:-1] if base.__module__ not in ("typing", "abc")]
    return all("__dataclass_params__" in vars(base) and base.__dataclass_params__.frozen for base in bases)


_DESCRIBING_PACKAGES = ("annotated_types", "attr", "attrs", "pydantic", "dataclasses")
"""Their instances describe fields; they are Python through and through, their attributes all they are."""

_DERIVED_STATE = ("_complete", "_original_annotation", "_original_assignment", "_final", "__weakref__")
"""What pydantic remembers of the way to a field, and finishes later."""


def _write_state(writer: _Writer, value: Any) -> Any:
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


def _write_by_reduce(writer: _Writer, value: Any) -> Any:
    make, arguments = value.__reduce__()[:2]
    return ["reduced", writer.write(make), *writer.sequence(arguments)]


def _write_deque(writer: _Writer, value: Any) -> Any:
    return ["deque", writer.write(value.maxlen), *writer.sequence(value)]


def _write_by_text(writer: _Writer, value: Any) -> Any:
    return [type(value).__module__, type(value).__qualname__, writer.write(str(value))]


def _write_moment(writer: _Writer, value: Any) -> Any:
    zone = getattr(value, "tzinfo", None)
    if zone is not None and type(zone).__qualname__ != "timezone":
        raise _NoForm(zone)
    return ["datetime", repr(value)]


_BY_NAME: dict[str, Callable[[_Writer, Any], Any]] = {
    "_thread.lock": lambda _, __: ["lock"],
    "_thread.RLock": lambda _, __: ["rlock"],
    "collections.Counter": lambda writer, value: ["counter", writer.items(value.items())],
    "collections.OrderedDict": lambda writer, value: ["ordered", writer.items(value.items())],
    "collections.defaultdict": lambda writer, value: [
        "defaultdict",
        writer.write(value.default_factory),
        writer.items(value.items()),
    ],
    "collections.deque": _write_deque,
    "builtins.builtin_method": lambda writer, value: _write_builtin(writer, value),
    "_struct.Struct": lambda writer, value: ["struct", writer.write(value.format)],
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
