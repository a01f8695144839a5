"""From running code back to its syntax tree, if the source still is what it was compiled from."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any

from registry.identity.code import global_names, names_used, with_nested, write_bytecode
from registry.identity.plain import PLAIN

if TYPE_CHECKING:
    import ast


class Source:
    """The tree that a code object was compiled from, and where it stands."""

    __slots__ = ("file", "text", "tree")

    def __init__(self, tree: ast.AST, text: Text, file: str) -> None:
        self.tree = _write_tree(tree, without_decorators=True)
        self.text = text
        self.file = file


def source_of(code: types.CodeType, namespace: dict[str, Any]) -> Source | None:
    """The source of ``code``, if its text can be read and still compiles to ``code``.

    Comparing code is what makes a file that was edited since, or another file in its place, harmless.
    """
    text = _text_of(code, namespace)
    if text is None:
        return None
    form = write_bytecode(code)
    alike = [other for other in text.codes.get(code.co_qualname, ()) if write_bytecode(other) == form]
    exact = [other for other in alike if _positions(other) == _positions(code)]
    # Lines may have moved above it. Of several that run alike none is known to be it.
    chosen = exact[:1] or (alike if len(alike) == 1 else [])
    tree = text.tree_of(chosen[0]) if chosen else None
    return Source(tree, text, code.co_filename) if tree is not None else None


def _positions(code: types.CodeType) -> list[Any]:
    return [code.co_firstlineno, *code.co_positions()]


def _text_of(code: types.CodeType, namespace: dict[str, Any]) -> Text | None:
    import __future__

    import linecache

    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, namespace)
    features = (getattr(__future__, name) for name in __future__.all_feature_names)
    flags = sum({feature.compiler_flag for feature in features if feature.compiler_flag & code.co_flags})
    return _parsed("".join(lines), flags) if lines else None


@functools.lru_cache(maxsize=4)
def _parsed(text: str, flags: int) -> Text | None:
    try:
        return Text(text, flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class Text:
    """A source text, compiled again: its code objects, and the trees they come from."""

    __slots__ = ("_flags", "_functions", "_lambdas", "_statements", "codes", "imports_all", "tree")

    def __init__(self, text: str, flags: int) -> None:
        import ast

        from registry.syntax import parse

        self._flags = flags
        self.tree = parse(text)
        self.codes: dict[str, list[types.CodeType]] = {}
        for code in with_nested(_compiled(self.tree.body, flags)):
            self.codes.setdefault(code.co_qualname, []).append(code)
        nodes = list(ast.walk(self.tree))
        self._lambdas = [node for node in nodes if isinstance(node, ast.Lambda)]
        self._functions = {
            (node.name, _first_line(node)): node
            for node in nodes
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self.imports_all = any(isinstance(node, ast.alias) and node.name == "*" for node in nodes)
        self._statements: list[Statement] | None = None

    def tree_of(self, code: types.CodeType) -> ast.AST | None:
        """The function or lambda that ``code``, one of `codes`, was compiled from."""
        if code.co_name != "<lambda>":
            return self._functions.get((code.co_name, code.co_firstlineno))
        return _innermost(self._lambdas, _span(code))

    def binding(self, name: str) -> list[Statement]:
        """The statements that bind the global ``name``, in order."""
        if self._statements is None:
            self._statements = [Statement(statement, self._flags) for statement in self.tree.body]
        return [statement for statement in self._statements if name in statement.bound]


class Statement:
    """A statement of a module: its tree, and the names that it binds and uses when it runs."""

    __slots__ = ("bound", "tree", "used")

    def __init__(self, statement: ast.stmt, flags: int) -> None:
        code = _compiled([statement], flags)
        self.tree = _write_tree(statement)
        self.bound = names_used(code, "STORE_NAME", "STORE_GLOBAL")
        self.used = set(global_names(code))


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
        return PLAIN[type(node)](node)
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
