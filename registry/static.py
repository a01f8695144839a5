"""What type checkers see of ``register_artifact``; nothing here is imported when a program runs.

What is registered keeps its own type, and has to be what the registry declares. That would be a type
variable bounded by another one, which Python's types do not have. A protocol with an overloaded ``__call__``
says it: a callable is assignable to that only if it is assignable to each overload. One is what the registry
declares; the other is solved for what the callable itself is.

Callable objects come out as the callables that they are, without their other attributes; and whether a class
conforms to a `FunctionalRegistry` that declares parameters is told at run time only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from registry.functional import FunctionalRegistry
    from registry.type import TypeRegistry

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)


class Undeclared:
    """No registry declares this; so only ``...`` and ``Any`` fit it."""


class Conforming(Protocol[P, R_co, Q, S_co]):
    """A callable that can be called with ``P`` and returns ``R_co``; its own are ``Q`` and ``S_co``."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @overload
    def __call__(self, *args: Q.args, **kwargs: Q.kwargs) -> S_co: ...


class Making(Protocol[R_co, S_co]):
    """A class whose instances are ``R_co``; what they are themselves is ``S_co``."""

    @overload
    def __call__(self, *args: Any, **kwargs: Any) -> R_co: ...

    @overload
    def __call__(  # type: ignore[overload-cannot-match] # pyright: ignore[reportOverlappingOverload]
        self, *args: Any, **kwargs: Any
    ) -> S_co: ...


class Anything(Protocol):
    """Registers whatever it is given."""

    @overload
    def __call__(self, name: Hashable, artifact: T, /, *, aliases: Iterable[Hashable] = ()) -> T: ...

    @overload
    def __call__(self, name: str, /, *, aliases: Iterable[Hashable] = ()) -> Callable[[T], T]: ...

    @overload
    def __call__(self, artifact: T, /, *, aliases: Iterable[Hashable] = ()) -> T: ...


class Returning(Protocol[R]):
    """Registers callables that return ``R``."""

    @overload
    def __call__(
        self, name: Hashable, artifact: type[T], /, *, aliases: Iterable[Hashable] = ()
    ) -> type[T]: ...

    @overload
    def __call__(
        self, name: Hashable, artifact: Callable[Q, R], /, *, aliases: Iterable[Hashable] = ()
    ) -> Callable[Q, R]: ...

    @overload
    def __call__(self, name: str, /, *, aliases: Iterable[Hashable] = ()) -> Returning[R]: ...

    @overload
    def __call__(self, artifact: type[T], /, *, aliases: Iterable[Hashable] = ()) -> type[T]: ...

    @overload
    def __call__(
        self, artifact: Callable[Q, R], /, *, aliases: Iterable[Hashable] = ()
    ) -> Callable[Q, R]: ...


class Calling(Protocol[P, R]):  # pyright: ignore[reportInvalidTypeVarUse]
    """Registers callables that take ``P`` and return ``R``.

    What is exactly that comes last: mypy does not solve the protocol for it.
    """

    @overload
    def __call__(
        self, name: Hashable, artifact: type[T], /, *, aliases: Iterable[Hashable] = ()
    ) -> type[T]: ...

    @overload
    def __call__(
        self, name: Hashable, artifact: Conforming[P, R, Q, S], /, *, aliases: Iterable[Hashable] = ()
    ) -> Callable[Q, S]: ...

    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]
        self, name: Hashable, artifact: Callable[P, R], /, *, aliases: Iterable[Hashable] = ()
    ) -> Callable[P, R]: ...

    @overload
    def __call__(self, name: str, /, *, aliases: Iterable[Hashable] = ()) -> Calling[P, R]: ...

    @overload
    def __call__(self, artifact: type[T], /, *, aliases: Iterable[Hashable] = ()) -> type[T]: ...

    @overload
    def __call__(
        self, artifact: Conforming[P, R, Q, S], /, *, aliases: Iterable[Hashable] = ()
    ) -> Callable[Q, S]: ...

    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]
        self, artifact: Callable[P, R], /, *, aliases: Iterable[Hashable] = ()
    ) -> Callable[P, R]: ...


class Inheriting(Protocol[R]):  # pyright: ignore[reportInvalidTypeVarUse]
    """Registers classes whose instances are ``R``."""

    @overload
    def __call__(
        self, name: Hashable, artifact: Making[R, S], /, *, aliases: Iterable[Hashable] = ()
    ) -> type[S]: ...

    @overload
    def __call__(self, name: str, /, *, aliases: Iterable[Hashable] = ()) -> Inheriting[R]: ...

    @overload
    def __call__(self, artifact: Making[R, S], /, *, aliases: Iterable[Hashable] = ()) -> type[S]: ...


class RegistersCallables:
    """``register_artifact`` of a `FunctionalRegistry`, by what that declares: nothing, a result, or all."""

    @overload
    def __get__(
        self, registry: object, owner: type[FunctionalRegistry[[Undeclared], Undeclared]]
    ) -> Anything: ...

    @overload
    def __get__(self, registry: object, owner: type[FunctionalRegistry[[Undeclared], R]]) -> Returning[R]: ...

    @overload
    def __get__(self, registry: object, owner: type[FunctionalRegistry[P, R]]) -> Calling[P, R]: ...

    def __get__(self, registry: object, owner: Any) -> Any: ...


class RegistersClasses:
    """``register_artifact`` of a `TypeRegistry`."""

    def __get__(self, registry: object, owner: type[TypeRegistry[R]]) -> Inheriting[R]:
        raise NotImplementedError
