"""A config is read as Python reads the call: every form of signature, and thousands of generated ones."""

import functools
import inspect
import os
import threading
from dataclasses import InitVar, dataclass, field
from decimal import Decimal as Exact
from typing import Annotated, Any, Final, Literal, NamedTuple, TypedDict, Unpack

import attrs
import pydantic
import pytest
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.dataclasses import dataclass as pydantic_dataclass

from registry import ConformanceError, SchemeRegistry, SerializationError
from tests.unit.factory.parents import Amounts, Metered, Priced, Spot, Weighed

SIGNATURES = int(os.environ.get("REGISTRY_TEST_SIGNATURES", "200"))


@dataclass
class Monthly(Priced):
    months: int = 1


@dataclass
class Rewritten(Priced):
    def __init__(self, value: int, times: int = 2) -> None:
        super().__init__(Exact(value * times))


@attrs.define
class Loaded(Weighed):
    count: int = 1
    tags: list[str] = attrs.Factory(list)
    doubled: int = attrs.Factory(lambda self: self.count * 2, takes_self=True)


class Measured(Metered):
    pass


@pydantic_dataclass
class Bounded:
    lr: float
    steps: int = pydantic.Field(1, ge=1)
    seed: int = pydantic.Field(7, init=False)


@dataclass
class Scaled:
    value: int
    factor: InitVar[int]
    product: int = field(init=False, default=0)

    def __post_init__(self, factor: int) -> None:
        self.product = self.value * factor


@dataclass(kw_only=True)
class Private:
    _seed: int = 0
    limit: Final[int] = 3
    items: list[int] = field(default_factory=list)


class Fresh:
    def __new__(cls, size: int):
        made = super().__new__(cls)
        made.size = size
        return made


class Factory(type):
    def __call__(cls, size: int):
        made = super().__call__()
        made.size = size
        return made


class Made(metaclass=Factory):
    pass


class Scaler:
    factor: str

    def __call__(self, value: float, factor: float = 1.0):
        return value, factor

    def method(self, value: float):
        return value

    @classmethod
    def of_class(cls, value: float):
        return value

    @staticmethod
    def static(value: float):
        return value


class Options(TypedDict):
    lr: float
    momentum: typing_extensions.NotRequired[float]


def typed(name: str, **options: Unpack[Options]):
    return name, options


def typed_elsewhere(**options: typing_extensions.Unpack[Amounts]):
    return options


def weights(**by_name: float):
    return by_name


def optional(n: int = None):  # noqa: RUF013 - the form under test
    return n


def plain(lr: float, steps: int = 2):
    return lr, steps


@functools.wraps(plain)
def wrapped(*args: Any, **kwargs: Any):
    return plain(*args, **kwargs)


FORMS = [
    (plain, {"lr": "0.5"}, (0.5, 2)),
    (wrapped, {"lr": "0.5", "steps": "3"}, (0.5, 3)),
    (functools.partial(plain, steps=5), {"lr": "0.5"}, (0.5, 5)),
    (functools.partial(functools.partial(plain, 0.5)), {"steps": "3"}, (0.5, 3)),
    (functools.partial(Scaled, factor=2), {"value": "2"}, 4),
    (Monthly, {"value": "0.1", "months": "3"}, Monthly(Exact("0.1"), 3)),
    (Rewritten, {"value": "2"}, Exact(4)),
    (Loaded, {"weight": "0.1"}, Loaded(Exact("0.1"))),
    (Measured, {"length": "0.1"}, Exact("0.1")),
    (Spot, {"at": "0.1"}, Spot(Exact("0.1"))),
    (Bounded, {"lr": "0.1", "steps": "2"}, Bounded(0.1, 2)),
    (Scaled, {"value": "2", "factor": "3"}, 6),
    (Private, {"_seed": "4", "limit": "5"}, Private(_seed=4, limit=5)),
    (Fresh, {"size": "3"}, 3),
    (Made, {"size": "3"}, 3),
    (Scaler(), {"value": "2", "factor": 3}, (2.0, 3.0)),
    (Scaler().method, {"value": "2"}, 2.0),
    (Scaler.of_class, {"value": "2"}, 2.0),
    (Scaler.static, {"value": "2"}, 2.0),
    (typed, {"name": "a", "lr": "0.1"}, ("a", {"lr": 0.1})),
    (typed, {"name": "a", "lr": "0.1", "momentum": "1"}, ("a", {"lr": 0.1, "momentum": 1.0})),
    (typed_elsewhere, {"paid": "0.1"}, {"paid": Exact("0.1")}),
    (weights, {"a": "1", "b": 2}, {"a": 1.0, "b": 2.0}),
    (optional, {}, None),
    (optional, {"n": "3"}, 3),
]

REFUSED = [
    (functools.partial(plain, steps=5), {"lr": "high"}, "lr"),
    (Monthly, {"value": "much"}, "value"),
    (Loaded, {"weight": "much"}, "weight"),
    (Spot, {"at": "much"}, "at"),
    (Bounded, {"lr": 1, "steps": 0}, "steps"),
    (Bounded, {"lr": 1, "seed": 1}, "seed"),
    (Scaled, {"value": 2, "factor": "three"}, "factor"),
    (Scaled, {"value": 2, "factor": 3, "product": 1}, "product"),
    (Private, {"_seed": "x"}, "_seed"),
    (Fresh, {"size": "big"}, "size"),
    (Made, {"size": "big"}, "size"),
    (typed, {"name": "a"}, "lr"),
    (typed, {"name": "a", "lr": 1, "momentun": 1}, "momentun"),
    (weights, {"a": "heavy"}, "a"),
    (optional, {"n": "many"}, "n"),
]


def outcome(made: Any) -> Any:
    """What tells the results of the forms apart."""
    for name in ("product", "size", "length"):
        if hasattr(made, name):
            return getattr(made, name)
    return made.value if type(made) is Rewritten else made


def registered(artifact: Any) -> type[SchemeRegistry]:
    class Forms(SchemeRegistry):
        pass

    Forms.register_artifact("form", artifact)
    return Forms


@pytest.mark.parametrize(("artifact", "config", "expected"), FORMS)
def test_each_form_of_signature_is_converted_and_called(artifact, config, expected):
    forms = registered(artifact)

    assert outcome(forms.execute("form", config)) == expected
    assert outcome(forms.factorize_artifact("form", config)) == expected
    assert outcome(forms.execute("form", forms.build_config("form", config))) == expected
    assert set(config) <= set(forms.json_schema("form")["properties"]) or artifact is weights


@pytest.mark.parametrize(("artifact", "config", "where"), REFUSED)
def test_each_form_refuses_what_does_not_fit(artifact, config, where):
    forms = registered(artifact)
    for call in (forms.execute, forms.factorize_artifact, forms.build_config):
        with pytest.raises(ConformanceError) as caught:
            call("form", config)
        assert [error["path"] for error in caught.value.context["errors"]] == [where]


@pytest.mark.parametrize(
    "built", [Private(_seed=7), Spot(Exact("0.5")), Loaded(Exact(2), 3, ["a"]), Bounded(0.1, 3)]
)
def test_an_object_is_told_as_a_config_that_builds_an_equal_one(built):
    class Forms(SchemeRegistry):
        pass

    Forms.register_artifact(type(built))

    assert Forms.factorize_artifact(Forms.serialize(built)) == built


def test_a_default_is_the_callables_own_object():
    class Pool:
        def __init__(self):
            self.lock = threading.Lock()
            self.items = [[]]

        __hash__ = None

    pool, nested = Pool(), [[1], {"a": []}]

    def collect(count: int = 1, pool=pool, nested: list = nested):
        return pool, nested

    forms = registered(collect)
    for way in (forms.execute, forms.factorize_artifact):
        assert all(given is own for given, own in zip(way("form", {"count": 2}), (pool, nested), strict=True))
    assert forms.build_config("form").pool is pool
    assert forms.build_config("form").nested is nested
    assert forms.json_schema("form")["properties"]["nested"]["default"] == nested
    assert forms.json_schema("form")["properties"]["count"]["default"] == 1


def test_a_configs_model_gives_its_own_defaults():
    class Careful(pydantic.BaseModel):
        lr: float = 0.001

    assert registered(plain).execute("form", Careful()) == (0.001, 2)


@pytest.mark.parametrize("partial", [False, True])
def test_an_iterator_is_read_once(partial):
    class Forms(SchemeRegistry):
        pass

    @dataclass
    class Part:
        x: int = 0

    @Forms.register_artifact
    def run(part: Any, steps: list[int], grid: list[tuple[int, ...]], rest: Any = None):
        return steps, grid, rest

    Forms.register_artifact(Part)
    left = iter("ab")
    config = {"part": {"_type": "Part"}, "steps": iter(range(3)), "grid": [iter((1, 2)), (3,)], "rest": left}
    if partial:
        made = Forms.factorize_artifact("run", {"_partial": True, **config})()
    else:
        made = Forms.factorize_artifact("run", config)

    assert made[:2] == ([0, 1, 2], [(1, 2), (3,)])
    assert made[2] is left and list(left) == ["a", "b"]


class Adam(pydantic.BaseModel):
    kind: Literal["adam"]
    beta: float = 0.9


class Sgd(pydantic.BaseModel):
    kind: Literal["sgd"]
    momentum: float = 0.0


@dataclass
class Cosine:
    period: int
    floor: float = 0.0


@dataclass
class Step:
    every: int
    gamma: float = 0.1


def union(
    one: Annotated[Adam | Sgd, pydantic.Field(discriminator="kind")] = Sgd(kind="sgd"),  # noqa: B008
    many: list[Adam | Sgd] = [],  # noqa: B006
    named: dict[str, Cosine | Step] = {},  # noqa: B006
):
    return one, many, named


@pytest.mark.parametrize(
    ("config", "where"),
    [
        ({"one": {"kind": "sgd", "beta": 0.5}}, "one.beta"),
        ({"many": [{"kind": "adam"}, {"kind": "adam", "momentum": 1}]}, "many.1.momentum"),
        ({"named": {"a": {"every": 3, "floor": 0.5}}}, "named.a.floor"),
    ],
)
def test_a_field_of_another_member_of_the_union_is_refused(config, where):
    forms = registered(union)
    for call in (forms.execute, forms.factorize_artifact, forms.build_config):
        with pytest.raises(ConformanceError) as caught:
            call("form", config)
        assert where in [error["path"] for error in caught.value.context["errors"]]


class Commented(list):
    pass


class Row(tuple):
    __slots__ = ()


class Both(NamedTuple):
    first: Any
    second: Any


@pytest.mark.parametrize("around", [Commented, Row, lambda items: Both(items[0], items[0])])
def test_a_part_is_built_in_any_kind_of_list_or_tuple(around):
    class Forms(SchemeRegistry):
        pass

    @Forms.register_artifact
    def net(layers):
        return layers

    Forms.register_artifact(Cosine)
    built = Forms.factorize_artifact("net", {"layers": around([{"_type": "Cosine", "period": 1}])})

    assert built[0] == Cosine(1)
    assert isinstance(built, tuple if around is not Commented else list)
    with pytest.raises(ConformanceError, match=r"layers\.0\._type"):
        Forms.factorize_artifact("net", {"layers": around([{"_type": "Cosin", "period": 1}])})


def test_a_part_without_fields_and_bound_is_the_class_itself():
    class Forms(SchemeRegistry):
        pass

    @Forms.register_artifact
    @dataclass
    class Net:
        block: type[Priced]

    Forms.register_artifact(Monthly)
    config = {"_type": "Net", "block": {"_type": "Monthly", "_partial": True}}

    assert Forms.factorize_artifact(config).block is Monthly
    assert Forms.serialize(Net(Monthly)) == Forms.serialize(Forms.factorize_artifact(config)) == config
    with pytest.raises(SerializationError):
        Forms.serialize(Net(Rewritten))


def test_build_config_fills_parts_in_and_builds_nothing():
    class Forms(SchemeRegistry):
        pass

    class Optimizer:
        def __init__(self, lr: float, betas: tuple[float, float] = (0.9, 0.99)):
            raise AssertionError("built")

    @Forms.register_artifact
    def train(optimizer: Optimizer, schedule: Any = None, epochs: int = 1):
        raise AssertionError("called")

    Forms.register_artifact("adam", Optimizer)
    Forms.register_artifact(Cosine)
    config = Forms.build_config(
        "train",
        {"optimizer": {"_type": "adam", "lr": "0.1"}, "schedule": [{"_type": "Cosine", "_partial": True}]},
    )

    assert config.model_dump() == {
        "optimizer": {"_type": "adam", "betas": (0.9, 0.99), "lr": 0.1},
        "schedule": [{"_type": "Cosine", "_partial": True}],
        "epochs": 1,
    }
    with pytest.raises(ConformanceError, match=r"optimizer\.lr"):
        Forms.build_config("train", {"optimizer": {"_type": "adam", "lr": "high"}})


# ---- generated signatures, against Python and pydantic

TYPES = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "list[int]": list[int],
    "int | None": int | None,
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(["1", "0.5", "x", "true", ""]),
    st.lists(st.sampled_from([1, "2", "x"]), max_size=2),
)
NAMES = st.sampled_from(
    ["lr", "steps", "_seed", "model_config", "copy", "json", "model_fields", "_x", "self_", "cls"]
)
PARAMETERS = st.tuples(
    NAMES, st.sampled_from([*TYPES, None]), st.sampled_from(["", " = [1, [2]]", " = None", " = 3"])
)


@st.composite
def signatures(draw):
    parameters = draw(st.lists(PARAMETERS, min_size=1, max_size=4, unique_by=lambda one: one[0]))
    written = [f"{name}{f': {hint}' if hint else ''}{default}" for name, hint, default in parameters]
    extra = draw(st.sampled_from(["", "**rest", "**rest: int"]))
    source = f"def made(*, {', '.join([*written, *([extra] if extra else [])])}):\n    return locals()"
    config = draw(
        st.dictionaries(st.sampled_from([name for name, *_ in parameters] + ["extra", "_more"]), VALUES)
    )
    return source, config


@settings(max_examples=SIGNATURES, deadline=None)
@given(case=signatures())
def test_a_generated_signature_takes_what_pydantics_validate_call_takes(case):
    source, config = case
    space: dict[str, Any] = {}
    exec(source, space)
    made = space["made"]
    arbitrary = pydantic.ConfigDict(arbitrary_types_allowed=True)
    try:
        expected = pydantic.validate_call(made, config=arbitrary)(**config)
    except pydantic.ValidationError:
        expected = None
    forms = registered(made)
    try:
        got = forms.execute("form", config)
    except ConformanceError:
        got = None

    assert got == expected, source
    if got is not None:
        for name, parameter in inspect.signature(made).parameters.items():
            if name not in config and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                assert got[name] is parameter.default
        assert forms.factorize_artifact("form", config) == got
