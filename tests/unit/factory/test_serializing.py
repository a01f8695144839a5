"""Back from objects to configs that build equal ones."""

from __future__ import annotations

import gc
import json
import weakref
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import SchemeRegistry, SerializationError
from registry.factory.recipes import _recipes
from tests.unit.factory.conftest import Functions, Optimizers, Parts
from tests.unit.factory.objects import Holder, Optimizer, Pair, Point, Run, Settings, Span

OPTIM = {"optim": Optimizers}

NAMES = st.text(max_size=8).filter(lambda name: name not in ("_type", "_ref", "_partial"))
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
POINTS = st.builds(Point, st.integers(), st.integers(), st.lists(st.text(max_size=3)).map(tuple))
PARTS = st.one_of(
    POINTS,
    st.builds(Pair, POINTS, POINTS, st.dictionaries(NAMES, DATA | POINTS, max_size=3)),
    st.builds(Span, st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(
        Run,
        name=st.text(),
        settings=st.builds(Settings, workers=st.integers(), seed=st.none() | st.integers()),
        stages=st.none() | st.lists(st.builds(Settings), max_size=2),
    ),
)
CONFIGS = st.recursive(
    DATA,
    lambda inner: (
        st.builds(
            lambda one, two, bound: {
                "_type": "Holder",
                **({"_partial": True} if bound else {}),
                "one": one,
                "two": two,
            },
            inner,
            inner,
            st.booleans(),
        )
        | st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)


def plain(built: Any) -> Any:
    """What can be compared of objects without equality of their own."""
    if isinstance(built, Holder):
        return "Holder", plain(built.one), plain(built.two)
    if isinstance(built, partial):
        return "partial", built.func, {key: plain(value) for key, value in built.keywords.items()}
    if isinstance(built, list):
        return [plain(item) for item in built]
    return built


@settings(deadline=None)
@given(PARTS)
def test_a_registered_dataclass_model_or_attrs_class_comes_back_equal(built):
    config = json.loads(json.dumps(Parts.serialize(built)))

    assert Parts.factorize_artifact(config) == built


@settings(deadline=None)
@given(CONFIGS, CONFIGS)
def test_what_the_factory_built_comes_back_as_it_was_built(one, two):
    built = Parts.factorize_artifact("Holder", one=one, two=two)
    config = Parts.serialize(built)

    assert config == {"_type": "Holder", "one": one, "two": two}
    assert plain(Parts.factorize_artifact(config)) == plain(built)


def test_what_is_shared_stays_shared():
    config = {
        "_type": "Holder",
        "one": {"_type": "Holder", "one": {"_type": "optim:sgd", "lr": 0.1}},
        "two": {"_ref": "one.one"},
    }
    built = Parts.factorize_artifact(config, registries=OPTIM)

    assert Parts.serialize(built, registries=OPTIM) == config


def test_a_part_taken_alone_stands_on_its_own():
    built = Parts.factorize_artifact(
        "Holder", one={"_type": "Holder", "one": {"_ref": "two.a b"}}, two={"a b": {"_type": "Point", "x": 1}}
    )

    assert Parts.serialize(built.one) == {"_type": "Holder", "one": {"_type": "Point", "x": 1}}


def test_a_reference_through_a_key_with_a_dot_is_a_list_of_keys():
    point = Point(1)
    config = Parts.serialize(Pair(Point(0), point, {"a.b": [point]}))
    again = Parts.factorize_artifact(config)
    config = Parts.serialize(
        Parts.factorize_artifact(
            "Holder", one={"a.b": {"_type": "Point", "x": 1}}, two={"_ref": ["one", "a.b"]}
        )
    )

    assert again.notes["a.b"][0] is again.right
    assert config["two"] == {"_ref": ["one", "a.b"]}


def test_fields_are_told_as_they_are_now():
    point = Parts.factorize_artifact("Point", x=1)
    point.x = 5

    assert Parts.serialize(point) == {"_type": "Point", "x": 5, "y": 0, "tags": []}


def test_a_config_that_changed_afterwards_changes_nothing():
    data = {"a": [1]}
    built = Parts.factorize_artifact("Holder", one=data)
    data["a"].append(2)

    assert Parts.serialize(built) == {"_type": "Holder", "one": {"a": [1]}}


def test_objects_given_in_a_config_are_told_too():
    optimizer = Optimizers.factorize_artifact("sgd", lr=1)
    point = Point(1)
    built = Parts.factorize_artifact("Holder", one=optimizer, two=[point])

    assert Parts.serialize(built, registries=OPTIM) == {
        "_type": "Holder",
        "one": {"_type": "optim:sgd", "lr": 1},
        "two": [{"_type": "Point", "x": 1, "y": 0, "tags": []}],
    }


def test_a_partial_of_something_registered_is_told():
    bound = partial(Optimizer, lr=1)

    assert Parts.serialize(bound, registries=OPTIM) == {"_type": "optim:sgd", "_partial": True, "lr": 1}


def test_remembering_keeps_nothing_alive():
    built = Parts.factorize_artifact("Holder", one={"_type": "Holder"})
    given_object = Point(3)
    other = Parts.factorize_artifact("Holder", one=given_object)
    built.one.one = built  # a child that knows its parent
    gone = [weakref.ref(built), weakref.ref(given_object), weakref.ref(other)]
    keys = [id(built), id(other)]
    del built, given_object, other
    gc.collect()

    assert [reference() for reference in gone] == [None, None, None]
    assert not set(keys) & set(_recipes)


def test_values_that_json_lacks_travel_by_their_annotations():
    class Own(SchemeRegistry):
        pass

    def started(day: date, folder: Path, sizes: set[int]) -> Any:
        return Holder(day, folder)

    Own.register_artifact(started)
    built = Own.factorize_artifact("started", day=date(2020, 1, 2), folder=Path("a/b"), sizes={1})

    assert Own.serialize(built) == {"_type": "started", "day": "2020-01-02", "folder": "a/b", "sizes": [1]}


@pytest.mark.parametrize(
    "value", [object(), date(2020, 1, 2), (1, 2), float("nan"), {"_type": "x"}, {1: 2}, {1}]
)
def test_what_no_config_can_say_is_told_with_its_path(value):
    pair = Pair(Point(1), Point(2), {"a": value})

    with pytest.raises(SerializationError, match=r"at notes\.a could be built") as caught:
        Parts.serialize(pair)

    assert caught.value.context["path"] == "notes.a"
    assert caught.value.suggestions


@pytest.mark.parametrize("value", [3, [1], Optimizer(1), Holder(), None])
def test_only_what_is_built_has_a_config(value):
    with pytest.raises(SerializationError, match=r"at \(root\) could be built"):
        Parts.serialize(value)


def test_an_object_of_a_registry_without_prefix_names_the_registry():
    built = Parts.factorize_artifact("Holder", one={"_type": "optim:sgd", "lr": 1}, registries=OPTIM)

    with pytest.raises(SerializationError, match="'sgd' of Optimizers, for which") as caught:
        Parts.serialize(built)

    assert caught.value.suggestions == ["registries={'prefix': Optimizers}"]


def test_an_object_that_holds_itself_has_no_config():
    pair = Pair(Point(1), Point(2))
    pair.notes["self"] = pair

    with pytest.raises(SerializationError, match=r"at notes\.self is what it is in, at \(root\)"):
        Parts.serialize(pair)


def test_an_object_that_was_given_and_is_gone_is_told():
    built = Parts.factorize_artifact("Holder", one=Optimizer(1))
    built.one = None
    gc.collect()

    with pytest.raises(SerializationError, match="is there no more"):
        Parts.serialize(built)


def test_what_cannot_be_remembered_is_built_all_the_same():
    assert Functions.factorize_artifact("gather", a=1) == {"a": 1}
