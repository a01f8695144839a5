"""Stand-ins in front of what a registry holds, for a while and for this process only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from registry.storage.base import View

if TYPE_CHECKING:
    from registry.base import Registry

A = TypeVar("A")


class Overlay(Mapping[Any, Any]):
    """Stand-ins in front of a view, for `Registry.overriding`."""

    def __init__(self, stand_ins: Mapping[Any, Any], view: View[Any, Any]) -> None:
        self.stand_ins = stand_ins
        self.view = view

    def __getitem__(self, key: Any) -> Any:
        return self.stand_ins[key] if key in self.stand_ins else self.view.table[key]

    def __iter__(self) -> Iterator[Any]:
        return iter({**self.view.table, **self.stand_ins})

    def __len__(self) -> int:
        return len({**self.view.table, **self.stand_ins})


class Overridable(Generic[A]):
    """A registry whose artifacts can be stood in for."""

    @classmethod
    @contextmanager
    def overriding(cls, artifacts: Mapping[Any, A] | None = None, /, **named: A) -> Iterator[None]:
        """Within the block, look-ups of this process find these artifacts; then everything is as it was.

        For tests: nothing is registered, and other processes of a shared registry see nothing of it.
        """
        registry = cast("type[Registry[A]]", cls)
        stand_ins = {**(artifacts or {}), **named}
        for artifact in stand_ins.values():
            registry.validate_artifact(artifact)
        view = registry._view
        registry._view = View(Overlay(stand_ins, view))
        try:
            yield
        finally:
            registry._view = view

    @classmethod
    def _stand_ins(cls) -> Mapping[Any, A]:
        """What `overriding` put in place, the innermost block's first."""
        table, found = cast("type[Registry[A]]", cls)._view.table, dict[Any, Any]()
        while isinstance(table, Overlay):
            found = {**table.stand_ins, **found}
            table = table.view.table
        return found
