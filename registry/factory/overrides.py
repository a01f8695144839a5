"""Single fields of a config replaced by their dotted paths: ``optimizer.lr=0.1``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from registry.errors import CoercionError

if TYPE_CHECKING:
    from registry.factory.problems import Path, Source


def parse_overrides(arguments: Iterable[str]) -> dict[str, Any]:
    """Read overrides as they stand on a command line.

        Trainings.factorize_from_file("train.yaml", **parse_overrides(sys.argv[1:]))

    Args:
        arguments: each ``path=value``, where the path has dots between its keys. The value is read as JSON;
            anything that is not JSON is text.

    Raises:
        CoercionError: an argument has no ``=``, or nothing before it.
    """
    overrides: dict[str, Any] = {}
    for argument in arguments:
        path, equals, text = argument.partition("=")
        if not equals or not path:
            raise CoercionError(
                f"An override is path=value, not {argument!r}",
                suggestions=["optimizer.lr=0.1"],
                context={"argument": argument},
            )
        overrides[path] = _value(text)
    return overrides


def _value(text: str) -> Any:
    from registry.envelope.form import parse_json
    from registry.errors import MalformedEnvelopeError

    try:
        return parse_json(text)
    except MalformedEnvelopeError:
        return text


def overridden(config: Mapping[Any, Any], fields: Mapping[str, Any]) -> dict[Any, Any]:
    """A copy of ``config`` with ``fields`` in it; a key with dots in it is the path of a part.

    Raises:
        CoercionError: a path leads through something that has no fields.
    """
    changed = dict(config)
    for key, value in fields.items():
        changed = _replaced(changed, tuple(key.split(".")), value, key)
    return changed


def _replaced(part: Any, path: Path, value: Any, whole: str) -> Any:
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(part, (list, tuple)) and key.isdecimal() and int(key) < len(part):
        items = list(part)
        items[int(key)] = _replaced(items[int(key)], rest, value, whole)
        return items
    if isinstance(part, Mapping):
        return {**part, key: _replaced(part.get(key, {}) if rest else None, rest, value, whole)}
    raise CoercionError(
        f"The override {whole!r} cannot be made: there are no fields before {'.'.join(path)!r}",
        suggestions=["override the part as a whole"],
        context={"override": whole, "type": type(part).__name__},
    )


class PartlyOverridden:
    """A file whose lines say nothing about the fields that were overridden."""

    def __init__(self, source: Source, fields: Iterable[str]) -> None:
        self._source = source
        self._paths = [tuple(key.split(".")) for key in fields]

    @property
    def file(self) -> str:
        """The file's path, as it was given."""
        return self._source.file

    def line_of(self, path: Path) -> int | None:
        """The line of this part in the file; None if it is not from there."""
        texts = tuple(map(str, path))
        if any(texts[: len(replaced)] == replaced for replaced in self._paths):
            return None
        return self._source.line_of(path)
