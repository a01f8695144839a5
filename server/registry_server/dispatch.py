"""From a request's method and path to an operation of the spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from registry_server.parameters import LONGEST_REMEMBERED, REMEMBERED
from registry_server.requests import path_segments

if TYPE_CHECKING:
    from registry_server.operations import CompiledOperation


class Match(NamedTuple):
    """What the spec has at a path: its operations by method, and the path's segments, percent-decoded."""

    methods: Mapping[str, CompiledOperation]
    segments: list[str]


class DispatchTable:
    """From method and path to an operation, by dictionary: one look-up for each shape of path.

    Keys travel in queries, so the same paths come again and again: those found are remembered as they came.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Match] = {}
        # by number of segments: (positions of the literal segments, their texts -> operations by method)
        self._shapes: dict[
            int, list[tuple[tuple[int, ...], dict[tuple[str, ...], dict[str, CompiledOperation]]]]
        ] = {}

    def add(self, method: str, path: str, operation: CompiledOperation) -> None:
        segments = path.split("/")
        literals = tuple(i for i, segment in enumerate(segments) if not segment.startswith("{"))
        shapes = self._shapes.setdefault(len(segments), [])
        table = next((table for positions, table in shapes if positions == literals), None)
        if table is None:
            table = {}
            shapes.append((literals, table))
            shapes.sort(key=lambda shape: -len(shape[0]))  # the most literal first: OpenAPI's own precedence
        table.setdefault(tuple(segments[i] for i in literals), {})[method] = operation

    def find(self, path: bytes) -> Match | None:
        """What the spec has at the path, percent-encoded; None where it has nothing."""
        found = self._known.get(path)
        if found is None:
            found = self._look_up(path_segments(path))
            if found is not None and len(path) <= LONGEST_REMEMBERED:
                if len(self._known) == REMEMBERED:
                    self._known.clear()
                self._known[path] = found
        return found

    def _look_up(self, segments: list[str]) -> Match | None:
        for literals, table in self._shapes.get(len(segments), ()):
            methods = table.get(tuple([segments[i] for i in literals]))
            if methods is not None:
                return Match(methods, segments)
        return None

    def operations(self) -> list[CompiledOperation]:
        return [
            operation
            for shapes in self._shapes.values()
            for _, table in shapes
            for methods in table.values()
            for operation in methods.values()
        ]
