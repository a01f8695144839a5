from __future__ import annotations

import abc
import functools
import inspect
import math
import subprocess
import sys
import typing
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Concatenate,
    Generic,
    Literal,
    NewType,
    Optional,
    ParamSpec,
    Protocol,
    TypeVar,
)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.conformity import accepts, check_signature, check_subclass, missing_members
from registry.errors import ConformanceError, InheritanceError

if typing.TYPE_CHECKING:
    Unresolvable = int  # imported for type checking only

T = TypeVar("T")
P = ParamSpec("P")
UserId = NewType("UserId", int)


class Animal:
    def speak(self) -> str:
        return ""


class Dog(Animal):
    pass


class Records(Iterable[str], Generic[T]):
    """Its parameter is not what iteration gives."""


# --- signatures -----------------------------------------------------------------------------------


def exact(x: int, y: str) -> float:
    return 0.0


def unannotated(x, y):
    return 0.0


def with_default(x: int, y: str, z: bytes = b"") -> float:
    return 0.0


def with_keyword_default(x: int, y: str, *, z: bytes = b"") -> float:
    return 0.0


def variadic(*arguments: object) -> float:
    return 0.0


def positional_only(x: int, y: str, /) -> float:
    return 0.0


def wider(x: float, y: object) -> float:
    return 0.0


def narrower_result(x: int, y: str) -> int:
    return 0


def optional(x: int | None, y: Optional[str]) -> float:  # noqa: UP045
    return 0.0


def unresolvable(x: Unresolvable, y: str) -> Unresolvable:
    return x


def generic(x: T, y: str) -> T:
    return x


class Callables:
    def __call__(self, x: int, y: str) -> float:
        return 0.0

    def method(self, x: int, y: str) -> float:
        return 0.0

    @classmethod
    def make(cls, x: int, y: str) -> float:
        return 0.0

    @staticmethod
    def help(x: int, y: str) -> float:
        return 0.0


def three(x: bytes, y: int, z: str) -> float:
    return 0.0


def wrapped(func: Any) -> Any:
    @functools.wraps(func)
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        return func(*arguments, **keywords)

    return wrapper


@pytest.mark.parametrize(
    "func",
    [
        exact,
        unannotated,
        with_default,
        with_keyword_default,
        variadic,
        positional_only,
        wider,
        narrower_result,
        optional,
        unresolvable,
        generic,
        Callables(),
        Callables().method,
        Callables.make,
        Callables.help,
        functools.partial(three, b""),
        functools.partial(exact),
        wrapped(exact),
        functools.lru_cache(exact),
        lambda x, y: 0.0,
        max,
        print,
    ],
)
def test_what_can_be_called_as_declared_conforms(func: Callable[..., Any]) -> None:
    check_signature(func, Callable[[int, str], float])


def one_too_few(x: int) -> float:
    return 0.0


def one_too_many(x: int, y: str, z: bytes) -> float:
    return 0.0


def required_keyword(x: int, y: str, *, z: bytes) -> float:
    return 0.0


def keywords_only(*, x: int, y: str) -> float:
    return 0.0


def narrower_parameter(x: bool, y: str) -> float:
    return 0.0


def other_parameter(x: int, y: bytes) -> float:
    return 0.0


def wider_result(x: int, y: str) -> float | None:
    return 0.0


def other_result(x: int, y: str) -> str:
    return ""


def no_result(x: int, y: str) -> None: ...


async def asynchronous(x: int, y: str) -> float:
    return 0.0


def variadic_of_another_type(*arguments: int) -> float:
    return 0.0


class OtherCallable:
    def __call__(self, x: str, y: str) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("func", "problem"),
    [
        (one_too_few, "too many positional arguments"),
        (one_too_many, "missing a required argument: 'z'"),
        (required_keyword, "missing a required"),
        (keywords_only, "too many positional arguments"),
        (narrower_parameter, "'x' takes bool, and is given int"),
        (other_parameter, "'y' takes bytes, and is given str"),
        (wider_result, "returns float | None, not float"),
        (other_result, "returns str, not float"),
        (no_result, "returns None, not float"),
        (asynchronous, "returns collections.abc.Coroutine"),
        (variadic_of_another_type, "'arguments' takes int, and is given str"),
        (OtherCallable(), "'x' takes str, and is given int"),
        (OtherCallable().__call__, "'x' takes str, and is given int"),
        (wrapped(other_result), "returns str, not float"),
        (functools.partial(three), "missing a required argument: 'z'"),
        (functools.partial(three, z=""), "'x' takes bytes, and is given int"),
        (Dog, "too many positional arguments"),
    ],
)
def test_what_cannot_be_called_as_declared_does_not_conform(func: Any, problem: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_signature(func, Callable[[int, str], float])

    assert problem in caught.value.message


def test_the_error_shows_both_signatures_and_where_to_change_one() -> None:
    with pytest.raises(ConformanceError) as caught:
        check_signature(other_result, Callable[[int, str], float])

    message = caught.value.message.splitlines()
    assert message[1:] == ["  expected: (int, str) -> float", "  actual:   (x: int, y: str) -> str"]
    assert caught.value.context["expected"] == "(int, str) -> float"
    assert caught.value.context["actual"] == "(x: int, y: str) -> str"
    assert __file__ in caught.value.suggestions[0]


def test_a_default_that_cannot_be_shown_does_not_hide_the_error() -> None:
    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError

    def func(x: str = Unprintable()) -> None: ...  # type: ignore[assignment]

    with pytest.raises(ConformanceError, match=r"x: str = \.\.\."):
        check_signature(func, Callable[[int], None])


@pytest.mark.parametrize("value", [3, None, "text", {}])
def test_what_cannot_be_called_does_not_conform(value: Any) -> None:
    with pytest.raises(ConformanceError, match="not callable"):
        check_signature(value, Callable[[int], float])


@pytest.mark.parametrize("expected", [Callable, typing.Callable, Callable[..., Any], Any, (..., Any)])
def test_an_open_declaration_accepts_every_callable(expected: object) -> None:
    callables: list[Any] = [exact, required_keyword, Dog, len, Callables()]
    for func in callables:
        check_signature(func, expected)


def test_an_open_declaration_still_declares_the_result() -> None:
    check_signature(exact, Callable[..., float])
    check_signature(exact, Callable[P, float])
    with pytest.raises(ConformanceError, match="returns str"):
        check_signature(other_result, Callable[..., float])


def test_what_stands_before_a_parameter_specification_is_checked() -> None:
    declared = Callable[Concatenate[int, P], float]

    check_signature(exact, declared)
    with pytest.raises(ConformanceError, match="takes bytes"):
        check_signature(three, declared)
    with pytest.raises(ConformanceError, match="too many positional"):
        check_signature(keywords_only, declared)


def test_no_arguments_are_declared_by_an_empty_list() -> None:
    check_signature(lambda: None, Callable[[], None])
    check_signature(lambda x=1: None, Callable[[], None])
    with pytest.raises(ConformanceError):
        check_signature(one_too_few, Callable[[], float])


def model(x: int, y: str = "", *, z: bytes) -> float:
    return 0.0


class Scorer(Protocol):
    def __call__(self, x: int, y: str = "", *, z: bytes) -> float: ...


@pytest.mark.parametrize("expected", [model, Scorer, inspect.signature(model, eval_str=True)])
def test_a_function_or_a_protocol_is_a_declaration_too(expected: object) -> None:
    def without_default(x: int, y: str, *, z: bytes) -> float:
        return 0.0

    def without_keyword(x: int, y: str = "") -> float:
        return 0.0

    def any_keyword(x: int, y: str = "", **keywords: bytes) -> float:
        return 0.0

    def other_keyword(x: int, y: str = "", **keywords: int) -> float:
        return 0.0

    check_signature(model, expected)
    check_signature(any_keyword, expected)
    cases: list[tuple[Any, str]] = [
        (without_default, "called with 1 positional argument"),
        (without_keyword, "unexpected keyword argument 'z'"),
        (other_keyword, "'keywords' takes int, and is given bytes"),
    ]
    for func, problem in cases:
        with pytest.raises(ConformanceError, match=problem):
            check_signature(func, expected)


@pytest.mark.parametrize("expected", [3, int, "text", Animal, Callables, list[int]])
def test_what_describes_no_callable_is_an_error_of_the_registry(expected: object) -> None:
    with pytest.raises(TypeError, match="not the description") as caught:
        check_signature(exact, expected)

    assert not isinstance(caught.value, ConformanceError)


def test_a_class_is_called_as_its_constructor_and_returns_itself() -> None:
    class Built(Animal):
        def __init__(self, x: int) -> None: ...

    class Made(Animal):
        def __new__(cls, x: int) -> Made:
            return super().__new__(cls)

    for cls in (Built, Made):
        check_signature(cls, Callable[[int], Animal])
        with pytest.raises(ConformanceError, match="returns"):
            check_signature(cls, Callable[[int], Dog])
        with pytest.raises(ConformanceError, match="takes int"):
            check_signature(cls, Callable[[str], Animal])


def test_an_async_function_returns_an_awaitable() -> None:
    for result in (Awaitable[float], Coroutine[Any, Any, float], Any):
        check_signature(asynchronous, Callable[[int, str], result])
    with pytest.raises(ConformanceError):
        check_signature(asynchronous, Callable[[int, str], Awaitable[str]])


def test_an_annotation_that_cannot_be_resolved_does_not_hide_the_others() -> None:
    def func(x: Unresolvable, y: bytes) -> float:
        return 0.0

    with pytest.raises(ConformanceError, match="takes bytes"):
        check_signature(func, Callable[[int, str], float])


def test_builtins_that_do_not_tell_their_signature_conform() -> None:
    check_signature(math.hypot, Callable[[int, str], float])
    check_signature(dict, Callable[[int], Mapping[str, int]])


# --- annotations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (int, int),
        (int, bool),
        (object, str),
        (Any, str),
        (str, Any),
        (float, int),
        (complex, float),
        (int | str, int),
        (int | str, str | int),
        (Optional[int], None),  # noqa: UP045
        (None, None),
        (Sequence[int], list[int]),
        (Iterable[Animal], list[Dog]),
        (Iterable[Animal], tuple[Dog, Dog]),
        (Iterable[str], dict[str, int]),
        (Iterable[int], Generator[int, str, bytes]),
        (Iterable[tuple[int, str]], enumerate[str]),
        (Iterable[str], Records[int]),
        (Awaitable[float], Coroutine[Any, Any, int]),
        (list, list[int]),
        (list[int], list),
        (list[float], list[int]),
        (typing.List[int], list[int]),  # noqa: UP006
        (Mapping[str, int], dict[str, int]),
        (type[Animal], type[Dog]),
        (type, type[Dog]),
        (tuple[int, ...], tuple[int, bool]),
        (tuple[int, str], tuple[bool, str]),
        (Literal["a", "b"], Literal["a"]),
        (str, Literal["a"]),
        (Annotated[int, "metres"], int),
        (int, Annotated[bool, "flag"]),
        (int, UserId),
        (UserId, UserId),
        (Callable[[Dog], Animal], Callable[[Animal], Dog]),
        (Callable, Callable[[int], int]),
        (Callable[..., int], Callable[[str], int]),
        (T, int),
        (int, T),
        (Animal, typing.NoReturn),
        (typing.SupportsFloat, int),
    ],
)
def test_a_type_or_a_narrower_one_is_accepted(wide: Any, narrow: Any) -> None:
    assert accepts(wide, narrow)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (bool, int),
        (int, float),
        (str, object),
        (int, None),
        (int, int | None),
        (int | str, bytes),
        (list[int], list[str]),
        (Iterable[int], dict[str, int]),
        (Iterable[int], tuple[int, str]),
        (Iterable[int], Generator[str, int, int]),
        (Awaitable[str], Coroutine[Any, Any, int]),
        (list[int], Sequence[int]),
        (Mapping[str, int], dict[str, str]),
        (type[Dog], type[Animal]),
        (tuple[int, str], tuple[int]),
        (tuple[int, str], tuple[int, ...]),
        (tuple[int, ...], tuple[int, str]),
        (Literal["a"], Literal["a", "b"]),
        (Literal["a"], str),
        (Literal[1], Literal[True]),
        (int, Literal["a"]),
        (str, UserId),
        (Callable[[Animal], Animal], Callable[[Dog], Animal]),
        (Callable[[int], int], Callable[[], int]),
        (Callable[[int], int], int),
        (Animal, Literal[1]),
    ],
)
def test_another_type_is_not(wide: Any, narrow: Any) -> None:
    assert not accepts(wide, narrow)


alias: Any = {"list": list, "dict": dict, "optional": Optional, "callable": Callable}
types = st.recursive(
    st.sampled_from([int, bool, float, str, bytes, None, Animal, Dog, object, Any]),
    lambda inner: st.one_of(
        inner.map(lambda one: alias["list"][one]),
        inner.map(lambda one: alias["optional"][one]),
        st.builds(lambda one, two: alias["dict"][one, two], inner, inner),
        st.builds(lambda one, two: alias["callable"][[one], two], inner, inner),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(types)
def test_every_type_accepts_itself_and_nothing_is_wider_than_object(one: Any) -> None:
    assert accepts(one, one)
    assert accepts(object, one)


@settings(deadline=None)
@given(types, types)
def test_a_union_accepts_what_a_member_accepts(one: Any, other: Any) -> None:
    assert accepts(typing.Union[one, other], one)  # noqa: UP007


@settings(deadline=None)
@given(st.lists(types, max_size=4), types)
def test_a_function_annotated_as_declared_conforms(parameters: list[Any], result: Any) -> None:
    def func(*arguments: Any) -> Any: ...

    kinds = [
        inspect.Parameter(f"p{n}", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=one)
        for n, one in enumerate(parameters)
    ]
    func.__signature__ = inspect.Signature(kinds, return_annotation=result)  # type: ignore[attr-defined]

    check_signature(func, alias["callable"][parameters, result])


# --- classes --------------------------------------------------------------------------------------


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self) -> float: ...

    @property
    @abc.abstractmethod
    def name(self) -> str: ...


class Circle(Shape):
    pass


class Registered:
    pass


Shape.register(Registered)


class Container(Generic[T]):
    pass


class IntContainer(Container[int]):
    pass


class Sized(Protocol):
    size: int

    def grow(self, by: int) -> None: ...


class Grown(Sized, Protocol):
    def shrink(self) -> None: ...


class Annotates:
    size: int

    def grow(self, by: int) -> None: ...


class Assigns:
    def __init__(self) -> None:
        self.size = 1

    grow = functools.partial(print)


class Inherits(Annotates):
    def shrink(self) -> None: ...


@pytest.mark.parametrize(
    ("cls", "base"),
    [
        (Dog, Animal),
        (Dog, Dog),
        (Dog, object),
        (Dog, Any),
        (Dog, T),
        (Dog, int | Animal),
        (Dog, (int, Animal)),
        (Circle, Shape),
        (Registered, Shape),
        (IntContainer, Container[int]),
        (IntContainer, Container),
        (Annotates, Sized),
        (Assigns, Sized),
        (Inherits, Grown),
        (type("C", (Sized,), {}), Sized),
        (list, Iterable),
        (list, typing.Iterable[int]),
        (int, typing.SupportsFloat),
    ],
)
def test_a_class_that_inherits_or_satisfies_passes(cls: type, base: object) -> None:
    check_subclass(cls, base)


@pytest.mark.parametrize(
    ("cls", "base", "missing"),
    [
        (Animal, Dog, []),
        (int, Animal, ["speak"]),
        (Animal, Shape, ["area", "name"]),
        (Animal, Sized, ["size", "grow"]),
        (Annotates, Grown, ["shrink"]),
        (type("C", (Annotates,), {"grow": 3}), Sized, ["grow"]),
        (type("C", (Annotates,), {"grow": None}), Sized, ["grow"]),
        (int, Sequence, ["__getitem__", "__len__"]),
        (str, typing.SupportsFloat, ["__float__"]),
    ],
)
def test_another_class_is_told_what_it_lacks(cls: type, base: type, missing: list[str]) -> None:
    with pytest.raises(InheritanceError) as caught:
        check_subclass(cls, base)

    assert caught.value.context["missing"] == missing
    assert all(name in caught.value.message for name in missing)


@pytest.mark.parametrize("value", [3, Dog(), exact, "text", None])
def test_what_is_no_class_does_not_inherit(value: Any) -> None:
    with pytest.raises(InheritanceError, match="not a class"):
        check_subclass(value, Animal)


def test_what_is_no_base_is_an_error_of_the_registry() -> None:
    with pytest.raises(TypeError, match="not a base class") as caught:
        check_subclass(Dog, 3)

    assert not isinstance(caught.value, InheritanceError)


def test_of_several_bases_none_is_called_the_missing_one() -> None:
    with pytest.raises(InheritanceError, match=r"does not inherit int \| .*Shape") as caught:
        check_subclass(Dog, int | Shape)

    assert caught.value.context["missing"] == []


def test_members_of_a_protocol_are_named_in_the_order_declared() -> None:
    assert missing_members(object, Grown) == ["size", "grow", "shrink"]


def test_importing_the_checks_imports_neither_inspect_nor_typing_tools() -> None:
    code = "import sys; import registry.conformity, registry.origin, registry.identity; print(*sys.modules)"
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    answer = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env=environment, check=True
    )

    assert not {"inspect", "ast", "dis", "dataclasses", "json"} & set(answer.stdout.split())
