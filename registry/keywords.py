"""What is said of a class keyword that neither a registry nor another base takes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

from registry.errors import CoercionError
from registry.suggest import did_you_mean, near_names


def unknown_keywords(cls: type, given: Iterable[str]) -> CoercionError:
    """The error for class keywords of which not all are taken.

    Args:
        cls: the class that is being defined.
        given: the keywords that a registry does not know; those that another base names are not meant.
    """
    taken = dict.fromkeys(_taken(cls))
    unknown = [name for name in given if name not in taken] or list(given)
    near = near_names(unknown[0], taken)
    return CoercionError(
        f"{cls.__name__} is defined with {', '.join(f'{name}=' for name in unknown)}, which no base of it "
        f"takes.{did_you_mean(near)}",
        suggestions=[f"{name}=" for name in near] or ["help(registry.FunctionalRegistry) lists the keywords"],
        context={"registry": cls.__name__, "keywords": ", ".join(unknown)},
    )


def _taken(cls: type) -> Iterator[str]:
    """The class keywords that the bases of ``cls`` name."""
    for base in cls.__mro__[1:]:
        if "__init_subclass__" in vars(base) and base is not object:
            parameters = inspect.signature(base.__init_subclass__).parameters.values()
            yield from (
                one.name for one in parameters if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)
            )
