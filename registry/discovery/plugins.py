"""Entry points: what installed distributions offer to a registry by the name of a group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from registry.errors import DuplicateKeyError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_found: dict[str, Mapping[str, Plugin]] = {}
"""By group: what is installed does not change while a process runs, and looking takes milliseconds."""


class Plugin(NamedTuple):
    """One entry point, not imported.

    Attributes:
        name: of the entry point.
        value: ``package.module:attribute``, as the distribution wrote it.
        distribution: name and version of who offers it; several where they disagree on the value.
    """

    name: str
    value: str
    distribution: str

    def __str__(self) -> str:
        return f"the entry point {self.name!r} ({self.value}) of {self.distribution}"

    def load(self) -> Any:
        """Import it. The value is what some distribution wrote, so nothing is assumed of its form."""
        if " and " in self.distribution:
            raise DuplicateKeyError(
                f"{self.distribution} both offer {self.name!r}",
                suggestions=["uninstall one of them", "register the one you want under this name"],
                context={"key": self.name},
            )
        module, _, attributes = self.value.partition("[")[0].strip().partition(":")
        found: Any = import_module(module.strip())
        for name in filter(None, attributes.strip().split(".")):
            found = getattr(found, name)
        return found


def plugins_of(group: str) -> Mapping[str, Plugin]:
    """The entry points of ``group`` by name, of all distributions; looked for once per process."""
    if group not in _found:
        plugins: dict[str, Plugin] = {}
        for point in _entry_points(group):
            offered = Plugin(point.name, point.value, _distribution(point))
            known = plugins.get(point.name)
            if known is None:
                plugins[point.name] = offered
            elif known.value != offered.value:
                both = f"{known.distribution} and {offered.distribution}"
                plugins[point.name] = Plugin(point.name, f"{known.value}, {offered.value}", both)
        _found[group] = plugins
    return _found[group]


def _entry_points(group: str) -> Iterable[EntryPoint]:
    from importlib import metadata  # takes 40 ms

    try:
        return metadata.entry_points(group=group)
    except Exception:  # one distribution's metadata is broken, and the rest are not to suffer for it
        return [point for one in metadata.distributions() for point in _readable(one) if point.group == group]


def _readable(distribution: Any) -> Iterable[EntryPoint]:
    try:
        return list(distribution.entry_points)
    except Exception as error:
        from warnings import warn

        from registry.discovery import BrokenArtifactWarning

        name = getattr(distribution, "name", None) or "a distribution without a name"
        warn(
            f"Cannot read the entry points of {name}: {type(error).__name__}: {error}",
            BrokenArtifactWarning,
            stacklevel=2,
        )
        return []


def _distribution(point: EntryPoint) -> str:
    owner = point.dist
    if owner is None:
        return "an unknown distribution"
    try:
        return f"{owner.name} {owner.version}"
    except Exception:  # metadata without a version
        return owner.name or "an unknown distribution"
