"""The keywords of a registry class that say whether its namespace is followed, and how closely."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from registry.errors import ValidationError

LEAST_STALENESS: Final = 3.0
"""Below this, polls would have to be sent more often than once a second."""


class Caching(NamedTuple):
    """``cache=``, ``max_staleness=`` and ``stale_if_error=``, as they were given."""

    cache: bool = False
    max_staleness: float | None = None
    stale_if_error: float | None = None

    def check(self, *, shared: bool) -> None:
        """Raise `ValidationError` unless the keywords make sense, of a registry that is shared or not."""
        bounds = self.bounds()
        if not isinstance(self.cache, bool):
            raise ValidationError(
                f"cache is True or False, not {self.cache!r}",
                suggestions=["cache=True"],
                context={"cache": self.cache},
            )
        if not self.cache and bounds:
            raise ValidationError(
                f"{' and '.join(f'{name}=' for name in bounds)} bound a cache, and there is none",
                suggestions=["cache=True"],
            )
        if self.cache and not shared:
            raise ValidationError(
                "cache=True follows a namespace of a server, and this registry is local: it needs no cache",
                suggestions=["logic_namespace='research.losses'", "leave cache= out"],
            )
        for name, least in (("max_staleness", LEAST_STALENESS), ("stale_if_error", 0.0)):
            value = bounds.get(name, least)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < 1e9:
                raise ValidationError(
                    f"{name} is a number of seconds, {least:g} or more, not {value!r}",
                    suggestions=[f"{name}=10"],
                    context={name: value},
                )

    def bounds(self) -> dict[str, Any]:
        """The bounds that were given, as arguments of `registry.storage.cached.CachedStorage`."""
        given = {"max_staleness": self.max_staleness, "stale_if_error": self.stale_if_error}
        return {name: value for name, value in given.items() if value is not None}


UNCACHED: Final = Caching()
