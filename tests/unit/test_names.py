"""The grammar of namespaces and keys."""

from __future__ import annotations

import re
from enum import Enum, StrEnum

import pytest

from registry.errors import CoercionError, NamespaceError
from registry.names import MAX_KEY_BYTES, MAX_NAMESPACE_LENGTH, NAMESPACE_PATTERN, check_key, check_namespace
from registry.spec import load_spec


class Colour(StrEnum):
    RED = "red"


class OldColour(str, Enum):  # noqa: UP042 - what is tested is that its str() is not its text
    RED = "red"


@pytest.mark.parametrize(
    "namespace", ["a", "0", "research.losses", "experiments.2024.exp01", "A.b.C", "a" * MAX_NAMESPACE_LENGTH]
)
def test_dotted_letters_and_digits_are_a_namespace(namespace):
    assert check_namespace(namespace) == namespace


@pytest.mark.parametrize(
    "namespace",
    [
        "",
        ".",
        ".a",
        "a.",
        "a..b",
        "a b",
        "a_b",
        "a-b",
        "a/b",
        "../a",
        "a\n",
        "a.b\n",
        "\na",
        "ä",
        "а",  # noqa: RUF001 - Cyrillic
        "٣",
        "a\x00",
        "a" * (MAX_NAMESPACE_LENGTH + 1),
        None,
        7,
        b"research",
        ["a"],
    ],
)
def test_anything_else_is_an_invalid_namespace(namespace):
    with pytest.raises(NamespaceError, match=r"^Invalid namespace: ") as caught:
        check_namespace(namespace)

    assert caught.value.suggestions


@pytest.mark.parametrize(
    ("wrong", "repaired"),
    [("my_team.losses", "myteam.losses"), ("a..b", "a.b"), ("a/b", "a.b"), ("", "research.losses")],
)
def test_the_suggestion_for_a_wrong_namespace_is_one(wrong, repaired):
    with pytest.raises(NamespaceError) as caught:
        check_namespace(wrong)

    assert caught.value.suggestions == [repaired]
    assert check_namespace(repaired)


def test_a_huge_wrong_namespace_is_not_shown_whole():
    with pytest.raises(NamespaceError) as caught:
        check_namespace("!" * 100_000)

    assert len(str(caught.value)) < 600


def test_the_pattern_is_the_one_of_the_specification():
    patterns = set(re.findall(r"pattern: '?(\^\[A-Za-z0-9\]\+[^\s']*)", spec_source()))

    assert patterns == {NAMESPACE_PATTERN}
    assert load_spec()["openapi"].startswith("3.0.")


def spec_source() -> str:
    from registry.spec import spec_text

    return spec_text()


@pytest.mark.parametrize(
    "key", ["a", "..", "a/b?c#d", " ", "\u00e9", "e\u0301", "\x00", "\n", "日本", "x" * 1024]
)
def test_any_short_text_is_a_key_and_stays_as_it_is(key):
    assert check_key(key) == key


def test_a_key_may_have_as_many_bytes_as_the_limit_and_no_more():
    assert check_key("é" * (MAX_KEY_BYTES // 2))

    with pytest.raises(CoercionError) as caught:
        check_key("é" * (MAX_KEY_BYTES // 2) + "x")
    assert caught.value.context == {"bytes": MAX_KEY_BYTES + 1, "limit": MAX_KEY_BYTES}


@pytest.mark.parametrize("key", [1, True, 1.0, None, b"a", ("a",), object()])
def test_what_is_no_text_is_no_key(key):
    with pytest.raises(CoercionError, match=rf"not {type(key).__name__}"):
        check_key(key)


def test_a_number_is_offered_as_its_text():
    with pytest.raises(CoercionError) as caught:
        check_key(42)

    assert caught.value.suggestions == ["use str(key): '42'"]


@pytest.mark.parametrize("key", ["", "\ud800", "a\udfff"])
def test_an_empty_text_and_a_lone_surrogate_are_no_key(key):
    with pytest.raises(CoercionError):
        check_key(key)


@pytest.mark.parametrize("key", [Colour.RED, OldColour.RED])
def test_a_subclass_of_str_stands_for_its_text(key):
    checked = check_key(key)

    assert type(checked) is str
    assert checked == "red"
