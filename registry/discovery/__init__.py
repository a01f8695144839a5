"""Names that a registry finds though nothing is stored under them yet: lazies, aliases, entry points.

**The look-up rule**, the same for local and shared registries: a name means

1. the stand-in that `Registry.overriding` put in its place, else
2. what is registered under it, here or on the server, else
3. what this process declared it to be: an alias leads to its target, by this rule again; a lazy artifact is
   imported, else
4. the entry point of that name, of the installed distributions, else
5. where the registry has a ``parent=``, what it means there: see `registry.hierarchy`.

Steps 3 to 5 happen behind the miss of a look-up, so finding what is registered costs nothing more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from registry import settings
from registry.errors import (
    ArtifactLoadError,
    CoercionError,
    DuplicateKeyError,
    RegistryError,
    ValidationError,
)
from registry.origin import origin_of
from registry.steps import Ask, Steps, finish
from registry.suggest import near_names

if TYPE_CHECKING:
    from registry.base import Registry
    from registry.discovery.plugins import Plugin

MISSING: Any = object()
"""What `Declared.find` gives where there is nothing, and what it takes where there is no default."""


class BrokenArtifactWarning(UserWarning):
    """A listing left out an artifact that cannot be loaded; looking it up raises `ArtifactLoadError`."""


class Source(Protocol):
    """Where an artifact is imported from when it is first looked up. ``str()`` names it for messages."""

    def load(self) -> Any:
        """The artifact; raises whatever importing it raises."""


class Target(NamedTuple):
    """``package.module:attribute``, not imported."""

    module: str
    attribute: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """The target that ``text`` names.

        Raises:
            CoercionError: it is not two dotted names with a colon between.
        """
        if isinstance(text, str):
            module, _, attribute = text.partition(":")
            if all(part.isidentifier() for part in [*module.split("."), *attribute.split(".")]):
                return cls(module, attribute)
        raise CoercionError(
            f"A lazy artifact is named by 'package.module:attribute', not {text!r}",
            suggestions=["'research.losses:mse'"],
            context={"given": str(text)},
        )

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"

    def load(self) -> Any:
        found: Any = import_module(self.module)
        for name in self.attribute.split("."):
            found = getattr(found, name)
        return found

    def may_be(self, artifact: object) -> bool:
        """Whether ``artifact`` is what this names, as far as can be told without importing anything.

        Packages hand on what their modules define, so the same qualified name from the same top-level
        package counts as the same.
        """
        named = getattr(artifact, "__qualname__", None), _top(getattr(artifact, "__module__", None))
        if named == (self.attribute, _top(self.module)):
            return True
        return vars(sys.modules.get(self.module, object)).get(self.attribute, MISSING) is artifact


class Declared:
    """What one registry finds in this process beside its storage.

    Every change is one step on a dictionary, so there is no lock: one held while a module is imported could
    wait for a thread that imports the same module and waits for it.

    Attributes:
        lazy: targets by name, loaded or not.
        aliases: the names that other names lead to.
        group: the entry points' group, or None.
    """

    def __init__(self, group: str | None = None) -> None:
        if group is not None and not isinstance(group, str):
            raise ValidationError(
                f"entry_points is the name of a group of entry points, not {group!r}",
                suggestions=["entry_points='acme.losses'"],
                context={"entry_points": group},
            )
        self.lazy: dict[Any, Target] = {}
        self.aliases: dict[Any, Any] = {}
        self.group = group
        self._plugins: dict[str, Plugin] | None = None
        self._kept: dict[Any, Any] = {}

    def __bool__(self) -> bool:
        return bool(self.lazy or self.aliases or self.group)

    @property
    def plugins(self) -> dict[str, Plugin]:
        """The entry points by name, found when first asked for; none is imported."""
        if self._plugins is None:
            if self.group is None:
                return {}
            from registry.discovery.plugins import plugins_of

            self._plugins = dict(plugins_of(self.group))
        return self._plugins

    def declares(self, key: Any) -> bool:
        """Whether ``key`` is lazy or an alias; looks for no entry points."""
        return key in self.lazy or key in self.aliases

    def is_loaded(self, key: Any) -> bool:
        """Whether `find` imports nothing for this entry point of a shared registry."""
        return key in self._kept

    def names(self) -> list[Any]:
        """The names that a listing shows after the registered ones; aliases are found and not listed."""
        return [*self.lazy, *self.plugins]

    def all_names(self) -> list[Any]:
        return [*self.names(), *self.aliases]

    def listed(self, stored: Iterable[Any]) -> Iterator[Any]:
        """``stored`` names and then `names`, each once."""
        return iter(dict.fromkeys([*stored, *self.names()]))

    # ---- look up

    def find(self, cls: type[Registry[Any]], key: Any, default: Any) -> Any:
        """What ``key``, under which nothing is stored, stands for; `MISSING` where it is nothing."""
        return finish(self.finding(cls, key, default))

    def finding(self, cls: type[Registry[Any]], key: Any, default: Any) -> Steps[Any]:
        """The steps of `find`.

        Raises:
            ArtifactLoadError: it stands for what cannot be loaded.
            RegistryError: it is an alias of a name that is missing, and there is no default.
        """
        target = self.aliases.get(key, MISSING)
        if target is not MISSING:
            return (yield from self._following(cls, key, target, default))
        source = self.lazy.get(key) or self.plugins.get(key)
        return MISSING if source is None else self._loaded(cls, key, source)

    def has(self, cls: type[Registry[Any]], key: Any) -> bool:
        target = self.aliases.get(key, MISSING)
        if target is not MISSING:
            return cls.has_identifier(target)
        return key in self.lazy or key in self.plugins

    def items(self, cls: type[Registry[Any]], stored: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """``stored`` pairs and then those of `names`; what cannot be loaded is left out with a warning."""
        seen = set()
        for key, artifact in stored:
            seen.add(key)
            yield key, artifact
        for key in self.listed(()):
            if key in seen:
                continue
            try:
                artifact = cls.get_artifact(key)
            except ArtifactLoadError as error:
                warn_of(error)
                continue
            yield key, artifact

    def _following(self, cls: type[Registry[Any]], key: Any, target: Any, default: Any) -> Steps[Any]:
        if default is not MISSING:
            return (yield from cls._getting(target, default))
        try:
            return (yield from cls._getting(target, MISSING))
        except RegistryError as error:
            raise RegistryError(
                f"{key!r} in {cls.__name__} is an alias. {error.message}",
                error.suggestions,
                {**error.context, "alias": key},
            ) from None

    def _loaded(self, cls: type[Registry[Any]], key: Any, source: Source) -> Any:
        if key in self._kept:
            return self._kept[key]
        try:
            artifact = source.load()
        # A module that ends the process when it is imported is broken too.
        except (Exception, SystemExit) as error:
            raise _load_error(cls, key, source, error) from error
        try:
            cls.validate_artifact(artifact)
        except ValidationError as error:
            raise _load_error(cls, key, source, error) from error
        if is_shared(cls):
            # What others find under a name is for whoever registers it there, not for us who look it up.
            return self._kept.setdefault(key, artifact)
        return cls._adopt(key, artifact)

    # ---- change

    def forget(self, key: Any) -> bool:
        """Stop finding ``key``; whether it was found."""
        found = [names.pop(key, MISSING) for names in (self.lazy, self.aliases, self.plugins)]
        self._kept.pop(key, None)
        return any(each is not MISSING for each in found)

    def clear(self) -> None:
        self.lazy, self.aliases, self._plugins, self._kept = {}, {}, {}, {}

    def gives_way(self, cls: type[Registry[Any]], key: Any, artifact: object) -> bool:
        """Whether ``artifact`` may be registered under ``key``; False where the policy is to keep.

        Raises:
            DuplicateKeyError: this process declared the name to be something else.
        """
        if key in self.aliases:
            owner = f"as an alias of {self.aliases[key]!r}"
        elif key in self.lazy and not self.lazy[key].may_be(artifact):
            owner = f"lazily from {self.lazy[key]}"
        else:
            return True
        offered = f"lazily from {artifact}" if isinstance(artifact, Target) else str(origin_of(artifact))
        return self._settled(cls, key, owner, offered)

    def adding_alias(self, cls: type[Registry[Any]], alias: Any, key: Any) -> Steps[None]:
        """The steps of `Registry.add_alias`."""
        if self.aliases.get(alias, MISSING) == key:
            return
        if self._leads_to(key, alias):
            raise CoercionError(
                f"{alias!r} cannot be an alias of {key!r} in {cls.__name__}, which leads back to it",
                suggestions=["name the artifact itself"],
                context={"alias": alias, "key": key},
            )
        offered = f"as an alias of {key!r}"
        if alias in self.aliases:
            if not self._settled(cls, alias, f"as an alias of {self.aliases[alias]!r}", offered):
                return
        elif alias in self.lazy or (yield Ask(cls._storage(), "__contains__", (alias,))):
            # The artifact would be lost, or go on being found first: no policy makes that right.
            raise _duplicate(cls, alias, "", offered)
        self.aliases[alias] = key

    def add_lazy(self, cls: type[Registry[Any]], key: Any, target: Target) -> None:
        """Declare ``key`` lazy, on a registry that is not shared; see `Registry.register_lazy`."""
        storage, offered = cls._storage(), f"lazily from {target}"
        known = self.lazy.get(key)
        current = storage.get(key, MISSING) if key in storage else MISSING  # a defaultdict would make it
        if known == target or (current is not MISSING and target.may_be(current)):
            return
        if key in self.aliases:
            owner: str | None = f"as an alias of {self.aliases[key]!r}"
        elif current is not MISSING:
            owner = f"from {origin_of(current)}"
        else:
            owner = known and f"lazily from {known}"
        if owner is not None:
            if not self._settled(cls, key, owner, offered):
                return
            storage.pop(key, None)
        self.lazy[key] = target

    def _settled(self, cls: type[Registry[Any]], key: Any, owner: str, offered: str) -> bool:
        """Make room for another meaning of ``key``, if the duplicate policy is to do so."""
        policy = cls._on_duplicate or settings.on_duplicate()
        if policy == "error":
            raise _duplicate(cls, key, owner, offered)
        if policy == "keep":
            return False
        self.lazy.pop(key, None)
        self.aliases.pop(key, None)
        return True

    def _leads_to(self, key: Any, alias: Any) -> bool:
        while key != alias and key in self.aliases:
            key = self.aliases[key]
        return bool(key == alias)


def is_shared(cls: type[Registry[Any]]) -> bool:
    """Whether other processes see what this registry stores; loads no HTTP to tell."""
    remote = sys.modules.get("registry.storage.remote")
    return remote is not None and isinstance(cls._storage(), remote.RemoteStorageProxy)


def _top(module: object) -> str | None:
    return module.partition(".")[0] if isinstance(module, str) else None


def warn_of(error: ArtifactLoadError) -> None:
    """Warn that a listing leaves an artifact out."""
    from warnings import warn

    warn(error.message, BrokenArtifactWarning, stacklevel=4)


def _duplicate(cls: type[Registry[Any]], key: Any, owner: str, offered: str) -> DuplicateKeyError:
    return DuplicateKeyError(
        f"{cls._shown()} already has {key!r}{owner and f', registered {owner}'}; offered now {offered}",
        suggestions=[
            "pick another name for one of them",
            f"remove it first: {cls.__name__}.unregister_identifier({key!r})",
        ],
        context={"key": key, "owner": owner, "offered": offered, "registry": cls.__name__},
    )


def _load_error(
    cls: type[Registry[Any]], key: Any, source: Source, cause: BaseException
) -> ArtifactLoadError:
    return ArtifactLoadError(
        f"Cannot load {key!r} of {cls.__name__} from {source}: {what_went_wrong(cause)}",
        suggestions=_what_to_do(source, cause),
        context={"key": key, "registry": cls.__name__, "source": str(source), "cause": type(cause).__name__},
    )


def what_went_wrong(cause: BaseException) -> str:
    """Type and message of ``cause`` in one line."""
    text = cause.message if isinstance(cause, ValidationError) else str(cause)
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__


def _what_to_do(source: Source, cause: BaseException) -> list[str]:
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        return [f"install the package that has {cause.name!r}, or put its folder on sys.path"]
    if isinstance(cause, AttributeError) and isinstance(source, Target):
        public = [name for name in vars(sys.modules.get(source.module, object)) if not name.startswith("_")]
        return near_names(source.attribute, public)
    return []
