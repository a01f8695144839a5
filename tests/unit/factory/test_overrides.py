"""Fields replaced by dotted paths, in Python and from a command line."""

import pytest

from registry import CoercionError, ConformanceError, SchemeRegistry, parse_overrides
from tests.unit.factory.conftest import Optimizers, Parts


class Runs(SchemeRegistry):
    pass


@Runs.register_artifact
def run(optimizer, layers: list[int], name: str = "first"):
    return optimizer, layers, name


OPTIM = {"optim": Optimizers}
CONFIG = {"optimizer": {"_type": "optim:sgd", "lr": 0.5}, "layers": [1, 2]}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("lr=0.1", {"lr": 0.1}),
        ("optimizer.lr=1e-3", {"optimizer.lr": 0.001}),
        ("name=adam", {"name": "adam"}),
        ('name="3"', {"name": "3"}),
        ("name=a=b", {"name": "a=b"}),
        ("name=", {"name": ""}),
        ("flag=true", {"flag": True}),
        ("layers=[1, 2]", {"layers": [1, 2]}),
        ("none=null", {"none": None}),
        ("time=22:22", {"time": "22:22"}),
    ],
)
def test_an_override_is_read_as_json_or_else_as_text(argument, expected):
    assert parse_overrides([argument]) == expected


@pytest.mark.parametrize("argument", ["lr", "=3", ""])
def test_an_argument_that_is_not_an_override_is_refused(argument):
    with pytest.raises(CoercionError, match="path=value"):
        parse_overrides([argument])


def test_a_dotted_path_replaces_one_field_and_leaves_the_config_alone():
    before = {"optimizer": {"_type": "optim:sgd", "lr": 0.5}, "layers": [1, 2]}
    optimizer, layers, name = Runs.factorize_artifact(
        "run", before, registries=OPTIM, **parse_overrides(["optimizer.lr=0.1", "layers.1=7", "name=b"])
    )

    assert (optimizer.lr, layers, name) == (0.1, [1, 7], "b")
    assert before == CONFIG


def test_a_dotted_path_makes_the_parts_that_are_not_there():
    config = Runs.build_config("run", {"layers": []}, **{"optimizer.lr": 1, "optimizer.deep.er": 2})

    assert config.optimizer == {"lr": 1, "deep": {"er": 2}}
    assert Runs.execute("run", {"layers": []}, **{"optimizer.lr": 1})[0] == {"lr": 1}


@pytest.mark.parametrize("path", ["layers.7", "layers.x", "name.x", "layers.0.x"])
def test_a_path_through_something_without_fields_is_refused(path):
    with pytest.raises(CoercionError, match=path):
        Runs.factorize_artifact("run", {**CONFIG, "name": "a"}, registries=OPTIM, **{path: 1})


def test_an_override_is_not_blamed_on_a_line_of_the_file(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("_type: run\nlayers: [1, x]\noptimizer:\n  _type: optim:sgd\n  lr: 0.5\n")

    with pytest.raises(ConformanceError) as caught:
        Runs.factorize_from_file(file, registries=OPTIM, **{"optimizer.lr": "high", "nane": "b"})

    lines = {error["path"]: error["line"] for error in caught.value.context["errors"]}
    assert lines == {"layers.1": 2, "optimizer.lr": None, "nane": None}
    assert "optimizer.lr: " in caught.value.message


def test_a_file_may_say_what_it_is_a_config_of(tmp_path):
    file = tmp_path / "run.json"
    file.write_text('{"_type": "run", "optimizer": null, "layers": [1]}')

    assert Runs.factorize_from_file(file) == (None, [1], "first")
    assert Runs.factorize_from_file(str(file), name="b") == (None, [1], "b")
    assert Runs.factorize_from_file("run", file) == (None, [1], "first")
    file.write_text('{"optimizer": null, "layers": [1]}')
    with pytest.raises(CoercionError, match="does not say"):
        Runs.factorize_from_file(file)


def test_a_name_without_its_prefix_is_found_in_the_other_registries():
    with pytest.raises(ConformanceError, match="Did you mean 'optim:sgd'"):
        Runs.factorize_artifact(
            "run", {"optimizer": {"_type": "sgd", "lr": 1}, "layers": []}, registries={**OPTIM, "part": Parts}
        )
