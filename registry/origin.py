"""Where an artifact was written: the module, name, file and line that messages and envelopes show."""

from __future__ import annotations

import re
import sys
from types import CodeType, FrameType, FunctionType
from typing import Any

_MAX_WRAPPERS = 32
"""How many layers of ``functools.wraps``, ``partial`` and methods are looked through."""

JSON_VALUE = "a JSON value"
"""What messages say instead of an origin where there is none."""

_TEXT = re.compile(r"(?P<name>[^\s(]*)(?: ?\((?P<file>.+?)(?::(?P<line>\d+))?\))?", re.DOTALL)


class Origin:
    """Where something was defined, or was registered from when it has no code of its own.

    Attributes:
        module: dotted name of the module, ``""`` when unknown.
        qualname: name within the module; ``<dict>`` for a value of type `dict` that has no name.
        file: as Python compiled it (``<stdin>``, a notebook's cell), ``""`` when unknown.
        line: first line, decorators included, 0 when unknown. For a class it is looked up when first
            read, which may read the file; every other part is known at once.

    ``str()`` is ``module.qualname (file:line)`` without the parts that are unknown; `parse` reads it back.
    Immutable; equal by its four parts; pickles as them.
    """

    __slots__ = ("_line", "_pending", "file", "module", "qualname")

    module: str
    qualname: str
    file: str

    def __init__(self, module: str, qualname: str, file: str = "", line: int = 0) -> None:
        self.module = module
        self.qualname = qualname
        self.file = file
        self._line = line
        self._pending: type | None = None

    @property
    def line(self) -> int:
        pending = self._pending
        if pending is not None:
            self._line = _line_of_class(pending, self.file)
            self._pending = None
        return self._line

    @property
    def name(self) -> str:
        """``module.qualname``, or the one of them that is known."""
        return ".".join(part for part in (self.module, self.qualname) if part)

    @classmethod
    def parse(cls, text: str) -> Origin:
        """The origin whose ``str()`` is ``text``.

        Any text that `str` of an origin gave comes back as the same text. Where the module ends and the
        qualified name begins is not written in it and is guessed: at the first segment that starts with
        a capital or ``<``, else at the segment before ``<locals>``, else at the last one.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            return cls("", text)
        module, qualname = _split_name(found["name"])
        origin = cls(module, qualname, found["file"] or "", int(found["line"] or 0))
        return origin if str(origin) == text else cls("", text)

    def __str__(self) -> str:
        if not self.file:
            return self.name
        place = f"({self.file}:{self.line})" if self.line else f"({self.file})"
        return f"{self.name} {place}" if self.name else place

    def __repr__(self) -> str:
        return f"Origin({self.module!r}, {self.qualname!r}, {self.file!r}, {self.line!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Origin):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __reduce__(self) -> tuple[Any, ...]:
        return Origin, self._parts()

    def _parts(self) -> tuple[str, str, str, int]:
        return self.module, self.qualname, self.file, self.line


def origin_of(artifact: object, frame: FrameType | None = None) -> Origin:
    """Where ``artifact`` was defined; never raises, reads no file.

    Wrappers made with `functools.wraps`, `functools.partial`, bound methods, static and class methods and
    properties lead to the function inside. What has no code (an instance, a builtin, a JSON value) is
    named by its own name or its type, and placed at ``frame``, the registering caller's, if one is given.
    """
    try:
        if isinstance(artifact, type):
            return _origin_of_class(artifact, frame)
        code = artifact.__code__  # type: ignore[attr-defined]
        if type(code) is CodeType and "__wrapped__" not in artifact.__dict__:
            name: str = artifact.__qualname__  # type: ignore[attr-defined]
            return Origin(artifact.__module__ or "", name, code.co_filename, code.co_firstlineno)
    except Exception:  # most often: no code
        pass
    try:
        return _origin_of_other(artifact, frame)
    except Exception:  # an artifact's own __getattr__ may raise anything; where it comes from is only shown
        return _at_frame(f"<{type(artifact).__name__}>", "", frame)


def told_origin(artifact: object) -> str:
    """`origin_of` for a message about an artifact; JSON has no origin, here and on a server."""
    is_json = artifact is None or isinstance(artifact, (dict, list, str, int, float))
    return JSON_VALUE if is_json else str(origin_of(artifact))


def _origin_of_other(artifact: object, frame: FrameType | None) -> Origin:
    inner = _unwrapped(artifact)
    if isinstance(inner, type):
        return _origin_of_class(inner, frame)
    code = getattr(inner, "__code__", None)
    if type(code) is not CodeType:
        return _origin_without_code(inner, frame)
    # The name is the outer one's if it has one: functools.wraps copies it, partial has none.
    named = artifact if isinstance(getattr(artifact, "__qualname__", None), str) else inner
    return Origin(
        _text(named, "__module__"), _text(named, "__qualname__"), code.co_filename, code.co_firstlineno
    )


def _unwrapped(artifact: object) -> object:
    """The innermost function, class or other object that wrappers lead to."""
    for _ in range(_MAX_WRAPPERS):
        inner = _one_layer_in(artifact)
        if inner is None:
            break
        artifact = inner
    return artifact


def _one_layer_in(artifact: object) -> object:
    if isinstance(artifact, type):
        return None
    state = getattr(artifact, "__dict__", None)
    if isinstance(state, dict) and "__wrapped__" in state:
        return state["__wrapped__"]
    # partial and partialmethod; methods, staticmethod and classmethod; property; cached_property
    for attribute, kinds in _LAYERS:
        if type(artifact).__name__ in kinds:
            return getattr(artifact, attribute, None)
    return None


_LAYERS = (
    ("func", ("partial", "partialmethod", "cached_property")),
    ("__func__", ("method", "staticmethod", "classmethod")),
    ("fget", ("property",)),
)


def _origin_of_class(cls: type, frame: FrameType | None) -> Origin:
    module = cls.__module__
    file = _file_of_class(cls, module)
    if not file:
        return _at_frame(cls.__qualname__, module, frame)
    line = cls.__dict__.get("__firstlineno__")
    origin = Origin(module, cls.__qualname__, file, line if type(line) is int else 0)
    if not origin._line:
        origin._pending = cls
    return origin


def _file_of_class(cls: type, module: str) -> str:
    if module != "__main__":
        file = getattr(sys.modules.get(module), "__file__", None)
        if isinstance(file, str):
            return file
    # A notebook has one __main__ and a file per cell; a script may have no file.
    method = _first_method(cls)
    if method is not None:
        return method.co_filename
    return getattr(sys.modules.get(module), "__file__", None) or ""


def _first_method(cls: type) -> CodeType | None:
    """The code of the first method written in the body of ``cls``."""
    prefix = cls.__qualname__ + "."
    for member in cls.__dict__.values():
        if type(member) is not FunctionType:
            member = getattr(member, "__func__", None)
        # Functions that the body only assigns, or that a decorator made, lie elsewhere.
        if type(member) is FunctionType and member.__code__.co_qualname.startswith(prefix):
            return member.__code__
    return None


def _line_of_class(cls: type, file: str) -> int:
    """The line of the ``class`` statement or its first decorator; 0 when the source does not tell."""
    import linecache

    from registry.syntax import parse

    method = _first_method(cls)
    limit = method.co_firstlineno if method is not None else sys.maxsize
    linecache.checkcache(file)
    try:
        tree = parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return method.co_firstlineno if method is not None else 0
    lines = [
        line for qualname, line in _class_lines(tree, "") if qualname == cls.__qualname__ and line <= limit
    ]
    # The same name may be defined again and again (if/else, a rewritten cell): the last one before its
    # method.
    return max(lines, default=limit if method is not None else 0)


def _class_lines(node: Any, prefix: str) -> list[tuple[str, int]]:
    """``(qualname, line)`` of every class below ``node``."""
    import ast

    found: list[tuple[str, int]] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            line = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            found.append((prefix + child.name, line))
            found += _class_lines(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            found += _class_lines(child, f"{prefix}{child.name}.<locals>.")
        else:
            found += _class_lines(child, prefix)
    return found


def _origin_without_code(artifact: object, frame: FrameType | None) -> Origin:
    qualname = getattr(artifact, "__qualname__", None) or getattr(artifact, "__name__", None)
    if isinstance(qualname, str) and qualname:
        return _at_frame(qualname, _text(artifact, "__module__"), frame)
    kind = type(artifact)
    module = "" if kind.__module__ == "builtins" else kind.__module__
    return _at_frame(f"<{kind.__qualname__}>", _module_of(frame) or module, frame)


def _at_frame(qualname: str, module: str, frame: FrameType | None) -> Origin:
    if frame is None:
        return Origin(module, qualname)
    return Origin(module or _module_of(frame), qualname, frame.f_code.co_filename, frame.f_lineno)


def _module_of(frame: FrameType | None) -> str:
    name = frame.f_globals.get("__name__") if frame is not None else None
    return name if isinstance(name, str) else ""


def _text(artifact: object, attribute: str) -> str:
    value = getattr(artifact, attribute, None)
    return value if isinstance(value, str) else ""


def _split_name(name: str) -> tuple[str, str]:
    """``(module, qualname)`` of a dotted name: see `Origin.parse`."""
    segments = name.split(".")
    for position, segment in enumerate(segments):
        following = segments[position + 1 : position + 2]
        if segment[:1] == "<" or segment[:1].isupper() or following == ["<locals>"]:
            return ".".join(segments[:position]), ".".join(segments[position:])
    return ".".join(segments[:-1]), segments[-1]
