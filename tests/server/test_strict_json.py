"""The server's fast way to read JSON takes and refuses exactly what the one strict reader does."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, find, given, settings
from hypothesis import strategies as st

from registry.envelope.form import parse_json
from registry.errors import MalformedEnvelopeError
from registry_server.problems import Problem
from registry_server.strict_json import check_json_text, parse_body, parse_key

REFUSED = object()

NASTY = st.sampled_from(
    [
        *(
            "NaN",
            "-Infinity",
            "1e999",
            "-1E+400",
            "1" * 200 + "e99",
            "1e-999",
            "1.0",
            "-0",
            "01",
            "+1",
            ".5",
            "5.",
        ),
        *("1" * 310, "1" * 4_300, "-" + "1" * 4_300, "1" * 4_301, "0." + "1" * 5_000),
        *("18446744073709551616", "-9223372036854775809"),
        *('"\\ud800"', '"\\udc00\\ud800"', '"\\ud83e\\udd9c"', '"\ud800"', '"\\u00"', '"\\x"'),
        *('"\t"', '"\x7f"', '"\0"', "\ufeff1", "//", "tru", "nul", "'a'", " ", "", "[1,]", "{,}", '{"a"}'),
        *('{"a":1,"a":1}', '{"a":1,"\\u0061":1}', '{"":1,"":2}', '{"é":1,"e\u0301":1}', '{"[":"{","]":"}"}'),
        *(
            "[" * 64 + "]" * 64,
            "[" * 65 + "]" * 65,
            '{"a":' * 64 + "1" + "}" * 64,
            '{"a":' * 65 + "1" + "}" * 65,
        ),
        *('"' + "[" * 100 + '"', '"\\"' + "[" * 100 + '"'),
    ]
)

TEXTS = st.text(max_size=8) | st.text(alphabet='"\\{}[]:,\ud800é🦜', max_size=5)


def spelled(value: Any, how: tuple[bool, str | None, bool]) -> str:
    ascii_only, indent, compact = how
    return json.dumps(
        value, ensure_ascii=ascii_only, indent=indent, separators=(",", ":") if compact else (", ", ": ")
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
SPELLED = st.builds(
    spelled, VALUES, st.tuples(st.booleans(), st.sampled_from([None, "", "\t", "  "]), st.booleans())
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A text that is JSON, nearly is, or has one of the things in it that JSON readers disagree about."""
    text = draw(SPELLED | NASTY)
    if draw(st.booleans()):
        wrapped = draw(
            st.sampled_from(["[{}]", '{{"k": {}}}', '{{"k": 1, "k": {}}}', " {} ", "[{0},{0}]", '"a" {}'])
        )
        text = wrapped.format(text)
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        text = mutated(text, draw)
    return text


def mutated(text: str, draw: st.DrawFn) -> str:
    """One place of it replaced, removed or doubled."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 6)))
    new = draw(
        st.sampled_from(['"', "\\", "{", "}", "[", "]", ",", ":", "0", "e", " ", "\ud800", "\\u", "a"])
        | NASTY
    )
    kept = draw(st.sampled_from([new, "", text[start:end] * 2]))
    return text[:start] + kept + text[end:]


def outcome(read: Any, text: Any) -> Any:
    try:
        return read(text)
    except (MalformedEnvelopeError, Problem):
        return REFUSED


def same(left: Any, right: Any) -> bool:
    """Equal and of the same types all through; NaN never comes."""
    return repr(left) == repr(right)


@settings(max_examples=600, deadline=None)
@given(documents())
def test_a_values_text_is_accepted_exactly_where_the_strict_reader_accepts_it(text):
    """REG-ENV-02."""
    assert (outcome(check_json_text, text) is REFUSED) == (outcome(parse_json, text) is REFUSED)


@settings(max_examples=600, deadline=None)
@given(documents())
@example("[" * 65 + "]" * 65)
@example('{"key":' + "[" * 64 + "]" * 64 + "}")
def test_a_body_is_read_exactly_as_the_strict_reader_reads_it(text):
    """REG-ERR-03."""
    raw = text.encode("utf-8", "surrogatepass")
    strict = outcome(parse_json, text)

    read = outcome(parse_body, raw)

    assert (read is REFUSED) == (strict is REFUSED)
    if strict is not REFUSED:
        assert same(read, strict)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40) | documents().map(lambda text: text.encode("utf-8", "replace")), st.data())
def test_bytes_that_are_not_utf8_are_never_read(raw, data):
    place = data.draw(st.integers(0, len(raw)))
    broken = (
        raw[:place]
        + data.draw(st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"]))
        + raw[place:]
    )

    try:
        broken.decode()
    except UnicodeDecodeError:
        assert outcome(parse_body, broken) is REFUSED


@settings(max_examples=200, deadline=None)
@given(documents().filter(lambda text: "\ud800" not in text))
def test_a_text_that_spells_a_key_is_read_as_the_strict_reader_reads_it(text):
    """REG-NAME-03."""
    strict = outcome(parse_json, text)

    read = outcome(parse_key, text)

    if isinstance(strict, str) or isinstance(read, str):
        assert read == strict


@pytest.mark.parametrize(
    "reader",
    [
        json.loads,
        orjson.loads,
        lambda text: orjson.loads(text) and orjson.dumps(orjson.loads(text)) == text.encode(),
    ],
    ids=["json", "orjson", "orjson, only what it would write"],
)
def test_another_reader_would_be_found_out(reader):
    """The documents hold what readers disagree about, and both what is accepted and what is refused."""

    def disagrees(text: str) -> bool:
        try:
            accepted = reader(text) is not False
        except ValueError:
            accepted = False
        return accepted != (outcome(parse_json, text) is not REFUSED)

    assert find(documents(), disagrees, settings=settings(max_examples=2_000, database=None, deadline=None))


@pytest.mark.parametrize("brackets", [64, 65, 200, 253, 254, 255, 1_024, 1_025, 100_000])
def test_nesting_is_bounded_however_a_body_is_spelled(brackets):
    for text in (
        "[" * brackets + "]" * brackets,
        "[ " * brackets + "]" * brackets,
        '{"a":' * brackets + "1" + "}" * brackets,
        '[[],{"a":' * (brackets // 2) + "1" + "}]" * (brackets // 2),
    ):
        fits = max_depth(text) <= 64
        assert (outcome(parse_body, text.encode()) is not REFUSED) == fits
        assert (outcome(check_json_text, text) is not REFUSED) == fits


def max_depth(text: str) -> int:
    depth = most = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        most = max(most, depth)
    return most


def test_a_problem_says_where_a_body_broke_and_shows_nothing_of_it():
    with pytest.raises(Problem) as raised:
        parse_body(b'{"secret": "hunter2" "next"}')

    assert raised.value.detail == "The body is not strict JSON: Expecting ',' delimiter at character 21"
    with pytest.raises(Problem, match="not UTF-8 at byte 2"):
        parse_body(b'"a\xff"')
