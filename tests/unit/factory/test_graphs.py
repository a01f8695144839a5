"""Object graphs: what a config builds, in which order, and what it never reaches."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import pydantic
import pytest

from registry import CoercionError, ConformanceError, FunctionalRegistry, RegistryError, ValidationError
from tests.unit.factory.conftest import Functions, Optimizers, Parts, Schemes
from tests.unit.factory.objects import Layer, Model, Optimizer, Point, Run, Settings, Trainer

TRAINER: dict[str, Any] = {
    "model": {"_type": "Model", "layers": [{"_type": "Layer", "width": "3"}, {"_type": "Layer", "width": 4}]},
    "optimizer": {"_type": "optim:sgd", "lr": 0.1},
}


def test_nested_types_are_built_from_the_leaves_up(build, calls):
    trainer = build("Trainer", TRAINER, epochs="2")

    assert type(trainer) is Trainer
    assert [layer.width for layer in trainer.model.layers] == [3, 4]
    assert type(trainer.optimizer) is Optimizer
    assert trainer.epochs == 2
    assert calls == ["Layer", "Layer", "Model", "Optimizer", "Trainer"]


def test_a_config_is_left_as_it_was(build):
    before = repr(TRAINER)
    build("Trainer", TRAINER)

    assert repr(TRAINER) == before


@pytest.mark.parametrize("registry", [Parts, Functions, Schemes])
def test_each_kind_of_registry_builds(registry):
    name = "gather" if registry is Functions else "Holder"

    assert registry.factorize_artifact(name, {} if registry is Functions else {"one": 1}) is not None


def test_the_whole_config_may_come_first_and_say_its_own_type(build):
    assert build({"_type": "Point", "x": 1}) == Point(1)
    assert build("Point", {"_type": "Point", "x": 1}) == Point(1)

    with pytest.raises(CoercionError, match="does not say what it is"):
        build({"x": 1})
    with pytest.raises(CoercionError, match="only config"):
        build({"_type": "Point"}, {"x": 1})
    with pytest.raises(ConformanceError, match="_type: it says 'Pair'"):
        build("Point", {"_type": "Pair", "x": 1})


def test_lists_tuples_and_mappings_may_hold_parts(build):
    held = build("Holder", one=({"_type": "Point", "x": 1}, 2), two={"a": [{"_type": "Point", "x": 3}]})

    assert held.one == (Point(1), 2)
    assert held.two == {"a": [Point(3)]}


def test_a_pydantic_model_or_a_dataclass_is_a_config():
    class Wanted(pydantic.BaseModel):
        x: int
        y: int = 7

    @dataclass
    class Typed:
        x: int
        _type: str = "Point"

    assert Parts.factorize_artifact("Point", Wanted(x=1)) == Point(1, 0)
    assert Parts.factorize_artifact("Holder", one=Typed(5)).one == Point(5)
    assert Parts.factorize_artifact("Holder", one=Point(1)).one == Point(1)
    assert Parts.factorize_artifact("Run", Run(name="a", settings=Settings(workers=3))).settings.workers == 3

    with pytest.raises(CoercionError, match="not int"):
        Parts.factorize_artifact("Point", 3)


def test_a_reference_is_the_very_object_built_once(build, calls):
    shared = {**TRAINER, "optimizer": {"_ref": "model.optimizer"}}
    shared["model"] = {**TRAINER["model"], "optimizer": {"_type": "optim:sgd", "lr": 1}}
    trainer = build("Trainer", shared)

    assert trainer.optimizer is trainer.model.optimizer
    assert calls.count("Optimizer") == 1


def test_a_reference_may_stand_before_what_it_leads_to_and_lead_through_lists_and_references(build):
    held = build(
        "Holder",
        one={"_ref": "two.b.0"},
        two={"a": {"_ref": ["two", "b"]}, "b": [{"_type": "Point", "x": 1}]},
    )

    assert held.one is held.two["b"][0]
    assert held.two["a"] is held.two["b"]
    assert build("Holder", one={"_ref": "two.a.0"}, two={"a": {"_ref": "two.b"}, "b": [5]}).one == 5


def test_data_that_is_referred_to_is_checked_before_anything_is_called(build, calls):
    with pytest.raises(ConformanceError, match=r"one\.width"):
        build("Holder", one={"_type": "Layer", "width": {"_ref": "two"}}, two="wide")

    assert calls == []


@pytest.mark.parametrize(
    "fields",
    [
        {"one": {"_ref": "one"}},
        {"one": {"_ref": "two"}, "two": {"_ref": "one"}},
        {"one": {"_type": "Holder", "one": {"_ref": "one"}}},
        {"one": [{"_ref": "two"}], "two": [{"_ref": "one"}]},
    ],
)
def test_a_circle_of_references_is_refused(build, calls, fields):
    with pytest.raises(ConformanceError, match="in a circle"):
        build("Holder", fields)

    assert calls == []


def test_a_reference_to_no_part_offers_the_near_one(build):
    with pytest.raises(ConformanceError, match=r"there is no part 'model\.optimiser'") as caught:
        build("Holder", one={"_ref": "model.optimiser"}, two=1, model={"optimizer": 3})

    assert "one._ref: did you mean 'model.optimizer'?" in caught.value.suggestions


@pytest.mark.parametrize(
    "part", [{"_ref": ""}, {"_ref": 3}, {"_ref": "two", "more": 1}, {"_type": 3}, {"_partial": True}]
)
def test_a_part_that_says_nothing_is_refused(build, calls, part):
    with pytest.raises(ConformanceError, match=r"one"):
        build("Holder", one=part, two=2)

    assert calls == []


def test_partial_binds_what_is_given_and_calls_nothing(build, calls):
    bound = build("Holder", one={"_type": "optim:sgd", "_partial": True, "momentum": "0.5"}).one

    assert calls == ["Holder"]
    assert isinstance(bound, partial)
    assert bound.keywords == {"momentum": 0.5}
    assert bound(lr=1).momentum == 0.5


def test_partial_still_refuses_unknown_fields_and_wrong_types(build):
    with pytest.raises(ConformanceError) as caught:
        build("Holder", one={"_type": "optim:sgd", "_partial": True, "momentm": 1, "lr": "x"})

    assert [error["path"] for error in caught.value.context["errors"]] == ["one.momentm", "one.lr"]


@pytest.mark.parametrize("value", [1, "yes", None])
def test_partial_is_true_or_false(build, value):
    with pytest.raises(ConformanceError, match=r"one\._partial: it is true or false"):
        build("Holder", one={"_type": "Point", "_partial": value, "x": 1})


def test_names_without_a_known_prefix_are_the_asked_registrys_own():
    class Odd(FunctionalRegistry[..., Any]):
        pass

    Odd.register_artifact("a:b", lambda: "own")

    assert Odd.factorize_artifact("a:b") == "own"
    assert Odd.factorize_artifact("a:sgd", lr=1, registries={"a": Optimizers}).lr == 1


def test_a_registry_that_is_none_is_refused():
    with pytest.raises(CoercionError, match=r"registries\['optim'\]"):
        Parts.factorize_artifact("Point", x=1, registries={"optim": object})  # type: ignore[dict-item]


def test_an_unknown_name_at_the_root_is_a_missing_key(build):
    with pytest.raises(RegistryError, match=r"^Key not found: 'Trianer' in Parts"):
        build("Trianer")


@pytest.mark.parametrize(
    ("name", "meant"), [("Layr", "Layer"), ("optim:sgdd", "optim:sgd"), ("optm:sgd", "optim:sgd")]
)
def test_an_unknown_name_inside_is_told_with_its_path_and_the_right_one(build, name, meant):
    with pytest.raises(ConformanceError) as caught:
        build("Holder", one=[{"_type": name}])

    assert caught.value.suggestions == [f"one.0._type: did you mean {meant!r}?"]


def test_a_named_config_is_no_callable():
    with pytest.raises(CoercionError, match="'careful' in Schemes is a config"):
        Schemes.factorize_artifact("careful")
    with pytest.raises(ConformanceError, match=r"one\._type: 'careful' in Schemes is a config"):
        Schemes.factorize_artifact("Holder", one={"_type": "careful"})


def test_what_was_built_must_suit_the_parameter_it_is_for(build):
    with pytest.raises(ConformanceError, match=r"optimizer: Input should be an instance of Optimizer"):
        build("Trainer", {**TRAINER, "optimizer": {"_type": "Point", "x": 1}})


def test_a_mapping_without_type_where_an_object_is_due_is_told_what_it_lacks(build):
    with pytest.raises(ConformanceError) as caught:
        build("Trainer", {**TRAINER, "optimizer": {"lr": 1}})

    assert caught.value.suggestions == ["optimizer: name what builds it, {'_type': ...}"]


def test_no_value_of_a_config_is_imported_opened_or_called(build):
    evil = {
        "_target_": "antigravity.fly_to",
        "__class__": "os.system",
        "_import_": "antigravity",
        "file": "/etc/passwd",
        "url": "http://localhost:1/x",
        "interpolated": "${oc.env:HOME}",
    }
    held = build("Holder", one=evil)

    assert held.one == evil
    assert "antigravity" not in sys.modules
    for name in ("os.system", "builtins:eval", "antigravity", "registry.base:Registry"):
        with pytest.raises(ConformanceError, match="Key not found"):
            build("Holder", one={"_type": name, "command": "true"})


def test_a_config_that_holds_itself_or_is_too_large_ends(build):
    endless: dict[str, Any] = {"x": 1}
    endless["self"] = endless

    with pytest.raises(ValidationError, match="too large"):
        build("Holder", one=endless)
    with pytest.raises(ValidationError, match="too large"):
        build("Holder", one=[0] * 100_001)


def test_open_ended_callables_take_parts_in_any_field():
    assert Functions.factorize_artifact(
        "gather", a={"_type": "p:Point", "x": 1}, registries={"p": Parts}
    ) == {"a": Point(1)}


def test_models_take_parts_in_their_own_fields(build):
    built = build(
        "Run", name="a", settings={"_type": "Settings", "workers": 5}, by_host={"h": {"_type": "Settings"}}
    )

    assert built == Run(name="a", settings=Settings(workers=5), by_host={"h": Settings()})


def test_a_field_called_registries_is_given_in_the_mapping():
    def takes(registries: int) -> int:
        return registries

    class Own(FunctionalRegistry[..., Any]):
        pass

    Own.register_artifact(takes)

    assert Own.factorize_artifact("takes", {"registries": 3}) == 3


def test_layers_are_checked_by_their_own_types(build):
    model = build("Model", layers=[{"_type": "Layer", "width": 2}])

    assert type(model) is Model
    assert type(model.layers[0]) is Layer
