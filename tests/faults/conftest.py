"""Places to do harm in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.stores import Place


@pytest.fixture
def start_place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """``start_place(kind, servers=2)``: running servers over a store of their own, ended with the test."""
    places: list[Place] = []

    def start(kind: str, **options: object) -> Place:
        folder = tmp_path / f"place{len(places)}"
        folder.mkdir()
        places.append(Place(kind, folder, **options))  # type: ignore[arg-type]
        places[-1].start()
        return places[-1]

    yield start
    for place in places:
        place.end()
