"""Operations written once, for callers that wait and for callers in an event loop.

Such an operation is a generator. It yields what it has to ask of a storage, or a storage of its server, is
sent the answer or thrown what asking raised, and returns the operation's result. It decides everything and
waits for nothing: `finish` runs it by calling, `finish_awaiting` by awaiting.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

T = TypeVar("T")


class Ask(NamedTuple):
    """A method to be called, by whichever way of waiting, and what with."""

    target: Any
    method: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = {}


Steps: TypeAlias = Generator[Ask, Any, T]


def finish(steps: Steps[T]) -> T:
    """Run an operation to its end, calling what it asks for."""
    answer, failure = None, None
    try:
        while True:
            # Thrown from here and not where it was caught, so that what it leads to has no context of ours.
            ask = steps.send(answer) if failure is None else steps.throw(failure)
            answer, failure = None, None
            try:
                answer = getattr(ask.target, ask.method)(*ask.arguments, **ask.keywords)
            except Exception as error:
                failure = error
    except StopIteration as end:
        return cast(T, end.value)
    finally:
        del failure  # its traceback holds this frame


async def finish_awaiting(steps: Steps[T]) -> T:
    """`finish`, awaiting those that can be awaited: what has a method ``awaiting``, of the same arguments."""
    answer, failure = None, None
    try:
        while True:
            ask = steps.send(answer) if failure is None else steps.throw(failure)
            answer, failure = None, None
            try:
                answer = await _awaited(ask)
            except Exception as error:
                failure = error
    except StopIteration as end:
        return cast(T, end.value)
    finally:
        del failure
        steps.close()  # where the caller was cancelled


async def _awaited(ask: Ask) -> Any:
    awaiting = getattr(ask.target, "awaiting", None)
    if awaiting is None:  # it is of this process, and answers at once
        return getattr(ask.target, ask.method)(*ask.arguments, **ask.keywords)
    return await awaiting(ask.method, *ask.arguments, **ask.keywords)
