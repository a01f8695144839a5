"""The parts of a config that are more than data: calls, references, and what holds some of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from registry.factory.problems import Path
from registry.factory.recipes import Recipe, copy_of

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_DEPTH = 100

UNKNOWN: Any = object()
"""Where a reference leads that was not followed yet."""


class Node:
    """A ``_type``: what is called, and with what."""

    __slots__ = (
        "artifact",
        "children",
        "complete",
        "config",
        "key",
        "model",
        "name",
        "partial",
        "path",
        "recipe",
        "registry",
    )

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.registry: Any = None
        self.key = name
        self.artifact: Any = None
        self.model: type[BaseModel] | None = None
        self.children: dict[str, Any] = {}
        self.partial = False
        self.config: BaseModel | None = None
        self.complete = False
        self.recipe: Recipe | None = None


class Ref:
    """A ``_ref``: another part."""

    __slots__ = ("path", "target", "to", "written")

    def __init__(self, path: Path, to: Path, written: str | list[Any]) -> None:
        self.path = path
        self.to = to
        self.written = written
        self.target = UNKNOWN


class Many:
    """A list, tuple or mapping with one of these in it."""

    __slots__ = ("children", "kind", "recipe")

    def __init__(self, kind: Callable[[Any], Any], children: dict[Any, Any]) -> None:
        self.kind = kind
        self.children = children
        self.recipe: Any = None

    def filled(self, children: dict[Any, Any]) -> Any:
        return children if self.kind is dict else self.kind(children.values())


PARTS = (Node, Ref, Many)


def wrong() -> Many:
    """In the place of a part that has been found wrong: nothing more is to be said of it."""
    return Many(dict, {})


def children_of(part: Any) -> Mapping[Any, Any]:
    """What is inside a part, or inside data, by its key or index."""
    if isinstance(part, (Node, Many)):
        return part.children
    if isinstance(part, (list, tuple)):
        return dict(enumerate(part))
    return part if isinstance(part, Mapping) else {}


def holds_part(value: Any, depth: int = 0) -> bool:
    """Whether anything below ``value`` is a mapping with a ``_type``."""
    return depth < MAX_DEPTH and any(
        (isinstance(child, Mapping) and "_type" in child) or holds_part(child, depth + 1)
        for child in children_of(value).values()
    )


def settled(child: Any) -> Any:
    """What a reference leads to, where that is data."""
    target = child
    for _ in range(MAX_DEPTH):
        if not isinstance(target, Ref):
            break
        target = target.target
    return child if isinstance(target, PARTS) else target


def raw(value: Any) -> Any:
    """``value`` as a config that `unknown_fields` can look into: built objects have no fields to look at."""
    if isinstance(value, Many):
        return value.filled({key: raw(child) for key, child in value.children.items()})
    return {"_type": ""} if isinstance(value, (Node, Ref)) else value


def recipe_of(part: Any) -> Any:
    """How ``part`` was written, as data: one recipe for a part, however many references lead to it."""
    if isinstance(part, Ref):
        return recipe_of(part.target)
    if not isinstance(part, (Node, Many)):
        return copy_of(part)
    if part.recipe is None:
        fields = {key: recipe_of(child) for key, child in part.children.items()}
        if isinstance(part, Many):
            part.recipe = part.filled(fields)
        else:
            assert part.model is not None  # it has been built
            part.recipe = Recipe(part.registry, part.key, part.artifact, part.model, part.partial, fields)
    return part.recipe
