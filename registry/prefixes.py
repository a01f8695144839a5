"""Which registry a name in a config is looked up in."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from registry.base import Registry
from registry.errors import CoercionError, RegistryError, ValidationError
from registry.suggest import near_names


class Names:
    """The registries that a config can name, and the one rule by which it does.

    Args:
        home: the registry that was asked.
        registries: the others, by their prefixes.
    """

    def __init__(self, home: type[Registry[Any]], registries: Mapping[str, type[Registry[Any]]]) -> None:
        for prefix, registry in registries.items():
            if not (isinstance(registry, type) and hasattr(registry, "get_artifact")):
                raise CoercionError(
                    f"registries[{prefix!r}] is no registry class",
                    suggestions=["registries={'optim': Optimizers}"],
                )
        self.home = home
        self.registries = registries

    def resolve(self, text: str) -> tuple[type[Registry[Any]], str]:
        """The registry that ``text`` means, and the name in it."""
        prefix, colon, name = text.partition(":")
        if colon and prefix in self.registries:
            return self.registries[prefix], name
        return self.home, text

    def near(self, text: str, error: RegistryError) -> list[str]:
        """The names that may have been meant by ``text``, which is not there; in other registries too."""
        registry, name = self.resolve(text)
        if registry is not self.home or name != text:
            return [f"{text.partition(':')[0]}:{near}" for near in error.suggestions]
        prefix, colon, rest = text.partition(":")
        prefixes = near_names(prefix, self.registries) if colon else []
        named = [f"{near}:{rest}" for near in prefixes]
        return named or [f"{prefix}:{text}" for prefix in self._holders(text)] or error.suggestions

    def _holders(self, name: str) -> list[str]:
        """The prefixes of the registries that have ``name``."""
        holders = []
        for prefix, registry in self.registries.items():
            with suppress(RegistryError, ValidationError):  # an unreachable server gives no suggestions
                if registry.has_identifier(name):
                    holders.append(prefix)
        return holders

    def text_of(self, registry: type[Registry[Any]], name: str) -> str | None:
        """How a config says ``name`` in ``registry``; nothing where it cannot."""
        prefixes = [f"{prefix}:" for prefix, other in self.registries.items() if other is registry]
        for text in [name] * (registry is self.home) + [prefix + name for prefix in prefixes]:
            if self.resolve(text) == (registry, name):
                return text
        return None
