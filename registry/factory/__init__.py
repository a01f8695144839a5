"""Objects from configs: what registries that hold callables have in common."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from registry.errors import CoercionError, ConformanceError, SerializationError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from registry.base import Registry


class Factory:
    """Builds what is registered from configs, and tells the config of what it built.

    In a config, ``{"_type": name, ...}`` is what the callable registered under that name makes of the other
    keys; ``{"_ref": "path.to.part"}`` is another part of the same config, the very object;
    ``"_partial": true`` beside ``_type`` is the callable with these arguments bound, not called. All else is
    data. Names are looked up by one rule: ``prefix:name`` where ``prefix`` is in ``registries`` is a name in
    that registry, anything else is a name in the registry that was asked. Nothing but registered names is
    ever called, and no value is followed to a module, a file or an address.
    """

    @classmethod
    def get_model(cls, name: str) -> type[BaseModel]:
        """The scheme of the callable registered under ``name``, as a pydantic model.

        A pydantic model is its own scheme; another class' is that of its constructor. Parameters without an
        annotation take any value; unknown fields are refused unless the callable takes ``**kwargs``.

        Raises:
            RegistryError: no such name.
            CoercionError: a JSON value is registered there, which has no parameters.
        """
        from registry.factory.schemes import model_of

        artifact = cls.get_artifact(name)  # type: ignore[attr-defined]
        if not callable(artifact):
            raise CoercionError(
                f"{name!r} in {cls.__name__} is a config, not a callable with a scheme",
                suggestions=[f"read it with {cls.__name__}.get_artifact({name!r})"],
                context={"key": name, "registry": cls.__name__},
            )
        return model_of(name, artifact)

    @classmethod
    def json_schema(cls, name: str) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of the scheme registered under ``name``.

        Where the callable of a shared registry cannot be decoded here, or its annotations mean nothing here,
        it is the schema that was published with it.
        """
        from registry.factory.schemes import json_schema_of

        try:
            return json_schema_of(name, cls.get_model(name))
        except (SerializationError, ConformanceError):
            schema = cls._published_schema(name)
            if schema is None:
                raise
            return schema

    @classmethod
    def _published_schema(cls, name: str) -> dict[str, Any] | None:
        from registry.envelope.form import parse_json
        from registry.hierarchy import stored_entry

        entry = stored_entry(cls, name)  # type: ignore[arg-type]
        text = (entry.envelope.meta or {}).get("scheme") if entry else None
        schema = parse_json(text) if text is not None else None
        return schema if isinstance(schema, dict) else None

    @classmethod
    def factorize_artifact(
        cls,
        name: str | Mapping[str, Any],
        config: Any = None,
        /,
        *,
        registries: Mapping[str, type[Registry[Any]]] | None = None,
        **fields: Any,
    ) -> Any:
        """Build what is registered under ``name`` from a config, with all that is nested in it.

        The whole config is checked before anything is called; only whether an object that is built on the way
        suits the parameter it is for is checked when it is there.

        Args:
            name: of the callable; or the whole config, whose ``_type`` says it.
            config: its fields: a mapping, a pydantic model or a dataclass.
            registries: by the prefix that configs have for them.
            fields: more fields; they win over those of ``config``. A name with dots in it is the path of a
                part: ``**{"optimizer.lr": 0.1}``.

        Raises:
            RegistryError: no such name.
            ConformanceError: the config does not fit: ``context["errors"]`` has all problems, each with its
                path; or a callable raised: its exception is the ``__cause__``, its text in the message.
        """
        from registry.factory.graphs import build

        return build(cls, name, config, fields, registries or {})  # type: ignore[arg-type]

    @classmethod
    def factorize_from_file(
        cls,
        name: str | os.PathLike[str],
        path: str | os.PathLike[str] | None = None,
        /,
        *,
        registries: Mapping[str, type[Registry[Any]]] | None = None,
        **fields: Any,
    ) -> Any:
        """`factorize_artifact` with the config in a ``.json``, ``.yaml`` or ``.toml`` file.

        ``factorize_from_file("train.yaml")`` builds what the ``_type`` in the file names;
        ``factorize_from_file("train", "lr.yaml")`` what is registered under ``train``. Errors tell the file
        and the line. YAML needs PyYAML.

        Raises:
            SerializationError: the file is not what its suffix says, or has a key twice.
            OSError: it cannot be read.
        """
        from registry.factory.files import read_config
        from registry.factory.graphs import build

        if path is None:
            return build(cls, read_config(name), None, fields, registries or {})  # type: ignore[arg-type]
        return build(cls, os.fspath(name), read_config(path), fields, registries or {})  # type: ignore[arg-type]

    @classmethod
    def serialize(
        cls, built: Any, /, *, registries: Mapping[str, type[Registry[Any]]] | None = None
    ) -> dict[str, Any]:
        """A config, exactly JSON, from which `factorize_artifact` builds an object equal to ``built``.

        Dataclasses, pydantic models and attrs classes that are registered are told as they are now; other
        objects as they were built, which only this process' factory knows. What is shared is a ``_ref``.

        Raises:
            SerializationError: nobody here knows how it, or something in it, is built from a config.
        """
        from registry.factory.recipes import config_of

        return config_of(cls, built, registries or {})  # type: ignore[arg-type]
