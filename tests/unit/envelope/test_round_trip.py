"""Any value comes back as it was, type for type, or is refused: never changed."""

import collections
import datetime
import decimal
import enum
import fractions
import math
import os
import uuid
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.envelope.codec import EnvelopeCodec
from registry.envelope.form import Envelope
from registry.envelope.signing import Keyring, SigningKey
from registry.envelope.trust import TrustPolicy
from registry.errors import SerializationError

CODEC = EnvelopeCodec(TrustPolicy(keyring=Keyring([SigningKey(bytes(32))])))
NAME: dict[str, Any] = {"namespace": "a.b", "key": "c"}
EXAMPLES = int(os.environ.get("REGISTRY_TEST_EXAMPLES", "300"))


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    A = "a"


class Text(str):
    pass


class Number(int):
    pass


class Rows(list):
    pass


class Table(dict):
    pass


Point = collections.namedtuple("Point", "x y")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([64, 4_299, 4_300]).map(lambda digits: 10**digits),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([-0.0, 5e-324, 1.7976931348623157e308]),
    st.text(),
    st.text(st.characters(categories=["Cs"]), min_size=1, max_size=2),
    st.binary(),
    st.complex_numbers(allow_nan=False),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.datetimes(),
    st.sampled_from([*Colour, *Level, *Name, ..., NotImplemented]),
    st.builds(Text, st.text()),
    st.builds(Number, st.integers()),
)
hashables = st.one_of(
    st.text(), st.integers(), st.booleans(), st.none(), st.sampled_from([*Colour, *Name, (1, "a")])
)


def containers(inner):
    return st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(st.text(), inner),
        st.dictionaries(hashables, inner),
        st.lists(inner, max_size=3).map(Rows),
        st.dictionaries(st.text(), inner, max_size=3).map(Table),
        st.builds(Point, inner, inner),
        st.dictionaries(st.text(), inner, max_size=3).map(collections.OrderedDict),
        st.frozensets(hashables),
        st.sets(hashables),
        st.builds(collections.deque, st.lists(inner, max_size=3)),
        st.builds(slice, st.integers(), st.integers()),
    )


values = st.recursive(scalars, containers, max_leaves=20)
json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=30,
)


def same(left, right):
    """Equal with equal types all the way down, signs of zero and order of keys included; NaN is NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            same(pair, other) for pair, other in zip(left.items(), right.items(), strict=True)
        )
    if isinstance(left, list | tuple | collections.deque):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, set | frozenset):
        return sorted(map(repr, left)) == sorted(map(repr, right))
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or left.hex() == right.hex()
    if isinstance(left, slice):
        return same((left.start, left.stop, left.step), (right.start, right.stop, right.step))
    return bool(left == right)


def travelled(value):
    envelope = Envelope.from_dict(CODEC.encode(value, **NAME).to_dict())
    return CODEC.decode(envelope, **NAME)


def test_same_tells_apart_what_equality_does_not():
    for left, right in [(1, True), (1, 1.0), (0.0, -0.0), ([1], (1,)), (Name.A, "a"), ({"a": 1}, Table(a=1))]:
        assert not same(left, right)
    assert same([math.nan], [math.nan])


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(values)
def test_any_value_is_lossless_or_refused(value):
    try:
        result = travelled(value)
    except SerializationError:
        return
    assert same(value, result)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(json_values)
def test_exactly_json_travels_as_json(value):
    assert CODEC.encode(value, **NAME).type == "json"
    assert same(value, travelled(value))


def test_values_of_the_standard_library_are_lossless():
    for value in (
        decimal.Decimal("1.10"),
        fractions.Fraction(1, 3),
        uuid.UUID(int=1),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        range(3),
        collections.Counter("aab"),
        collections.defaultdict(list, a=[1]),
        bytearray(b"x"),
        Colour.RED,
    ):
        assert same(value, travelled(value))


def test_one_list_in_two_places_stays_one_list_by_value():
    shared = [1]

    first, second = travelled((shared, shared))
    assert first is second


def test_a_json_value_is_made_afresh_for_each_reader():
    envelope = CODEC.encode({"a": [1]}, **NAME)
    CODEC.decode(envelope, **NAME)["a"].append(2)

    assert CODEC.decode(envelope, **NAME) == {"a": [1]}
