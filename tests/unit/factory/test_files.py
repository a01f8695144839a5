"""Configs in files: three formats, read strictly, and every part's line is known."""

from __future__ import annotations

import sys

import pytest

from registry import SerializationError, ValidationError
from registry.factory.files import read_config
from tests.unit.factory.conftest import Parts
from tests.unit.factory.objects import Point

CONTENT = {
    "a.json": '{"x": 1, "tags": ["a", "b"]}',
    "a.yaml": "x: 1\ntags: [a, b]\n",
    "a.yml": "x: 1\ntags:\n- a\n- b\n",
    "a.toml": 'x = 1\ntags = ["a", "b"]\n',
    "a.JSON": '\ufeff{"x": 1, "tags": ["a", "b"]}',
}


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


@pytest.mark.parametrize("name", CONTENT)
def test_each_format_builds_the_same(write, name):
    assert Parts.factorize_from_file("Point", write(name, CONTENT[name]), y=2) == Point(1, 2, ("a", "b"))


@pytest.mark.parametrize(
    ("name", "content", "line", "why"),
    [
        ("a.json", '{"a": {\n"b": 1,\n"b": 2}}', 3, "'a.b' is there twice"),
        ("a.json", '{"a":\n 1,,}', 2, ""),
        ("a.json", '{"a": NaN}', None, "NaN"),
        ("a.json", "[" * 100_000, None, ""),
        ("a.json", "[1]", 1, "a config is a mapping"),
        ("a.json", b'{"a": "\xff"}', None, "UTF-8"),
        ("a.yaml", "a:\n  b: 1\n  b: 2\n", 3, "'b' is there twice"),
        ("a.yaml", "a: [1\nb: 2\n", 2, ""),
        ("a.yaml", "a: &a\n  b: *a\n", 1, "holds itself"),
        ("a.yaml", "? [a]\n: 1\n", 1, "a key is a text"),
        (
            "a.yaml",
            "x: 1\na: !!python/object/apply:os.system [true]\n",
            2,
            "could not determine a constructor",
        ),
        ("a.yaml", "- 1\n", 1, "a config is a mapping"),
        ("a.yaml", "a: 1\n---\nb: 1\n", 2, ""),
        ("a.toml", "a = 1\na = 2\n", 2, ""),
        ("a.toml", "[a]\nb = 1\n[a]\n", 3, ""),
        ("a.toml", "a = \n", 1, ""),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_line(write, name, content, line, why):
    path = write(name, content)

    with pytest.raises(SerializationError) as caught:
        read_config(path)

    assert why in caught.value.message
    assert caught.value.context == {"file": path, "line": line}
    assert caught.value.message.startswith(f"{path}, line {line} is no" if line else f"{path} is no")


def test_other_suffixes_are_refused_and_the_known_ones_named(write):
    with pytest.raises(ValidationError, match="suffix") as caught:
        read_config(write("a.ini", ""))

    assert caught.value.suggestions == [".json", ".toml", ".yaml", ".yml"]


def test_a_file_without_a_suffix_says_so(tmp_path):
    with pytest.raises(ValidationError, match="has no suffix, and the suffix says which format"):
        read_config(tmp_path / "train")


def test_a_control_character_in_yaml_is_told_with_its_line(write):
    path = write("a.yaml", "lr: 1\nname: \x01\n")

    with pytest.raises(SerializationError, match=r"line 2 is not a config: it holds U\+0001"):
        read_config(path)


def test_a_file_that_is_not_there_is_the_error_of_python(tmp_path):
    with pytest.raises(FileNotFoundError):
        Parts.factorize_from_file("Point", tmp_path / "a.json")


def test_without_pyyaml_the_error_says_what_to_install(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(ValidationError, match="PyYAML") as caught:
        read_config(write("a.yaml", "a: 1"))

    assert caught.value.suggestions[0] == "pip install pyyaml"


def test_yaml_numbers_anchors_and_merges_are_what_they_look_like(write):
    path = write("a.yaml", "base: &b {lr: 1e-3, n: 1}\nrun:\n  <<: *b\n  n: 2\nempty:\n")
    config = read_config(path)

    assert config == {"base": {"lr": 0.001, "n": 1}, "run": {"lr": 0.001, "n": 2}, "empty": None}
    assert config.line_of(("run", "lr")) == 1
    assert config.line_of(("run", "n")) == 4
    assert read_config(write("b.yaml", "# nothing\n")) == {}


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        (
            "a.json",
            '{"a": [1,\n {"b\\n\\"": "}{,",\n "c": []}],\n "d": {}, "e": [[\n1]]}',
            {("a",): 1, ("a", 1): 2, ("a", 1, 'b\n"'): 2, ("a", 1, "c"): 3, ("d",): 4, ("e", 0, 0): 5},
        ),
        (
            "a.toml",
            "a = [ # [x]\n 1]\n'q.r' = '''\n[b]\n'''\nb.c = 1\n[t.u]\nv = {w = 1}\n"
            "[[m]]\n[[m]]\n[m.n]\no = 1\n",
            {
                ("a",): 1,
                ("q.r",): 3,
                ("b", "c"): 6,
                ("t", "u"): 7,
                ("t", "u", "v", "w"): 8,
                ("m", 0): 9,
                ("m", 1): 10,
                ("m", 1, "n", "o"): 12,
            },
        ),
        (
            "a.yaml",
            "a:\n- 1\n- b: 2\n  c: {d: 3,\n    e: 4}\n",
            {("a",): 1, ("a", 0): 2, ("a", 1, "b"): 3, ("a", 1, "c", "e"): 5},
        ),
    ],
)
def test_every_parts_line_is_known(write, name, content, lines):
    config = read_config(write(name, content))

    assert {path: config.line_of(path) for path in lines} == lines
    assert config.line_of(("not there",)) is None
