"""Configs from files: JSON, YAML and TOML, read strictly, with the line of each part.

A key given twice is refused in each format, and nothing in one is followed to a type, a file or an address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, NoReturn

from registry.errors import MalformedEnvelopeError, SerializationError, ValidationError
from registry.factory.problems import Path, shown

Locate = Callable[[Path], "int | None"]
"""From the path of a part to its line, where that is known."""


class FileConfig(dict[str, Any]):
    """The mapping in a file, that knows the file and the lines of its parts.

    Attributes:
        file: the path as it was given.
    """

    def __init__(self, values: Mapping[str, Any], file: str, locate: Locate) -> None:
        super().__init__(values)
        self.file = file
        self._locate = locate

    def line_of(self, path: Path) -> int | None:
        """The line of this part, or of the nearest one around it; from 1."""
        for end in range(len(path), 0, -1):
            line = self._locate(path[:end])
            if line is not None:
                return line
        return None


def read_config(path: str | os.PathLike[str]) -> FileConfig:
    """The mapping that a ``.json``, ``.yaml``, ``.yml`` or ``.toml`` file holds.

    YAML needs PyYAML, is read by its safe loader, and takes ``1e-3`` for the number that YAML 1.2 says it is.

    Raises:
        ValidationError: another suffix, or YAML without PyYAML.
        SerializationError: not what the suffix says, a key twice, or no mapping; with file and line.
        OSError: the file cannot be read.
    """
    file = os.fspath(path)
    suffix = PurePath(file).suffix.lower()
    if suffix not in _FORMATS:
        raise ValidationError(
            f"{file} has {f'the suffix {suffix!r}' if suffix else 'no suffix'}, "
            "and the suffix says which format a config is in",
            suggestions=sorted(_FORMATS),
            context={"file": file},
        )
    with open(file, encoding="utf-8-sig") as opened:
        try:
            text = opened.read()
        except UnicodeDecodeError as error:
            raise _unreadable(file, None, f"it is not UTF-8: {error.reason}") from None
    values, locate = _FORMATS[suffix](file, text)
    if not isinstance(values, Mapping):
        _refuse(file, 1, f"it holds a {type(values).__name__}, and a config is a mapping")
    return FileConfig(values, file, locate)


def _unreadable(file: str, line: int | None, why: str) -> SerializationError:
    place = f"{file}, line {line}" if line else file
    return SerializationError(f"{place} is not a config: {why}", context={"file": file, "line": line})


def _refuse(file: str, line: int | None, why: str) -> NoReturn:
    raise _unreadable(file, line, why) from None


def _lazily(find: Callable[[], dict[Path, int]]) -> Locate:
    """Lines are looked for when an error asks for the first of them."""
    found: list[dict[Path, int]] = []

    def locate(path: Path) -> int | None:
        if not found:
            found.append(find())
        return found[0].get(path)

    return locate


# ---- JSON

_JSON_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)


def _read_json(file: str, text: str) -> tuple[Any, Locate]:
    import json

    from registry.envelope.form import parse_json

    try:
        return parse_json(text), _lazily(lambda: _json_lines(file, text))
    except MalformedEnvelopeError as error:
        reason = error.message
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        _refuse(file, error.lineno, error.msg)
    except (ValueError, RecursionError):
        pass  # what is wrong is what the strict reader said
    else:
        _json_lines(file, text)  # raises where a key is there twice
    _refuse(file, None, reason)


def _json_lines(file: str, text: str) -> dict[Path, int]:
    """The line of each part of a JSON text that is known to be one."""
    import json

    lines: dict[Path, int] = {}
    path: list[Any] = []  # the key or index where we are, in each open container
    awaits_key = False
    line, end = 1, 0
    for token in _JSON_TOKEN.finditer(text):
        line += text.count("\n", end, token.start())
        end = token.start()
        first = token[0][0]
        if first in "]}":
            path.pop()
            awaits_key = False
            continue
        if first == ",":
            awaits_key = not isinstance(path[-1], int)
            if not awaits_key:
                path[-1] += 1
            continue
        if first == ":":
            continue
        if awaits_key and first == '"':
            path[-1] = json.loads(token[0])
            awaits_key = False
            if tuple(path) in lines:
                _refuse(file, line, f"the key {shown(tuple(path))!r} is there twice")
            lines[tuple(path)] = line
            continue
        lines.setdefault(tuple(path), line)
        if first in "{[":
            path.append(0 if first == "[" else "")
            awaits_key = first == "{"
    return lines


# ---- TOML

_TOML_SKIPPED = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]|[^"\'#\[\]{}\n]+',
    re.DOTALL,
)
_TOML_KEY_PART = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\'[^\']*\'|[A-Za-z0-9_-]+)\s*(\.?)')


def _read_toml(file: str, text: str) -> tuple[Any, Locate]:
    import tomllib

    try:
        return tomllib.loads(text), _lazily(lambda: _toml_lines(text))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        _refuse(file, line, str(error))
    except RecursionError:
        _refuse(file, None, "it is nested too deeply")


def _toml_lines(text: str) -> dict[Path, int]:
    """The line of each table and each statement; the keys of an inline table are on that of its statement."""
    lines: dict[Path, int] = {}
    table: Path = ()
    counts: dict[Path, int] = {}
    for line, statement in _toml_statements(text):
        if statement.startswith("["):
            many = statement.startswith("[[")
            table = _in_latest(_toml_key(statement.lstrip("[")), counts)
            if many:
                counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, line)
                table = (*table, counts[table])
            path = table
        else:
            path = (*table, *_toml_key(statement))
        for end in range(1, len(path) + 1):
            lines.setdefault(path[:end], line)
        lines[path] = line
    return lines


def _in_latest(keys: Path, counts: Mapping[Path, int]) -> Path:
    """The path that the keys of a header mean: through an array of tables to its latest one."""
    path: Path = ()
    for position, key in enumerate(keys):
        path = (*path, key)
        if path in counts and position < len(keys) - 1:
            path = (*path, counts[path])
    return path


def _toml_statements(text: str) -> list[tuple[int, str]]:
    """Each statement with its line; what is in strings and brackets begins none."""
    statements: list[tuple[int, str]] = []
    line, depth, start, begun = 1, 0, 0, False
    for token in _TOML_SKIPPED.finditer(text):
        piece = token[0]
        if piece == "\n" and depth == 0:
            begun = False
        elif not begun and piece.strip() and not piece.startswith("#"):
            begun, start = True, token.start()
            end = text.find("\n", start)
            statement = text[start : end if end >= 0 else len(text)].strip()
            statements.append((line, statement))
        if piece in "[{":
            depth += 1
        elif piece in "]}":
            depth -= 1
        line += piece.count("\n")
    return statements


def _toml_key(statement: str) -> Path:
    import tomllib

    parts: list[str] = []
    position = 0
    while part := _TOML_KEY_PART.match(statement, position):
        written = part[1]
        parts.append(tomllib.loads(f"k={written}")["k"] if written[0] in "\"'" else written)
        position = part.end()
        if not part[2]:
            break
    return tuple(parts)


# ---- YAML


def _read_yaml(file: str, text: str) -> tuple[Any, Locate]:
    try:
        import yaml
    except ImportError:
        raise ValidationError(
            f"Reading {file} takes PyYAML, which is not installed",
            suggestions=["pip install pyyaml", "write the config as JSON or TOML"],
            context={"file": file},
        ) from None

    try:
        loader = _yaml_loader()(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        _refuse(
            file, line, f"it holds U+{ord(text[error.position]):04X}, a character that YAML does not take"
        )
    try:
        root = loader.get_single_node()
        if root is None:
            return {}, lambda path: None
        _check_yaml(file, loader, root, [], set())
        locate = _yaml_locator(loader, root)
        return loader.construct_document(root), locate
    except SerializationError:
        raise  # ours, and a ValueError too
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(file, mark.line + 1 if mark else None, error.problem or str(error))
    except (yaml.YAMLError, ValueError) as error:
        _refuse(file, None, str(error))
    except RecursionError:
        _refuse(file, None, "it is nested too deeply")
    finally:
        loader.dispose()


_YAML_1_2 = {
    "tag:yaml.org,2002:bool": (re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    "tag:yaml.org,2002:int": (re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), "-+0123456789"),
    "tag:yaml.org,2002:float": (
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        "-+.0123456789",
    ),
}
"""Plain scalars by the core schema (YAML 1.2.2, section 10.3.2): tag to pattern and first characters."""


def _yaml_int(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0 if text[:2] in ("0o", "0x") else 10)


def _yaml_loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe loader with the booleans and numbers of YAML 1.2.

        To YAML 1.1 ``no`` is false, ``010`` is 8, ``22:22`` is 1342, and ``1e-3`` is a text.
        """

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _YAML_1_2]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for tag, (pattern, first) in _YAML_1_2.items():
        Loader.add_implicit_resolver(tag, pattern, list(first))
    Loader.add_constructor("tag:yaml.org,2002:int", _yaml_int)
    return Loader


def _check_yaml(file: str, loader: Any, node: Any, around: list[Any], seen: set[int]) -> None:
    """Refuse a key given twice, and a part that holds itself; each part is looked at once."""
    if any(node is outer for outer in around):
        _refuse(file, node.start_mark.line + 1, "a part of it holds itself")
    if node.id == "scalar" or id(node) in seen:
        return
    seen.add(id(node))
    around.append(node)
    keys: dict[Any, Any] = {}
    for item in node.value:
        key, value = item if node.id == "mapping" else (None, item)
        if key is not None:
            if key.id != "scalar":
                _refuse(file, key.start_mark.line + 1, "a key is a text")
            if key.tag != "tag:yaml.org,2002:merge" and (key.tag, key.value) in keys:
                _refuse(file, key.start_mark.line + 1, f"the key {key.value!r} is there twice")
            keys[(key.tag, key.value)] = key
        _check_yaml(file, loader, value, around, seen)
    around.pop()


def _yaml_locator(loader: Any, root: Any) -> Locate:
    """Goes down from the root for each path: aliases make more paths than there are parts."""

    def locate(path: Path) -> int | None:
        node, line = root, None
        for part in path:
            found = _yaml_step(node, part)
            if found is None:
                return None
            place, node = found
            line = place.start_mark.line + 1
        return line

    return locate


def _yaml_step(node: Any, part: Any) -> tuple[Any, Any] | None:
    """The place and the content of one part; merged mappings have been flattened by the constructor."""
    if node.id == "sequence":
        return (node.value[part],) * 2 if isinstance(part, int) and part < len(node.value) else None
    if node.id == "mapping":
        for key, value in reversed(node.value):  # a merged key stands before the one that overrides it
            if key.value == str(part):
                return key, value
    return None


_FORMATS: dict[str, Callable[[str, str], tuple[Any, Locate]]] = {
    ".json": _read_json,
    ".toml": _read_toml,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
}
