"""The ways to register that name an artifact without handing it over, or many by where they are defined."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, cast

from registry.discovery import Target, is_shared
from registry.names import hashable
from registry.steps import finish

if TYPE_CHECKING:
    from types import ModuleType

    from registry.base import Registry


class Discovering:
    """Lazy names, aliases, modules and packages."""

    @classmethod
    def register_lazy(cls, name: Hashable, target: str) -> None:
        """Register what ``target``, ``package.module:attribute``, names; it is imported when looked up first.

        On a shared registry a signed reference is published, nothing is imported here at all, and other
        processes import it when they look it up. Registering the artifact itself under the same name, as its
        module may do while it is imported, is no duplicate.

        Raises:
            CoercionError: ``target`` has another form, or no other process could import it.
            DuplicateKeyError: something else has the name; ``on_duplicate`` applies.
        """
        registry, parsed = _registry(cls), Target.parse(target)
        if not is_shared(registry):
            registry._declared.add_lazy(registry, hashable(name), parsed)
        elif registry._declared.gives_way(registry, hashable(name), parsed):
            from registry.discovery.published import publish

            publish(registry, cast(str, name), parsed)

    @classmethod
    def add_alias(cls, alias: Hashable, name: Hashable) -> None:
        """Let ``alias`` find, in this process, whatever ``name`` finds then; ``name`` may come later.

        An alias is not listed among the names. `unregister_identifier` removes it.

        Raises:
            DuplicateKeyError: the alias is taken; ``on_duplicate`` applies where it is an alias of another.
            CoercionError: ``name`` leads back to the alias.
        """
        registry = _registry(cls)
        finish(registry._declared.adding_alias(registry, hashable(alias), hashable(name)))

    @classmethod
    def register_module(cls, module: ModuleType | str) -> dict[str, Any]:
        """Register what a module defines and this registry may hold, in one batch, under the names there.

        These are the functions or the classes (of a `SchemeRegistry`, both) that are defined in the module
        itself and have a public name; with ``__all__``, those named there that the module or its submodules
        define. What it imports from elsewhere is left out.

        Returns:
            As `safe_register_batch`.

        Raises:
            ArtifactLoadError: there is no such module, or it cannot be imported.
        """
        from registry.discovery.modules import register_module

        return register_module(_registry(cls), module)

    @classmethod
    def register_package(cls, package: ModuleType | str) -> dict[str, Any]:
        """As `register_module`, for a package and all public modules below it, in one batch.

        A module that cannot be imported is among the ``failed``, by its name, and so is a name that a second
        module gives to something else; all others are registered.
        """
        from registry.discovery.modules import register_package

        return register_package(_registry(cls), package)


def _registry(cls: type) -> type[Registry[Any]]:
    return cast("type[Registry[Any]]", cls)
