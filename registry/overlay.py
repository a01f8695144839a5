"""Stand-ins in front of what a registry holds, for a while and for this process only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from registry.storage.base import View


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
