"""What all registries share: a class is the registry, its keywords choose where artifacts live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast, overload

from registry import hierarchy, settings
from registry.discovery import MISSING, Declared
from registry.discovery.ways import Discovering
from registry.duplicates import Own, checked_policy, is_redefinition, taken
from registry.errors import CoercionError, RegistryError, ValidationError
from registry.meta import RegistryMeta
from registry.names import hashable
from registry.origin import told_origin
from registry.overlay import Overridable
from registry.steps import Ask, Steps, finish
from registry.storage.base import PRESENT, Claim, Progress, Storage, View, no_progress
from registry.storage.caching import Caching
from registry.storage.choice import check_place, storage_for
from registry.suggest import did_you_mean, near_names
from registry.validating import Validating, by_name, report
from registry.versions.noted import Noted
from registry.versions.numbers import check_replaceable

if TYPE_CHECKING:
    from rich.table import Table

    from registry.describe import Description
    from registry.doctor import Diagnosis

A = TypeVar("A")
"""What a registry holds."""
T = TypeVar("T")

_NOTHING: View[Any, Any] = View({})
"""The view of a registry whose look-ups have to ask a server."""


class Registry(Discovering, Overridable[A], Validating, Generic[A], metaclass=RegistryMeta):
    """Base of all registries. Subclass `FunctionalRegistry`, `TypeRegistry` or `SchemeRegistry`, not this.

    Each subclass is a registry of its own, with storage of its own. Class keywords:

    Args:
        logic_namespace: share the artifacts with other processes, under this namespace of a registry server.
        server: that server's URL, or a list of URLs of servers over one store, of which one is asked and the
            others stand by; ``REGISTRY_SERVER_URL`` or host and port of the environment unless given.
        storage: any `MutableMapping` to keep the artifacts in.
        strict: refuse callables that cannot be called as the registry's type parameters declare.
        abstract: refuse classes that do not inherit the registry's type parameter.
        on_duplicate: ``error``, ``replace`` or ``keep`` when another artifact has the name;
            ``REGISTRY_ON_DUPLICATE`` or ``error`` unless given.
        trust: what a shared registry may decode: ``json``, ``refs``, ``signed`` (default) or ``unsafe``.
        trusted_modules: modules into which unsigned references are followed.
        entry_points: find the entry points of this group too, each imported when it is looked up; the rule
            is in `registry.discovery`.
        parent: a registry of the same kind, in which names that are not found here are looked up; the rule
            is in `registry.hierarchy`. Not inherited by subclasses, as no place is.
        frozen: path of a lock file: a shared registry holds what was frozen there and asks no server;
            ``REGISTRY_FROZEN`` unless given.
        cache: answer look-ups of a shared registry in this process, and follow what changes; what is promised
            of it is in `registry.storage.cached`.
        max_staleness: seconds after which the cache asks the server unless it has heard from it, 10 unless
            given; 3 or more.
        stale_if_error: the same while the server does not answer.

    Raises:
        NamespaceError: ``logic_namespace`` is not a namespace. Nothing is contacted.
        CoercionError: ``parent`` is none that this registry can fall back to, or there is no such keyword.
    """

    _repository: ClassVar[Storage[Any, Any] | None] = None
    _view: ClassVar[View[Any, Any]] = _NOTHING
    _own: ClassVar[dict[Any, Own]] = {}
    _declared: ClassVar[Declared] = Declared()
    _parent: ClassVar[type[Registry[Any]] | None] = None
    _deprecated: ClassVar[Noted] = Noted()
    _strict: ClassVar[bool] = False
    _abstract: ClassVar[bool] = False
    _on_duplicate: ClassVar[str | None] = None

    def __init_subclass__(
        cls,
        *,
        logic_namespace: str | None = None,
        server: str | Iterable[str] | None = None,
        storage: MutableMapping[Any, Any] | None = None,
        strict: bool | None = None,
        abstract: bool | None = None,
        on_duplicate: str | None = None,
        trust: Any = "signed",
        trusted_modules: Iterable[str] = (),
        entry_points: str | None = None,
        parent: type[Registry[Any]] | None = None,
        frozen: str | PathLike[str] | None = None,
        cache: bool = False,
        max_staleness: float | None = None,
        stale_if_error: float | None = None,
        base: bool = False,
        **keywords: Any,
    ) -> None:
        try:
            super().__init_subclass__(**keywords)
        except TypeError as error:
            if not keywords or "keyword argument" not in str(error):
                raise
            from registry.keywords import unknown_keywords

            raise unknown_keywords(cls, keywords) from error
        if strict is not None:
            cls._strict = strict
        if abstract is not None:
            cls._abstract = abstract
        if on_duplicate is not None:
            cls._on_duplicate = checked_policy(on_duplicate)
        cls._own = {}
        cls._declared = Declared(entry_points)
        cls._deprecated = Noted()
        if base:
            return
        check_place(cls.__name__, logic_namespace, server, storage, frozen)
        cls._repository = storage_for(
            namespace=logic_namespace,
            server=server,
            storage=storage,
            trust=trust,
            trusted_modules=trusted_modules,
            module=cls.__module__,
            describe=cls._published_meta,
            frozen=frozen,
            caching=Caching(cache, max_staleness, stale_if_error),
        )
        cls._declared = getattr(cls._repository, "declared", cls._declared)
        cls._view = cls._repository.view or View(_NOTHING.table)
        cls._parent = None if parent is None else hierarchy.checked_parent(cls, parent)

    # ---- register

    @classmethod
    def _registering(cls, key: Any, artifact: Any) -> Steps[None]:
        """Store ``artifact`` under ``key`` if the name is free, or the duplicate policy says so."""
        cls.validate_artifact(artifact)
        if cls._declared.gives_way(cls, hashable(key), artifact):
            claim = yield Ask(cls._storage(), "claim", (key, artifact))
            yield from cls._settling(key, artifact, claim)

    @classmethod
    def _settling(cls, key: Any, artifact: Any, claim: Claim) -> Steps[None]:
        """Do what is to be done after a create: nothing, replace, or raise."""
        if not (claim.won or claim.same):
            policy = cls._on_duplicate or settings.on_duplicate()
            if policy == "keep":
                return
            check_replaceable(cls, key)
            if policy == "replace":
                claim = yield Ask(cls._storage(), "replace", (key, artifact, PRESENT))
            elif is_redefinition(cls._own.get(key), artifact, claim):
                claim = yield Ask(cls._storage(), "replace", (key, artifact, claim.version))
            if not (claim.won or claim.same):
                raise taken(cls.__name__, cls._shown(), key, told_origin(artifact), claim.owner)
        if claim.won:
            cls._own[key] = Own.of(claim.version, artifact)
            cls._deprecated.registered(cls, key, artifact)

    @classmethod
    def safe_register_batch(
        cls, mapping: Mapping[Any, A], *, skip_invalid: bool = True, progress: Progress = no_progress
    ) -> dict[str, Any]:
        """Register many artifacts, on a shared registry in one request for each 1,000 of them.

        Args:
            mapping: artifacts by name.
            skip_invalid: register the others where one cannot be; otherwise raise the first error, and where
                it is one that can be told beforehand, register none.
            progress: called with how many were sent, and how many there are to send, after each request.

        Returns:
            ``{"successful": [names], "failed": [names], "errors": [{"key", "error", "suggestions"}],
            "total": n}``
        """
        errors: dict[Any, ValidationError] = {}
        prepared: dict[Any, Any] = {}
        for key, artifact in by_name(mapping).items():
            try:
                offered = cls._prepare(key, artifact)
                if cls._declared.gives_way(cls, key, artifact):
                    prepared[key] = offered
            except ValidationError as error:
                if not skip_invalid:
                    raise
                errors[key] = error
        for key, claim in cls._storage().claim_many(prepared, progress=progress).items():
            try:
                finish(cls._settling(key, mapping[key], claim))
            except ValidationError as error:
                if not skip_invalid:
                    raise
                errors[key] = error
        return report(mapping, errors)

    @classmethod
    def _prepare(cls, key: Any, artifact: Any) -> Any:
        return cls._storage().prepare(hashable(key), cls.validate_artifact(artifact))

    @classmethod
    def _adopt(cls, key: Any, artifact: A) -> A:
        """Store what was imported for ``key`` unless something stands there; returns what stands there."""
        claim = cls._storage().claim(key, artifact)
        if not (claim.won or claim.same):
            return cls._storage()[key]
        if claim.won:
            cls._own[key] = Own.of(claim.version, artifact)
        return artifact

    # ---- look up

    @overload
    @classmethod
    def get_artifact(cls, key: Any) -> A: ...

    @overload
    @classmethod
    def get_artifact(cls, key: Any, default: T) -> A | T: ...

    @classmethod
    def get_artifact(cls, key: Any, default: Any = MISSING) -> Any:
        """The artifact registered under ``key``, or ``default`` where one is given and there is none.

        On a shared registry this is one request, also for a miss.

        Raises:
            RegistryError: no such name; ``suggestions`` has near ones.
            UntrustedError: it may not be decoded here; no default hides that.
            RemoteError: the server gave no usable answer; no default hides that.
        """
        try:
            return cls._view.table[key]
        except (KeyError, TypeError):
            pass
        return cls._miss(key, default)

    @classmethod
    def _miss(cls, key: Any, default: Any) -> A:
        """A look-up that the view could not answer."""
        return finish(cls._looking_up(key, default))

    @classmethod
    def _getting(cls, key: Any, default: Any) -> Steps[A]:
        """The steps of `get_artifact`."""
        try:
            return cls._view.table[key]  # type: ignore[no-any-return]
        except (KeyError, TypeError):
            pass
        found: A = yield from cls._looking_up(key, default)
        return found

    @classmethod
    def _looking_up(cls, key: Any, default: Any) -> Steps[A]:
        """The steps of `_miss`."""
        repository = cls._storage()
        hashable(key)
        cls._deprecated.looked_up(cls, key)
        near: list[str] | None = None
        # What only gets near names, a search, is not asked of a storage here that a parent stands behind.
        above = cls._parent is not None and repository.view is not None
        if above or default is not MISSING or cls._declared.declares(key):
            found: A = yield Ask(repository, "get", (key, MISSING))
            if found is not MISSING:
                return found
        else:
            try:
                found = yield Ask(repository, "__getitem__", (key,))
                return found
            except RegistryError as error:
                if "alias" in error.context:
                    raise  # the name is there; what it leads to is not
                near = error.suggestions
            except KeyError:  # of a user's own mapping
                pass
        found = yield from cls._declared.finding(cls, key, default)
        if found is not MISSING:
            return found
        if cls._parent is not None:
            found = yield from hierarchy.falling_back(cls, key, default, near)
            return found
        if default is not MISSING:
            return default  # type: ignore[no-any-return]
        if near is None:
            near = yield Ask(repository, "near_names", (key,))
        raise cls._not_found(key, near)

    @classmethod
    def _not_found(cls, key: Any, near: list[str]) -> RegistryError:
        context = {"key": key, "registry": cls.__name__}
        if (cls._declared or cls._parent) and isinstance(key, str):
            near = near_names(key, dict.fromkeys([*near, *cls._declared.all_names()]))
        if cls._storage().location:
            context["location"] = cls._storage().location
        shown = " or ".join(level._shown() for level in hierarchy.levels(cls))
        return RegistryError(
            f"Key not found: {key!r} in {shown}.{did_you_mean(near)}",
            suggestions=near,
            context=context,
        )

    @classmethod
    def _not_here(cls, key: Any) -> RegistryError:
        """The error that there is nothing to change under ``key``: a parent's is not changed from here."""
        missing = cls._not_found(key, cls._storage().near_names(key))
        return missing if cls._parent is None else hierarchy.only_above(cls, key, missing)

    @classmethod
    def has_identifier(cls, key: Any) -> bool:
        """Whether a look-up of ``key`` finds an artifact."""
        if hashable(key) in cls._view.table or key in cls._storage() or cls._declared.has(cls, key):
            return True
        return cls._parent is not None and hierarchy.parents_have(cls, key)

    @classmethod
    def has_artifact(cls, artifact: A) -> bool:
        """Whether this artifact, by identity, is registered under any name, here or in a parent."""
        return next(hierarchy.names_of(cls, artifact), MISSING) is not MISSING

    @classmethod
    def iter_identifiers(cls) -> Iterator[Any]:
        """The names, in the order of their registration; a snapshot, no artifact is decoded.

        After them, those that are only lazy so far, and entry points; none is imported. Then the parent's.
        """
        return iter(finish(cls._listing()))

    @classmethod
    def _listing(cls) -> Steps[Iterable[Any]]:
        names: Iterable[Any] = yield Ask(cls._storage(), "__iter__")
        if cls._declared:
            names = cls._declared.listed(names)
        if cls._parent is not None:
            inherited = yield from cls._parent._listing()
            names = hierarchy.listed(cls, names, inherited)
        return names

    @classmethod
    def items(cls) -> Iterator[tuple[Any, A]]:
        """Names and artifacts, in the order of registration, then lazies and entry points, imported for it.

        Then those of the parent that have no other meaning here.
        Of these, one that cannot be loaded is left out with a `BrokenArtifactWarning`.
        """
        items = iter(cls._storage().items())
        if cls._declared:
            items = cls._declared.items(cls, items)
        return hierarchy.items(cls, items) if cls._parent is not None else items

    # ---- show

    @classmethod
    def describe(cls) -> list[Description]:
        """What is known of each artifact without decoding or importing any, in the order of their names."""
        from registry.describe import describe

        return describe(cls)

    @classmethod
    def table(cls) -> Table:
        """`describe` as a table to print with rich.

        Raises:
            ValidationError: rich is not installed.
        """
        from registry.describe import as_table

        return as_table(cls)

    @classmethod
    def explain(cls, key: Any) -> Diagnosis:
        """Why ``key`` is found here or is not, and whether it can be used: all that a look-up depends on.

        Settings, keys, the server, each parent, near names, and what would be imported. Nothing is decoded,
        imported or run. ``print`` it; ``.usable`` and ``.as_dict()`` are for programs.
        """
        from registry.doctor import explain

        return explain(cls, hashable(key))

    # ---- change

    @classmethod
    def update_artifact(cls, key: Any, artifact: A) -> A:
        """Put ``artifact`` in the place of the one registered under ``key``; returns it.

        Raises:
            RegistryError: nothing is registered under ``key``.
        """
        cls.validate_artifact(artifact)
        check_replaceable(cls, key)
        claim = cls._storage().replace(hashable(key), artifact, PRESENT)
        if not claim.won and key in cls._declared.aliases:
            return cls.update_artifact(cls._declared.aliases[key], artifact)
        if not claim.won and cls._declared.has(cls, key):  # found, and not stored so far
            claim = cls._storage().claim(key, artifact)
        if not claim.won:
            raise cls._not_here(key)
        cls._own[key] = Own.of(claim.version, artifact)
        return artifact

    @classmethod
    def unregister_identifier(cls, key: Any) -> None:
        """Remove the artifact registered under ``key``.

        Raises:
            RegistryError: there is none.
        """
        try:
            del cls._storage()[hashable(key)]
        except KeyError:
            if not cls._declared.forget(key):
                raise cls._not_here(key) from None
        cls._declared.forget(key)
        cls._own.pop(key, None)

    @classmethod
    def unregister_artifact(cls, artifact: A) -> None:
        """Remove this artifact, by identity, from every name it is registered under.

        Raises:
            RegistryError: it is registered under none.
        """
        keys = cls._storage().keys_of(artifact)
        if not keys:
            raise RegistryError(
                f"{told_origin(artifact)} is not registered in {cls._shown()}",
                context={"registry": cls.__name__},
            )
        cls._storage().delete_many(keys)
        for key in keys:
            cls._declared.forget(key)
            cls._own.pop(key, None)

    @classmethod
    def clear_artifacts(cls) -> None:
        """Remove all artifacts; of a shared registry, all of the namespace."""
        cls._storage().clear()
        cls._declared.clear()
        cls._own.clear()

    # ---- validate

    @classmethod
    def validate_artifact(cls, artifact: Any) -> A:
        """``artifact`` itself, if this registry can hold it.

        Raises:
            CoercionError: it is not of the kind this registry holds.
            ConformanceError, InheritanceError: it is not what the type parameters declare.
        """
        raise CoercionError(f"{cls.__name__} holds nothing: subclass one of the registries")

    @staticmethod
    def _published_meta(key: str, artifact: Any) -> dict[str, str]:
        """What a shared artifact says of itself beside its value, for readers who cannot decode it."""
        return {}

    # ---- the mapping beneath

    @classmethod
    def _get_artifact(cls, key: Any) -> A:
        return cls.get_artifact(key)

    @classmethod
    def _len_mapping(cls) -> int:
        if cls._declared or cls._parent is not None:
            return len(list(cls.iter_identifiers()))
        return len(cls._storage())

    @classmethod
    def _iter_mapping(cls) -> Iterator[Any]:
        return cls.iter_identifiers()

    @classmethod
    def _storage(cls) -> Storage[Any, A]:
        if cls._repository is None:
            raise ValidationError(
                f"{cls.__name__} is a base, not a registry",
                suggestions=[f"class MyRegistry({cls.__name__}): ..."],
                context={"class": cls.__name__},
            )
        return cls._repository

    @classmethod
    def _shown(cls) -> str:
        location = cls._storage().location
        return f"{cls.__name__} ({location})" if location else cls.__name__


def type_arguments(cls: type, base: type) -> tuple[Any, ...]:
    """The type parameters that ``cls`` gives to ``base``, as in ``class R(base[X])``; or none."""
    for ancestor in cls.__mro__:
        for generic in ancestor.__dict__.get("__orig_bases__", ()):
            if getattr(generic, "__origin__", None) is base:
                return cast("tuple[Any, ...]", generic.__args__)
    return ()
