"""Annotations that pydantic alone does not check, or not in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Protocol

import pytest
from pydantic import Field

from registry import ConformanceError, SchemeRegistry


class Walks(Protocol):
    speed: int

    def walk(self) -> int: ...


class Cat:
    speed = 3

    def walk(self) -> int:
        return self.speed


class Stone:
    speed = 0


def lead(one: Walks, more: list[Walks | None] = [], named: Annotated[dict[str, Walks], "x"] = {}) -> Any:  # noqa: B006
    return one, more, named


def twice(values: Iterable[int], call: Callable[[], int] | None = None) -> Any:
    return list(values), list(values)


def odd(name: Annotated[str, Field(pattern="(")]) -> None: ...


class Own(SchemeRegistry):
    pass


for artifact in (Cat, Stone, lead, twice):
    Own.register_artifact(artifact)


def test_a_protocol_is_checked_by_the_names_of_its_members():
    one, more, named = Own.factorize_artifact(
        "lead", one={"_type": "Cat"}, more=[None, {"_type": "Cat"}], named={"a": {"_type": "Cat"}}
    )

    assert {type(found) for found in (one, more[1], named["a"])} == {Cat}


@pytest.mark.parametrize(
    ("fields", "path"), [({"one": {}}, "one"), ({"more": [{}]}, "more.0"), ({"named": {"a": {}}}, "named.a")]
)
def test_what_lacks_a_member_of_a_protocol_is_told(fields, path):
    stone = {"_type": "Stone"}
    given = {
        key: stone if not value else type(value)([stone] if type(value) is list else {"a": stone})
        for key, value in fields.items()
    }

    with pytest.raises(ConformanceError, match="it has no walk, which Walks declares") as caught:
        Own.factorize_artifact("lead", {"one": {"_type": "Cat"}, **given})

    assert [error["path"] for error in caught.value.context["errors"]] == [path]


def test_an_iterable_is_checked_before_the_call_and_can_be_read_twice():
    assert Own.factorize_artifact("twice", values=["1", 2]) == ([1, 2], [1, 2])
    assert Own.execute("twice", values=range(2)) == ([0, 1], [0, 1])
    with pytest.raises(ConformanceError, match=r"values\.1: "):
        Own.factorize_artifact("twice", values=[1, "x"])
    with pytest.raises(ConformanceError, match="values: "):
        Own.factorize_artifact("twice", values="12")


def test_an_annotation_that_pydantic_makes_nothing_of_is_told():
    Own.register_artifact(odd)

    with pytest.raises(ConformanceError, match="'odd' has a parameter"):
        Own.get_model("odd")
