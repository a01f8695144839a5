import enum
import math
from collections import OrderedDict

import pytest

from registry.envelope import form, json_codec
from registry.errors import EnvelopeTooLargeError


class Text(str):
    pass


class Colour(enum.IntEnum):
    RED = 1


def nested(depth):
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


def cycle():
    value: dict = {}
    value["self"] = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"result": 42}, '{"result": 42}'),
        ([1, 1.0, True, None, "x"], '[1, 1.0, true, null, "x"]'),
        (-0.0, "-0.0"),
        ("grüße", '"grüße"'),
        (10**4300 - 1, "9" * 4300),
        ({}, "{}"),
    ],
)
def test_exact_json_is_written_with_default_separators(value, text):
    assert json_codec.encode_exactly(value) == text
    assert repr(json_codec.decode(text)) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: 2},
        {"a": (1,)},
        {True: 1},
        {None: 1},
        {Text("a"): 1},
        Text("a"),
        Colour.RED,
        [Colour.RED],
        OrderedDict(a=1),
        {1},
        b"x",
        math.nan,
        [math.inf],
        {"a": -math.inf},
        "\ud800",
        {"\udfff": 1},
        10**4300,
        [-(10**4300)],
        nested(form.MAX_DEPTH + 1),
        cycle(),
        1j,
        object(),
        len,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_would_change_is_not_json(value):
    assert json_codec.encode_exactly(value) is None


def test_deepest_value_travels():
    value = nested(form.MAX_DEPTH)
    text = json_codec.encode_exactly(value)

    assert text is not None
    assert json_codec.decode(text) == value


def test_too_large_a_text_is_refused():
    with pytest.raises(EnvelopeTooLargeError):
        json_codec.encode_exactly("x" * form.MAX_VALUE_BYTES)


def test_few_bytes_that_are_endless_as_json_are_refused_at_once():
    value: list = ["x" * 1000]
    for _ in range(40):
        value = [value] * 10

    with pytest.raises(EnvelopeTooLargeError):
        json_codec.encode_exactly(value)


def test_a_number_that_overflows_with_a_short_exponent_is_not_strict_json():
    with pytest.raises(ValueError, match="range of a double"):
        json_codec.decode("1" + "0" * 300 + "e99")
