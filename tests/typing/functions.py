"""Functions keep their own types when they are registered, and have to be what the registry declares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, assert_type

from registry import FunctionalRegistry

T = TypeVar("T")


class Losses(FunctionalRegistry[[int, str], float], strict=True):
    """Declares everything."""


class Measures(FunctionalRegistry[..., float], strict=True):
    """Declares what comes out."""


class Functions(FunctionalRegistry):
    """Declares nothing."""


class Handlers(FunctionalRegistry[[str], Awaitable[int]], strict=True):
    """Holds coroutine functions."""


# ---- every form keeps the type


@Losses.register_artifact
def bare(x: int, y: str = "", *, scale: float = 1.0) -> float:
    return x * scale


@Losses.register_artifact("named")
def named(x: int, y: str = "", *, scale: float = 1.0) -> float:
    return x * scale


@Losses.register_artifact("aliased", aliases=["other"])
def aliased(x: int, y: str = "", *, scale: float = 1.0) -> float:
    return x * scale


def plain(x: int, y: str = "", *, scale: float = 1.0) -> bool:
    return x * scale > 0


direct = Losses.register_artifact(plain)
direct_named = Losses.register_artifact("plain again", plain, aliases=("third",))

assert_type(bare(1), float)
assert_type(named(x=1, scale=2.0), float)
assert_type(aliased(1, y="", scale=2.0), float)
assert_type(direct(1, scale=2.0), bool)
assert_type(direct_named(x=1), bool)


def call_wrongly() -> None:
    bare("1")  # error
    named(1, 2)  # error
    aliased(1, ratio=2.0)  # error
    direct(1, "", 2.0)  # error
    direct_named()  # error


@Losses.register_artifact("by position")
def by_position(x: int, y: str, /) -> float:
    return x


assert_type(by_position(1, ""), float)

exactly: Callable[[int, str], float] = by_position
assert_type(Losses.register_artifact("exactly", exactly), Callable[[int, str], float])
assert_type(Losses.register_artifact("wider", partial(plain, scale=2.0))(1, ""), bool)


@Measures.register_artifact
def measured(a: int, *, b: str = "") -> float:
    return a


assert_type(measured(1, b=""), float)
assert_type(Measures.register_artifact("again", measured)(a=1), float)
assert_type(Measures.register_artifact("once more")(measured)(1), float)


def call_measured_wrongly() -> None:
    measured("")  # error


@Functions.register_artifact
def anything(a: int, *, b: str = "") -> list[int]:
    return [a]


@Functions.register_artifact("generic")
def generic(item: T) -> list[T]:
    return [item]


assert_type(anything(1, b=""), list[int])
assert_type(generic(1.5), list[float])


def call_anything_wrongly() -> None:
    anything("")  # error


@Handlers.register_artifact
async def handle(text: str, times: int = 1) -> int:
    return len(text) * times


async def use() -> None:
    assert_type(await handle("", times=2), int)
    assert_type(await Handlers["handle"](""), int)


# ---- what is callable and no function


class Scale:
    factor: int = 2

    def __call__(self, x: int, y: str) -> float:
        return self.factor * x


scale = Scale()
assert_type(Functions.register_artifact("scale", scale), Scale)
assert_type(Losses.register_artifact("scale", scale)(1, ""), float)


@Functions.register_artifact
class Made:
    size: int = 1


@Losses.register_artifact("made")
class AlsoMade(float):
    size: int = 1

    def __new__(cls, x: int, y: str) -> AlsoMade:
        return super().__new__(cls, x)


assert_type(Made().size, int)
assert_type(AlsoMade(1, "").size, int)
assert_type(Functions.register_artifact("made", Made), type[Made])


# ---- looking up

assert_type(Losses.get_artifact("bare"), Callable[[int, str], float])
assert_type(Losses["bare"], Callable[[int, str], float])
assert_type(Losses.get_artifact("nothing", None), Callable[[int, str], float] | None)
assert_type(Losses.get_artifact("nothing", 0), Callable[[int, str], float] | int)
assert_type(list(Losses.items()), list[tuple[Any, Callable[[int, str], float]]])
assert_type(Functions["anything"](1), Any)
assert_type(Measures["measured"](1), float)
assert_type("bare" in Losses, bool)
assert_type(len(Losses), int)


def mistake_what_is_found() -> None:
    assert_type(len(Losses), str)  # error

    _: str = Losses["bare"](1, "")  # error


def call_what_is_found_wrongly() -> None:
    Losses["bare"]("", 1)  # error


def call_the_default() -> None:
    Losses.get_artifact("nothing", None)(1, "")  # error


# ---- changing

assert_type(Losses.safe_register_batch({"first": bare, "second": plain}), dict[str, Any])
Losses.update_artifact("bare", named)
with Losses.overriding(bare=plain):
    pass


# ---- what does not conform is refused by the checker, and when it runs


def too_few(x: int) -> float:
    return x


def other_parameter(x: str, y: str) -> float:
    return 0.0


def other_result(x: int, y: str) -> str:
    return y


def one_too_many(x: int, y: str, z: int) -> float:
    return x


def refused_direct() -> None:
    Losses.register_artifact(too_few)  # error


def refused_named() -> None:
    Losses.register_artifact("other", other_parameter)  # error


def refused_decorated() -> None:
    @Losses.register_artifact  # error
    def wrong(x: int, y: int) -> float:
        return x + y


def refused_decorated_by_name() -> None:
    @Losses.register_artifact("wrong")  # error
    def wrong(x: int, y: str, z: int) -> float:
        return x + z


def refused_result() -> None:
    Losses.register_artifact("result")(other_result)  # error


def refused_by_what_comes_out() -> None:
    Measures.register_artifact(other_result)  # error


def refused_by_name_and_what_comes_out() -> None:
    Measures.register_artifact("other", other_result)  # error


def refused_callable_object() -> None:
    Handlers.register_artifact("scale", scale)  # error


def refused_update() -> None:
    Losses.update_artifact("bare", one_too_many)  # error


def refused_batch() -> None:
    Losses.safe_register_batch({"wrong": one_too_many}, skip_invalid=False)  # error


def refused_stand_in() -> None:
    with Losses.overriding(bare=too_few):  # error
        pass


def refused_value() -> None:
    Losses.register_artifact("value", 3)  # error
