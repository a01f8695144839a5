"""Schemes: the parameters of what is registered, as models that configs must fit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy
import pydantic
import pytest

from registry import (
    CoercionError,
    ConformanceError,
    FunctionalRegistry,
    RegistryError,
    SchemeRegistry,
    SerializationError,
    TypeRegistry,
)
from tests.unit.registries.artifacts import defined_as


class Optimizer(pydantic.BaseModel):
    lr: float
    momentum: float = 0.9


@dataclass
class Point:
    x: int
    y: int = 0


class Trainer:
    def __init__(self, epochs: int, optimizer: Optimizer, name: str = "run") -> None:
        self.epochs, self.optimizer, self.name = epochs, optimizer, name


def train(lr: float, epochs: int = 3, *, tags: list[str] | None = None):
    return lr, epochs, tags


def open_ended(a: int, **rest):
    return a, rest


def untyped(a, b=2):
    return a, b


def by_position(a, b, /, c):
    return a, b, c


def gather(*values: int, scale: int = 1):
    return values, scale


def awkward(_hidden: int = 1, copy: int = 2, json: int = 3, schema: int = 4, model_config: int = 5):
    return _hidden, copy, json, schema, model_config


def unresolvable(x: "Nowhere" = 1):  # noqa: F821, UP037
    return x


def holds(stream: Trainer):
    return stream


@pytest.fixture
def configs(define):
    registry = define(SchemeRegistry)
    artifacts = (train, open_ended, untyped, by_position, gather, unresolvable, Optimizer, Point, Trainer)
    registry.safe_register_batch({artifact.__name__: artifact for artifact in artifacts})
    registry.register_artifact("sgd", {"lr": 0.1})
    return registry


def test_the_model_has_the_parameters_types_and_defaults(configs):
    model = configs.get_model("train")

    assert issubclass(model, pydantic.BaseModel)
    assert list(model.model_fields) == ["lr", "epochs", "tags"]
    assert model.model_fields["lr"].annotation is float
    assert model.model_fields["lr"].is_required()
    assert model.model_fields["epochs"].default == 3
    assert model(lr=1).tags is None


def test_a_pydantic_model_is_its_own_scheme(configs):
    assert configs.get_model("Optimizer") is Optimizer


def test_a_class_has_the_scheme_of_its_constructor(configs):
    assert list(configs.get_model("Trainer").model_fields) == ["epochs", "optimizer", "name"]
    assert list(configs.get_model("Point").model_fields) == ["x", "y"]


def test_a_config_is_checked_converted_and_filled_in(configs):
    config = configs.build_config("train", {"lr": "0.5"}, epochs="7")

    assert (config.lr, config.epochs, config.tags) == (0.5, 7, None)


def test_keywords_win_over_the_config(configs):
    assert configs.build_config("train", {"lr": 1, "epochs": 1}, epochs=2).epochs == 2


@pytest.mark.parametrize(
    ("name", "config", "path"),
    [
        ("train", {}, "lr"),
        ("train", {"lr": "fast"}, "lr"),
        ("train", {"lr": 1, "epoch": 3}, "epoch"),
        ("Trainer", {"epochs": 1, "optimizer": {"lr": "x"}}, "optimizer.lr"),
        ("train", {"lr": 1, "tags": ["a", 2]}, "tags.1"),
    ],
)
def test_a_config_that_does_not_fit_is_told_with_the_path(configs, name, config, path):
    with pytest.raises(ConformanceError, match=f"The config does not fit '{name}': {path}") as caught:
        configs.execute(name, config)

    assert [error["path"] for error in caught.value.context["errors"]] == [path]
    assert isinstance(caught.value, TypeError)


def test_an_unknown_field_offers_the_one_that_was_meant(configs):
    with pytest.raises(ConformanceError) as caught:
        configs.build_config("train", lr=1, epoch=3)

    assert caught.value.suggestions == ["epoch: did you mean 'epochs'?"]


def test_executing_calls_with_what_fits(configs):
    assert configs.execute("train", {"lr": 1, "tags": ["a"]}) == (1.0, 3, ["a"])
    assert configs.execute("train", lr=2) == (2.0, 3, None)
    assert configs.execute("untyped", a="anything") == ("anything", 2)
    assert configs.execute("open_ended", {"a": "1", "b": [2]}) == (1, {"b": [2]})
    assert configs.execute("gather", scale=2) == ((), 2)


def test_executing_takes_a_config_that_was_built(configs):
    assert configs.execute("train", configs.build_config("train", lr=2)) == (2.0, 3, None)


def test_executing_a_class_makes_an_instance_with_nested_models(configs):
    trainer = configs.execute("Trainer", {"epochs": 1, "optimizer": {"lr": 0.1}})

    assert type(trainer) is Trainer
    assert trainer.optimizer == Optimizer(lr=0.1)
    assert configs.execute("Optimizer", lr=0.1) == Optimizer(lr=0.1)
    assert configs.execute("Point", x=1) == Point(1, 0)


def test_what_the_callable_raises_comes_out_as_it_is(configs):
    def fail(reason: str):
        raise ZeroDivisionError(reason)

    configs.register_artifact(fail)

    with pytest.raises(ZeroDivisionError, match="mine"):
        configs.execute("fail", reason="mine")


def test_a_parameter_by_position_only_is_named(configs):
    with pytest.raises(ConformanceError, match="'by_position' takes 'a' by position only") as caught:
        configs.get_model("by_position")

    assert caught.value.suggestions


def test_parameters_with_the_names_of_pydantics_methods_are_fields_like_any(configs):
    configs.register_artifact(awkward)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert configs.execute("awkward", copy="20") == (1, 20, 3, 4, 5)


@pytest.mark.parametrize(
    "parameter", ["_hidden", "__twice", "model_config", "model_fields", "model_validate"]
)
def test_a_parameter_may_have_a_name_that_pydantic_keeps_for_itself(configs, parameter):
    configs.register_artifact(
        "needy", defined_as(f"def needy({parameter}: int, hidden_=1): return {parameter}", "needy")
    )

    assert configs.execute("needy", {parameter: "10"}) == 10
    assert configs.execute("needy", configs.build_config("needy", {parameter: 10})) == 10
    assert list(configs.json_schema("needy")["properties"]) == [parameter, "hidden_"]
    with pytest.raises(ConformanceError, match=parameter):
        configs.execute("needy", {parameter: "ten"})


def test_an_annotation_that_means_nothing_here_is_named(configs):
    with pytest.raises(ConformanceError, match="Nowhere") as caught:
        configs.execute("unresolvable", x=1)

    assert caught.value.suggestions


def test_what_has_no_signature_is_named(configs):
    configs.register_artifact("max", max)

    with pytest.raises(ConformanceError, match="'max' has no signature") as caught:
        configs.get_model("max")

    assert caught.value.suggestions


def test_a_config_has_no_scheme_of_its_own(configs):
    for ask in (configs.get_model, configs.json_schema, configs.build_config, configs.execute):
        with pytest.raises(CoercionError, match="'sgd' in Losses is a config"):
            ask("sgd")


def test_a_missing_name_is_a_missing_key(configs):
    for ask in (configs.get_model, configs.json_schema, configs.build_config, configs.execute):
        with pytest.raises(RegistryError, match=r"^Key not found: 'trian'") as caught:
            ask("trian")
        assert caught.value.suggestions[0] == "train"


def test_the_json_schema_tells_types_defaults_and_what_is_required(configs):
    schema = configs.json_schema("train")

    assert schema["required"] == ["lr"]
    assert schema["properties"]["epochs"] == {"default": 3, "title": "Epochs", "type": "integer"}
    assert schema["additionalProperties"] is False
    assert configs.json_schema("open_ended")["additionalProperties"] is True


def test_a_type_that_json_schema_lacks_is_told(configs):
    configs.register_artifact(holds)

    with pytest.raises(SerializationError, match="JSON Schema cannot describe"):
        configs.json_schema("holds")


def test_a_config_is_data_and_calls_nothing_by_itself(configs):
    """Names of files, addresses and import paths stay the texts that they are."""
    config = {"a": "os.system", "b": {"_target_": "os.system", "__class__": "x", "path": "/etc/passwd"}}

    assert configs.execute("open_ended", {"a": 1, **{"b": config}}) == (1, {"b": config})


@pytest.mark.parametrize("config", [3, [1], "text", [("lr", 1)]], ids=repr)
def test_a_config_is_a_mapping_or_a_model(define, config):
    registry = define(SchemeRegistry)
    registry.register_artifact("train", lambda **fields: fields)

    for use in (registry.execute, registry.build_config):
        with pytest.raises(CoercionError, match="A config for 'train' is a mapping or a pydantic model"):
            use("train", config)
    assert registry.execute("train", registry.build_config("train", {"lr": 1})) == {"lr": 1}


def test_functional_and_type_registries_have_schemas_too(define):
    functions, types = define(FunctionalRegistry), define(TypeRegistry)
    functions.register_artifact(train)
    types.register_artifact(Point)

    assert functions.json_schema("train")["required"] == ["lr"]
    assert list(types.get_model("Point").model_fields) == ["x", "y"]


@pytest.mark.parametrize(
    ("scalar", "advice"),
    [("float32", "use float(...)"), ("int64", "use int(...)"), ("bool_", "use bool(...)")],
)
def test_a_scalar_of_numpy_is_refused_with_the_number_to_use(configs, scalar, advice):
    value = getattr(numpy, scalar)(1)

    with pytest.raises(CoercionError, match="numpy") as caught:
        configs.register_artifact("careful", {"lr": value})

    assert caught.value.suggestions == [advice]
