"""Registry classes as the mappings that they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from registry.discovery import MISSING

if TYPE_CHECKING:
    from registry.base import Registry
    from registry.storage.base import Storage

A = TypeVar("A")


class RegistryMeta(type):
    """Makes a registry class behave like the mapping it is; always truthy, also when empty."""

    _repository: Storage[Any, Any] | None
    _identity_by_name = property(lambda cls: getattr(cls._repository, "namespace", cls._repository))

    def __getitem__(cls: type[Registry[A]], key: Any) -> A:  # type: ignore[misc] # of a class of this metaclass
        try:  # as `get_artifact`, and not by it: a call more would cost half a look-up
            return cls._view.table[key]  # type: ignore[no-any-return]
        except (KeyError, TypeError):
            pass
        if cls._repository is None:  # a base class: FunctionalRegistry[[int], float]
            return cast(A, cast(Any, cls).__class_getitem__(key))
        return cls._miss(key, MISSING)

    def __contains__(cls, key: object) -> bool:
        return cast(bool, cast(Any, cls).has_identifier(key))

    def __iter__(cls) -> Iterator[Any]:
        return cast(Iterator[Any], cast(Any, cls).iter_identifiers())

    def __len__(cls) -> int:
        return cast(int, cast(Any, cls)._len_mapping())

    def __bool__(cls) -> bool:
        return True

    def __repr__(cls) -> str:
        if cls._repository is None:
            return super().__repr__()
        where = cls._repository.location or f"{len(cls._repository)} artifacts"
        return f"<registry {cls.__module__}.{cls.__qualname__}: {where}>"

    def _repr_html_(cls) -> str | None:
        if cls._repository is None:
            return None
        from registry.describe import as_html

        return as_html(cast("type[Registry[Any]]", cls))
