"""What is wrong with a config is told all at once, with paths, lines and the names that were meant."""

from __future__ import annotations

import pickle

import pytest

from registry import ConformanceError, SchemeRegistry
from tests.unit.factory.conftest import Functions, Optimizers, Parts

TYPO = {
    "model": {
        "_type": "Model",
        "layers": [{"_type": "Layer", "width": 1}],
        "optimizer": {"_type": "optim:sgd"},
    },
    "optimizer": {"_type": "optim:sgd", "lr": 0.1, "momentun": 0.9},
}
FILES = {
    "run.json": """{
  "model": {
    "_type": "Model",
    "layers": [
      {"_type": "Layer", "width": 3},
      {"_type": "Layer",
       "widht": 4}
    ]
  },
  "optimizer": {"_type": "optim:sgd", "lr": 0.1}
}""",
    "run.yaml": """
# two layers
model:
  _type: Model
  layers:
    - {_type: Layer, width: 3}
    - _type: Layer
      widht: 4
optimizer: {_type: "optim:sgd", lr: 1e-1}
""",
    "run.toml": '''
notes = """
[model]
widht = 3 """
[optimizer]
_type = "optim:sgd"
lr = 0.1
[model]
_type = "Model"
[[model.layers]]
_type = "Layer"
width = 3
[[model.layers]]
_type = "Layer"  # widht = 1
widht = 4
''',
}
LINES = {"run.json": 7, "run.yaml": 8, "run.toml": 15}


def errors_of(caught):
    return {error["path"]: error["error"] for error in caught.value.context["errors"]}


def test_all_problems_are_told_at_once_and_nothing_is_called(build, calls):
    with pytest.raises(ConformanceError) as caught:
        build("Trainer", TYPO, epochs="many", epoch=3)

    assert errors_of(caught) == {
        "epoch": "there is no such field",
        "epochs": "Input should be a valid integer, unable to parse string as an integer",
        "model.optimizer.lr": "Field required",
        "optimizer.momentun": "there is no such field",
    }
    assert caught.value.suggestions == [
        "epoch: did you mean 'epochs'?",
        "optimizer.momentun: did you mean 'momentum'?",
    ]
    assert "optimizer.momentun: there is no such field" in caught.value.message
    assert calls == []


@pytest.mark.parametrize("file", FILES)
def test_a_typo_three_levels_down_gets_one_error_with_path_line_and_right_name(tmp_path, file):
    path = tmp_path / file
    path.write_text(FILES[file])

    with pytest.raises(ConformanceError) as caught:
        Parts.factorize_from_file("Trainer", path, registries={"optim": Optimizers})

    wanted = [error for error in caught.value.context["errors"] if error["path"] == "model.layers.1.widht"]
    assert wanted == [
        {
            "path": "model.layers.1.widht",
            "error": "there is no such field",
            "file": str(path),
            "line": LINES[file],
        }
    ]
    assert "model.layers.1.widht: did you mean 'width'?" in caught.value.suggestions
    assert f"model.layers.1.widht (line {LINES[file]}): there is no such field. Did you mean 'width'?" in str(
        caught.value
    )


def test_unknown_fields_inside_models_are_found_too(build):
    config = {
        "name": "a",
        "settings": {"worker": 2},
        "by_host": {"h": {"sed": 1}},
        "stages": [{"workers": 1}, {"workrs": 1}],
    }
    with pytest.raises(ConformanceError) as caught:
        build("Run", config)
    with pytest.raises(ConformanceError) as nested:
        Functions.factorize_artifact("run", run=config, point={"x": 1, "yy": 2})

    paths = ["settings.worker", "by_host.h.sed", "stages.1.workrs"]
    assert list(errors_of(caught)) == paths
    assert list(errors_of(nested)) == [f"run.{path}" for path in paths] + ["point.yy"]
    assert "settings.worker: did you mean 'workers'?" in caught.value.suggestions


def test_a_model_that_says_it_takes_or_ignores_extra_fields_is_obeyed():
    from pydantic import BaseModel, ConfigDict, Field

    class Ignoring(BaseModel):
        model_config = ConfigDict(extra="ignore")
        x: int = 1

    class Aliased(BaseModel):
        kind: str = Field("a", alias="class")

    class Own(SchemeRegistry):
        pass

    Own.register_artifact(Ignoring)
    Own.register_artifact(Aliased)

    assert Own.factorize_artifact("Ignoring", z=3) == Ignoring()
    assert Own.factorize_artifact("Aliased", {"class": "b"}).kind == "b"
    with pytest.raises(ConformanceError, match="kind: there is no such field"):
        Own.factorize_artifact("Aliased", kind="b")


def test_members_of_a_union_are_one_problem_with_alternatives():
    class Own(SchemeRegistry):
        pass

    @Own.register_artifact
    def either(x: int | list[int]) -> None: ...

    with pytest.raises(ConformanceError) as caught:
        Own.factorize_artifact("either", x="a")

    assert errors_of(caught) == {
        "x": "Input should be a valid integer, unable to parse string as an integer, "
        "or: Input should be a valid list"
    }


def test_the_users_exception_is_the_cause_and_its_text_is_told(build, tmp_path):
    with pytest.raises(ConformanceError, match=r"'optim:sgd' could not be built at optimizer: ") as caught:
        build(
            "Trainer",
            model={"_type": "Model", "layers": []},
            optimizer={"_type": "optim:sgd", "lr": -1},
        )

    assert type(caught.value.__cause__) is ValueError
    assert "ValueError: lr must not be negative" in str(caught.value)
    assert caught.value.context == {"path": "optimizer", "key": "optim:sgd", "raised": "ValueError"}

    path = tmp_path / "a.json"
    path.write_text('{\n"one": {"_type": "optim:sgd", "lr": -1}}')
    with pytest.raises(ConformanceError, match=r"at one \(line 2 of ") as caught:
        Parts.factorize_from_file("Holder", path, registries={"optim": Optimizers})
    assert caught.value.context["line"] == 2


def test_what_stops_a_program_is_not_wrapped():
    class Own(SchemeRegistry):
        pass

    @Own.register_artifact
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Own.factorize_artifact("stop")


def test_the_error_travels_between_processes(build):
    with pytest.raises(ConformanceError) as caught:
        build("Point", x="a")

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_building_a_config_alone_finds_the_same(build):
    class Own(SchemeRegistry):
        pass

    from tests.unit.factory.objects import Run

    Own.register_artifact(Run)

    with pytest.raises(ConformanceError) as caught:
        Own.build_config("Run", name="a", settings={"worker": 1})
    assert errors_of(caught) == {"settings.worker": "there is no such field"}
