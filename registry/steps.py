"""Operations written once, for callers that wait and for callers in an event loop.

Such an operation is a generator. It yields what it has to ask of a storage, or a storage of its server, is
sent the answer or thrown what asking raised, and returns the operation's result. It decides everything and
waits for nothing: `finish` runs it by calling, `registry.storage.aremote` by awaiting.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar

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
    failure: Exception | None = None
    answer: Any = None
    try:
        while True:
            ask = steps.send(answer) if failure is None else steps.throw(failure)
            failure = None
            try:
                answer = getattr(ask.target, ask.method)(*ask.arguments, **ask.keywords)
            except Exception as error:
                failure = error  # thrown from here, so that what it leads to has no context of ours
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        del failure  # its traceback holds this frame
