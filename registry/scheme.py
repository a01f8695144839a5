"""A registry of configs: JSON values, and callables whose parameters make a config's scheme."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from registry.errors import CoercionError
from registry.named import NamedRegistry

if TYPE_CHECKING:
    from pydantic import BaseModel

    from registry.base import Registry


class SchemeRegistry(NamedRegistry[Any], base=True):
    """A registry of schemes and configs.

    Holds functions, classes and pydantic models, whose parameters are the *scheme* that a config must fit,
    and plain JSON values: named configs. A config is data: nothing in it is imported, and only what is
    registered is ever called.

    On a shared registry the JSON Schema of a scheme travels in the ``meta`` of its envelope, as ``scheme``,
    so that whoever cannot decode the callable, in any language, can list and check configs for it.
    """

    @staticmethod
    def _published_meta(key: str, artifact: Any) -> dict[str, str]:
        if not callable(artifact):
            return {}
        from registry.factory.schemes import published

        return published(key, artifact)

    @classmethod
    def validate_artifact(cls, artifact: Any) -> Any:
        if callable(artifact):
            return artifact
        from registry.envelope.json_codec import encode_exactly

        if encode_exactly(artifact) is None:
            raise cls._not_held(artifact)
        return artifact

    @classmethod
    def _not_held(cls, artifact: Any) -> CoercionError:
        """The error that names the part of a config which is not JSON."""
        from registry.envelope.inexact import first_flaw
        from registry.factory.problems import shown

        flaw = first_flaw(artifact)
        where = shown(flaw.path) if flaw else ""
        why = f"at {where}: {flaw.why}" if flaw else "and json.dumps refuses it here"
        return CoercionError(
            f"{cls.__name__} holds callables and JSON values, and this {type(artifact).__name__} is neither, "
            f"{why}",
            suggestions=[flaw.advice] if flaw else [],
            context={"type": type(artifact).__name__, "registry": cls.__name__, "part": where},
        )

    @classmethod
    def build_config(
        cls,
        name: str,
        config: Mapping[str, Any] | BaseModel | None = None,
        /,
        *,
        registries: Mapping[str, type[Registry[Any]]] | None = None,
        **fields: Any,
    ) -> BaseModel:
        """A config for the callable registered under ``name``: checked, converted, defaults filled in.

        Parts, which are mappings with a ``_type``, are checked and filled in too, and not built.

        Args:
            name: of the callable.
            config: its fields; keywords win over them.
            registries: the registries of parts, by the prefix that the config has for them.

        Raises:
            ConformanceError: a field is missing, unknown or of the wrong type; ``context["errors"]`` has each
                with its path.
            CoercionError: ``config`` is no mapping and no model.
        """
        from registry.factory.overrides import overridden
        from registry.factory.parts import holds_part
        from registry.factory.schemes import fields_of, validated

        values = overridden(fields_of(name, config), fields)
        if holds_part(values):
            from registry.factory.graphs import filled

            return filled(cls, name, values, registries or {})
        return validated(name, cls.get_model(name), values)

    @classmethod
    def execute(cls, name: str, config: Mapping[str, Any] | BaseModel | None = None, /, **fields: Any) -> Any:
        """Call what is registered under ``name`` with a config that fits its scheme; returns what it returns.

        What the callable itself raises comes out as it is.

        Raises:
            ConformanceError, CoercionError: as `build_config`. Nothing was called.
        """
        from registry.factory.overrides import overridden
        from registry.factory.schemes import call_with, fields_of, validated

        config = validated(name, cls.get_model(name), overridden(fields_of(name, config), fields))
        return call_with(cls.get_artifact(name), config)
