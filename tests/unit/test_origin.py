from __future__ import annotations

import functools
import linecache
import math
import operator
import pickle
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.origin import Origin, origin_of

HERE = __name__
FILE = __file__


def function(x: int) -> int:
    return x


def decorated_with(decorator: Any) -> Any:
    return decorator(function)


class Model:
    """Has a line between its statement and its first method."""

    limit = 3

    def method(self) -> None: ...

    @classmethod
    def make(cls) -> None: ...

    @staticmethod
    def help() -> None: ...

    @property
    def size(self) -> int:
        return 1

    @functools.cached_property
    def cached(self) -> int:
        return 1

    def __call__(self) -> None: ...

    class Inner:
        name = ""


def mark(cls: type) -> type:
    return cls


@mark
class Decorated:
    pass


class Point(NamedTuple):
    x: int


def line_of(text: str) -> int:
    """The number of the first line of this file that starts with ``text``."""
    lines = Path(FILE).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(text))


def wrapping(func: Any) -> Any:
    @functools.wraps(func)
    def wrapper(*arguments: Any) -> Any:
        return func(*arguments)

    return wrapper


@pytest.mark.parametrize(
    "artifact",
    [
        function,
        wrapping(function),
        wrapping(wrapping(function)),
        functools.lru_cache(function),
        functools.partial(function, 1),
        functools.partial(wrapping(function), 1),
        staticmethod(function),
    ],
)
def test_wrappers_lead_to_the_function_inside(artifact: object) -> None:
    assert origin_of(artifact) == Origin(HERE, "function", FILE, line_of("def function"))


@pytest.mark.parametrize(
    ("artifact", "qualname", "line"),
    [
        (Model.method, "Model.method", "def method"),
        (Model().method, "Model.method", "def method"),
        (Model.make, "Model.make", "@classmethod"),
        (Model.help, "Model.help", "@staticmethod"),
        (vars(Model)["size"], "Model.size", "@property"),
        (vars(Model)["cached"], "Model.cached", "@functools.cached_property"),
    ],
)
def test_methods_are_found_in_their_class(artifact: object, qualname: str, line: str) -> None:
    assert origin_of(artifact) == Origin(HERE, qualname, FILE, line_of(line))


@pytest.mark.parametrize(
    ("cls", "line"),
    [
        (Model, "class Model"),
        (Model.Inner, "class Inner"),
        (Decorated, "@mark"),
        (Point, "class Point"),
    ],
)
def test_a_class_is_where_its_statement_begins(cls: type, line: str) -> None:
    assert origin_of(cls) == Origin(HERE, cls.__qualname__, FILE, line_of(line))


def test_a_class_is_looked_up_in_its_file_only_when_its_line_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("read a file")

    with monkeypatch.context() as patched:
        patched.setattr(linecache, "getlines", read)
        patched.setattr(linecache, "checkcache", read)
        origin = origin_of(Model)
        assert (origin.module, origin.qualname, origin.file) == (HERE, "Model", FILE)

    assert origin.line == line_of("class Model")


def test_a_class_of_a_notebook_is_in_the_cell_of_its_methods() -> None:
    name = "<ipython-input-7-abc>"
    text = "\n\nclass Cell:\n    def method(self): pass\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), space)

    assert str(origin_of(space["Cell"])) == f"__main__.Cell ({name}:3)"


def test_of_classes_with_one_name_it_is_the_one_around_the_method(tmp_path: Path) -> None:
    path = tmp_path / "twice.py"
    path.write_text("class C:\n    def m(self): pass\nfirst = C\nclass C:\n    def m(self): pass\n")
    space: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), space)

    assert (origin_of(space["first"]).line, origin_of(space["C"]).line) == (1, 4)


@pytest.mark.parametrize(
    ("artifact", "text"),
    [
        (len, "builtins.len"),
        (math.sin, "math.sin"),
        (int, "builtins.int"),
        ({}, "<dict>"),
        (None, "<NoneType>"),
        (Model(), f"{HERE}.<Model>"),
        (operator.itemgetter(1), "operator.<itemgetter>"),
    ],
)
def test_what_has_no_code_is_named_without_a_place(artifact: object, text: str) -> None:
    assert str(origin_of(artifact)) == text


@pytest.mark.parametrize(
    ("artifact", "name"),
    [({}, f"{HERE}.<dict>"), (Model(), f"{HERE}.<Model>"), (len, "builtins.len"), (int, "builtins.int")],
)
def test_what_has_no_code_is_where_it_was_registered(artifact: object, name: str) -> None:
    frame = sys._getframe()

    origin = origin_of(artifact, frame)

    assert str(origin) == f"{name} ({FILE}:{frame.f_lineno - 2})"


def test_the_frame_does_not_replace_what_the_code_tells() -> None:
    assert origin_of(function, sys._getframe()) == origin_of(function)


def test_a_lambda_has_a_line() -> None:
    assert str(origin_of(lambda: 1)).startswith(f"{HERE}.test_a_lambda_has_a_line.<locals>.<lambda> ({FILE}:")


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class Endless:
    def __getattr__(self, name: str) -> Endless:
        return self


class Loop:
    def __init__(self) -> None:
        self.__wrapped__ = self


@pytest.mark.parametrize("kind", [Hostile, Endless, Loop])
def test_an_artifact_that_answers_nonsense_has_an_origin(kind: type) -> None:
    assert str(origin_of(kind())).endswith(f"<{kind.__name__}>")


@pytest.mark.parametrize(
    "origin",
    [
        Origin("a.b", "C.m", "/x y/(z).py", 3),
        Origin("a", "f.<locals>.<lambda>", "<stdin>", 1),
        Origin("a.b", "f", "C:\\x.py", 12),
        Origin("a", "<dict>"),
        Origin("", "f"),
        Origin("", "", "f.py", 3),
        Origin("a", "f", "f.py"),
    ],
)
def test_what_was_written_is_read_back(origin: Origin) -> None:
    assert Origin.parse(str(origin)) == origin


names = st.text("abCD_.<>", max_size=12)


@settings(deadline=None)
@given(names, names, st.text(max_size=20), st.integers(0, 99))
def test_the_text_survives_any_parsing(module: str, qualname: str, file: str, line: int) -> None:
    text = str(Origin(module, qualname, file, line))

    assert str(Origin.parse(text)) == text


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert isinstance(Origin.parse(text), Origin)


def test_an_origin_is_equal_by_its_parts_and_survives_pickle() -> None:
    origin = origin_of(Model)

    assert pickle.loads(pickle.dumps(origin)) == origin
    assert len({origin, origin_of(Model), origin_of(Decorated)}) == 2
    assert origin != str(origin)
