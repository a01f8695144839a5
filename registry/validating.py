"""Looking at artifacts before and after they are registered, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from registry.errors import CoercionError, RegistryError, RemoteError, ValidationError

if TYPE_CHECKING:
    from registry.base import Registry


class Validating:
    """What a registry says of artifacts as such."""

    @classmethod
    def batch_validate(cls, mapping: Mapping[Any, Any]) -> dict[str, Any]:
        """What `safe_register_batch` would say of each artifact itself; nothing is registered or asked."""
        registry, errors = cast("type[Registry[Any]]", cls), dict[Any, ValidationError]()
        for key, artifact in by_name(mapping).items():
            try:
                registry._prepare(key, artifact)
            except ValidationError as error:
                errors[key] = error
        return report(mapping, errors)

    @classmethod
    def validate_registry_state(cls) -> dict[str, Any]:
        """Look at every registered artifact: can it be read here, and may this registry hold it?

        Returns:
            As `safe_register_batch`; an artifact that cannot be read does not hide the others.

        Raises:
            RemoteError: the server gave no usable answer.
        """
        registry, errors = cast("type[Registry[Any]]", cls), dict[Any, ValidationError]()
        names = dict.fromkeys(registry.iter_identifiers())
        for key in names:
            try:
                registry.validate_artifact(registry.get_artifact(key))
            except RegistryError as error:
                if "alias" in error.context:
                    errors[key] = error  # it is there, and what it leads to is not
                continue  # else removed since it was listed
            except RemoteError:
                raise  # says nothing of the artifact, and the next one would take as long to fail
            except ValidationError as error:
                errors[key] = error
        return report(names, errors)


def by_name(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """``mapping`` itself.

    Raises:
        CoercionError: it is none.
    """
    if hasattr(mapping, "items"):
        return mapping
    raise CoercionError(
        f"Many artifacts are given as a mapping from name to artifact, not as {type(mapping).__name__}",
        suggestions=["{'name': artifact, ...}"],
        context={"type": type(mapping).__name__},
    )


def report(mapping: Iterable[Any], errors: Mapping[Any, ValidationError]) -> dict[str, Any]:
    keys = list(mapping)
    return {
        "successful": [key for key in keys if key not in errors],
        "failed": [key for key in keys if key in errors],
        "errors": [
            {"key": key, "error": errors[key].message, "suggestions": errors[key].suggestions}
            for key in keys
            if key in errors
        ],
        "total": len(keys),
    }
