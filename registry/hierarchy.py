"""Registries that fall back to others: ``parent=``.

**The look-up rule**, the same for local and shared registries and for any mixture of them: a name means

1. what it means in the registry itself, by the rule of `registry.discovery`: a stand-in of `overriding`, what
   is registered, what this process declared (an alias, a lazy artifact), an entry point; else
2. what it means in the parent, by this rule again.

So a name that is registered shadows the parent's, and an alias may lead to a name that only the parent has. A
parent is asked behind a miss: what the registry itself has costs no more than without one, and each further
level costs one request where it is shared. It is read as the parent itself would read it: from its namespace,
under its ``trust=``, signatures checked for its names.

Whatever reads follows it: `get_artifact`, `has_identifier`, `has_artifact`, `items`, `iter_identifiers`,
``len`` and `describe` see the names of all levels, each once, the registry's own first; the near names of a
miss come from all levels. Whatever writes does so in the registry alone: registering, `overriding`,
`update_artifact`, `unregister_identifier` and `clear_artifacts` never change a parent. A key that a level
cannot have (a number, on a server) is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from registry.discovery import MISSING, is_shared
from registry.errors import CoercionError, RegistryError
from registry.names import check_key
from registry.steps import Ask, Steps

if TYPE_CHECKING:
    from registry.base import Registry
    from registry.storage.stored import Stored


def levels(cls: type[Registry[Any]]) -> Iterator[type[Registry[Any]]]:
    """The registry, its parent, the parent's parent, and so on."""
    level: type[Registry[Any]] | None = cls
    while level is not None:
        yield level
        level = level._parent


# ---- when a class is defined


def checked_parent(cls: type[Registry[Any]], parent: Any) -> type[Registry[Any]]:
    """``parent``, if ``cls`` can fall back to it. ``cls`` has its storage already, and no parent yet.

    Raises:
        CoercionError: it is no registry, of another kind, takes what ``cls`` refuses, or leads back to where
            ``cls`` itself keeps its artifacts.
    """
    if getattr(parent, "_repository", None) is None:
        raise _unfit(cls, parent, "is no registry", "name a registry class: parent=Losses")
    kind = _kind(cls)
    if not issubclass(parent, kind):
        raise _unfit(cls, parent, f"is no {kind.__name__}", "a registry and its parents are of one kind")
    _check_as_strict(cls, parent)
    for level in levels(parent):
        if _place(level) == _place(cls):
            why = f"leads back to {level._shown()}, the same place"
            raise _unfit(cls, parent, why, "keep them in different places")
    return cast("type[Registry[Any]]", parent)


def _kind(cls: type[Registry[Any]]) -> type[Any]:
    """The base, as `FunctionalRegistry`, that says what ``cls`` holds."""
    return next(base for base in cls.__mro__ if getattr(base, "_repository", cls) is None)


def _check_as_strict(cls: type[Registry[Any]], parent: type[Registry[Any]]) -> None:
    """Raise unless whatever ``parent`` holds is what ``cls`` promises of what it gives out."""
    from registry.base import type_arguments

    declared, above = (type_arguments(each, _kind(cls)) for each in (cls, parent))
    if not declared or not (cls._strict or cls._abstract):
        return
    for keyword in ("strict", "abstract"):
        if getattr(cls, f"_{keyword}") and not getattr(parent, f"_{keyword}"):
            why = f"is not {keyword}=True, and holds what this refuses"
            raise _unfit(cls, parent, why, f"{keyword}=True on both")
    if declared != above and not _narrows(above, declared):
        raise _unfit(cls, parent, "declares other type parameters", "declare the same ones on both")


def _narrows(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether classes that inherit ``one`` inherit ``other``."""
    classes = [*one, *other]
    return len(classes) == 2 and all(isinstance(each, type) for each in classes) and issubclass(*classes)


def _place(cls: type[Registry[Any]]) -> object:
    """What is equal for two registries that keep their artifacts in one place, as far as they say."""
    storage: Any = cls._storage()
    if is_shared(cls):
        return storage.namespace, storage.address
    return id(getattr(storage, "_mapping", storage))


def _unfit(cls: type[Registry[Any]], parent: Any, why: str, suggestion: str) -> CoercionError:
    name = getattr(parent, "__name__", None) or repr(parent)
    return CoercionError(
        f"{cls.__name__} cannot have the parent {name:.80}: it {why}",
        suggestions=[suggestion],
        context={"registry": cls.__name__, "parent": f"{name:.80}"},
    )


# ---- when names are looked up


def next_level(cls: type[Registry[Any]], key: Any) -> type[Registry[Any]] | None:
    """The nearest parent that could have ``key``: a shared one has texts only."""
    for level in levels(cls):
        if level is not cls and not (is_shared(level) and not _can_travel(key)):
            return level
    return None


def _can_travel(key: Any) -> bool:
    try:
        check_key(key)
    except CoercionError:
        return False
    return True


def falling_back(cls: type[Registry[Any]], key: Any, default: Any, near: list[str] | None) -> Steps[Any]:
    """What ``key``, which is not in ``cls`` itself, means in its parents.

    ``near`` are names like it that ``cls`` has, or None where nobody has looked for them yet.

    Raises:
        RegistryError: nothing, and there is no default; the suggestions are of all levels.
    """
    parent, inherited = next_level(cls, key), list[str]()
    if parent is not None:
        try:
            return (yield from parent._getting(key, default))
        except RegistryError as error:
            if "alias" in error.context:
                raise  # it says more than that there is none
            inherited = error.suggestions
    if default is not MISSING:
        return default
    if near is None:
        near = yield Ask(cls._storage(), "near_names", (key,))
    raise cls._not_found(key, [*near, *inherited])


def parents_have(cls: type[Registry[Any]], key: Any) -> bool:
    """Whether a look-up of ``key``, which is not in ``cls`` itself, finds it in a parent."""
    parent = next_level(cls, key)
    return parent is not None and parent.has_identifier(key)


def only_above(cls: type[Registry[Any]], key: Any, missing: RegistryError) -> RegistryError:
    """``missing``, the error that there is nothing to change here; it says so where a parent has the name."""
    parent = next_level(cls, key)
    if parent is None or not parent.has_identifier(key):
        return missing
    return RegistryError(
        f"Key not found: {key!r} in {cls._shown()} itself; it is found in its parent {parent._shown()}",
        suggestions=[f"change it there: {parent.__name__}", "or register another one here, to shadow it"],
        context={**missing.context, "parent": parent.__name__},
    )


def names_of(cls: type[Registry[Any]], artifact: Any) -> Iterator[Any]:
    """The names by which this artifact, by identity, is registered and found; not those that are shadowed."""
    for level in levels(cls):
        for name in level._storage().keys_of(artifact):
            if not _is_shadowed(cls, level, name):
                yield name


def _is_shadowed(cls: type[Registry[Any]], level: type[Registry[Any]], name: Any) -> bool:
    """Whether ``name``, which ``level`` has, means something else in a level before it; decodes nothing."""
    for nearer in levels(cls):
        if nearer is level:
            return False
        declared = nearer._declared
        if declared.declares(name) or name in declared.plugins:
            return True
        if not (is_shared(nearer) and not _can_travel(name)) and name in nearer._storage():
            return True
    return False


def stored_entry(cls: type[Registry[Any]], key: str) -> Stored | None:
    """What a server has under ``key``, not decoded, where its level is the first that has the name."""
    for level in levels(cls):
        storage: Any = level._storage()
        try:
            if is_shared(level):
                return cast("Stored", storage.entry(key))
        except RegistryError:
            continue
        if key in storage:
            return None
    return None


# ---- when they are listed


def listed(cls: type[Registry[Any]], own: Iterable[Any], inherited: Iterable[Any]) -> list[Any]:
    """``own`` names and then the ``inherited`` ones that mean the parent's artifacts here, each once."""
    names = dict.fromkeys(own)
    names.update(dict.fromkeys(name for name in inherited if name not in cls._declared.aliases))
    return list(names)


def items(cls: type[Registry[Any]], own: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """``own`` pairs and then those of the parent, as `listed`."""
    seen = set(cls._declared.aliases)
    for key, artifact in own:
        seen.add(key)
        yield key, artifact
    assert cls._parent is not None
    for key, artifact in cls._parent.items():
        if key not in seen:
            yield key, artifact
