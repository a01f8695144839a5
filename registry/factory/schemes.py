"""From the parameters of a callable to a pydantic model, and from a config that fits it to a call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from registry.annotations import checkable
from registry.errors import CoercionError, ConformanceError, SerializationError, ValidationError
from registry.factory.parameters import ABSENT, REQUIRED, Parameter, parameters_of
from registry.factory.problems import (
    Problem,
    Source,
    does_not_fit,
    dropped_fields,
    problems_of,
    unknown_fields,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_OMITTED_LENGTH = 500

_NEVER_COPIED = (str, int, float, bytes, type(None), type)
"""The defaults that pydantic takes as they are; of others it makes a copy, if not told how to get them."""


def model_of(name: str, artifact: Callable[..., Any]) -> type[BaseModel]:
    """The pydantic model whose fields are the parameters of ``artifact``.

    A name that a model keeps for itself (``_x``, ``model_config``) is the alias of a field with another name.

    Raises:
        ConformanceError: it has no signature, a parameter that cannot be given by name, or an annotation that
            cannot be resolved here.
    """
    from pydantic import BaseModel, create_model

    if isinstance(artifact, type) and issubclass(artifact, BaseModel):
        return artifact
    parameters = parameters_of(name, artifact)
    taken = {parameter.name for parameter in parameters.named}
    fields = {_field_name(parameter.name, taken): _field(parameter) for parameter in parameters.named}
    with warnings.catch_warnings():
        # A parameter called copy or json hides a method of pydantic's, which nobody calls on these models.
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
        try:
            base = _base_model(parameters.extra)
            return create_model(name.title().replace("_", "") or "Config", __base__=base, **fields)  # type: ignore[call-overload,no-any-return]
        except Exception as error:  # of pydantic, or of what an annotation brings along
            raise ConformanceError(
                f"{name!r} has a parameter of which pydantic can make no field: {error}",
                suggestions=["annotate it with a type that pydantic knows, or with Any"],
                context={"key": name},
            ) from error


@lru_cache(1)
def _scheme() -> type[BaseModel]:
    """The base of all models that are made of parameters."""
    from pydantic import BaseModel, ConfigDict

    class Scheme(BaseModel):
        model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())

    return Scheme


def _base_model(extra: Any) -> type[BaseModel]:
    """The base of a scheme whose further keywords have this type hint."""
    if extra is REQUIRED:
        return _scheme()
    body = {
        "__module__": __name__,
        "__annotations__": {"__pydantic_extra__": dict[str, checkable(extra)]},  # type: ignore[misc]
    }
    kind: Any = type(_scheme())
    return cast("type[BaseModel]", kind("OpenScheme", (_scheme(),), body, extra="allow"))


def _field_name(parameter: str, taken: set[str]) -> str:
    from pydantic import BaseModel

    name = parameter.lstrip("_") if parameter.startswith("_") else parameter
    if parameter.startswith("_") or (name.startswith("model_") and hasattr(BaseModel, name)):
        name = f"{name}_"
        while name in taken:
            name = f"{name}_"
    return name


def _field(parameter: Parameter) -> tuple[Any, Any]:
    """The annotation and description of a field. A default is never passed to the callable, only shown."""
    from pydantic import Field

    if parameter.field is not None:
        return parameter.field.annotation, parameter.field
    options: dict[str, Any] = (
        {"alias": parameter.name} if _field_name(parameter.name, set()) != parameter.name else {}
    )
    default, factory = parameter.default, parameter.factory
    if default is ABSENT:
        options |= {"default": None, "json_schema_extra": _hide_default}
    elif default is not REQUIRED and not isinstance(default, _NEVER_COPIED):
        factory = partial(_itself, default)
        options["json_schema_extra"] = partial(_show_default, default)
    elif default is not REQUIRED:
        options["default"] = default
    if factory is not None:
        options["default_factory"] = factory
    return checkable(parameter.annotation), Field(**options)


def _hide_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def _itself(default: Any) -> Any:
    return default


def _show_default(default: Any, schema: dict[str, Any]) -> None:
    from pydantic_core import to_jsonable_python

    with suppress(Exception):  # of pydantic, or of the default's own methods: then it is not shown
        schema["default"] = to_jsonable_python(default)


def fields_of(name: str, config: object) -> Mapping[str, Any]:
    """The fields of a config as it was given: a mapping, a model, or None for none.

    Raises:
        CoercionError: it is something else.
    """
    from pydantic import BaseModel

    if config is None:
        return {}
    if isinstance(config, Mapping):
        return config
    if isinstance(config, BaseModel):
        return arguments_of(config) if isinstance(config, _scheme()) else dict(config)
    raise CoercionError(
        f"A config for {name!r} is a mapping or a pydantic model, not of type {type(config).__name__}",
        suggestions=[
            f"{{'parameter': value}}, for the parameters of {name!r}",
            "or keywords: parameter=value",
        ],
        context={"key": name, "type": type(config).__name__},
    )


def validated(
    name: str, model: type[BaseModel], config: Mapping[str, Any], source: Source | None = None
) -> BaseModel:
    """The model's instance with these fields.

    Raises:
        ConformanceError: they do not fit.
    """
    from pydantic import ValidationError as PydanticError

    problems: list[Problem] = unknown_fields(model, config)
    try:
        instance = model.model_validate(dict(config))
    except PydanticError as error:
        raise does_not_fit(name, problems_of(error, config, problems), source) from error
    problems = problems or dropped_fields(config, instance)
    if problems:
        raise does_not_fit(name, problems, source)
    return instance


def call_with(artifact: Callable[..., Any], config: BaseModel) -> Any:
    """Call ``artifact`` with the fields of ``config`` as they are, nested models not taken apart."""
    if isinstance(artifact, type) and isinstance(config, artifact):
        return config
    return artifact(**arguments_of(config))


def arguments_of(config: BaseModel) -> dict[str, Any]:
    """The keywords of a call: the fields that were given, by their aliases. Python fills in the others."""
    fields = type(config).model_fields
    return {
        (fields[name].alias or name) if name in fields else name: value
        for name, value in config
        if name in config.model_fields_set
    }


def defaults_of(config: BaseModel) -> dict[str, Any]:
    """The fields that were not given and have a default, by their aliases."""
    fields = type(config).model_fields
    return {
        fields[name].alias or name: value
        for name, value in config
        if name not in config.model_fields_set and fields[name].json_schema_extra is not _hide_default
    }


_schemes: WeakKeyDictionary[Any, type[BaseModel]] = WeakKeyDictionary()


def scheme_of(name: str, artifact: Callable[..., Any]) -> type[BaseModel]:
    """`model_of`, made once for each artifact."""
    try:
        known = _schemes.get(artifact)
    except TypeError:  # not hashable, or not to be referred to weakly
        return model_of(name, artifact)
    if known is None:
        known = model_of(name, artifact)
        try:
            _schemes[artifact] = known
        except TypeError:
            return known
    return known


@lru_cache(256)
def loosened(model: type[BaseModel], free: frozenset[str], only: frozenset[str] | None) -> type[BaseModel]:
    """``model`` with ``only`` these fields, any value in the ``free`` ones, and no validators of its own."""
    from pydantic import create_model
    from pydantic.fields import FieldInfo

    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        keys = {name, field.alias} | {alias for alias in (field.validation_alias,) if isinstance(alias, str)}
        if only is not None and not keys & only:
            continue
        if keys & free:
            fields[name] = (
                Any,
                FieldInfo(default=None, alias=field.alias, validation_alias=field.validation_alias),
            )
        else:
            fields[name] = (field.annotation, field)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
        if issubclass(model, _scheme()):
            return create_model(model.__name__, __base__=model.__bases__[0], **fields)
        return create_model(model.__name__, __config__=model.model_config, **fields)


# ---- JSON Schema


def json_schema_of(name: str, model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a scheme.

    Raises:
        SerializationError: it has a type that JSON Schema cannot describe.
    """
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        return model.model_json_schema()
    except (ValueError, PydanticInvalidForJsonSchema) as error:
        raise SerializationError(
            f"The scheme of {name!r} has a type that JSON Schema cannot describe: {error}",
            suggestions=["annotate the parameter with a JSON type or a pydantic model"],
            context={"key": name},
        ) from error


def published(key: str, artifact: Callable[..., Any]) -> dict[str, str]:
    """What a shared callable says of its scheme in ``meta``: ``scheme``, or why not in ``scheme_omitted``."""
    import json

    from registry.envelope.form import MAX_META_VALUE_LENGTH

    try:
        schema = json.dumps(json_schema_of(key, model_of(key, artifact)), separators=(",", ":"))
    except ValidationError as error:
        reason = error.message.encode(errors="backslashreplace").decode()
        return {"scheme_omitted": reason[:MAX_OMITTED_LENGTH]}
    except Exception as error:  # of pydantic on an annotation, or of a default's own methods
        return {"scheme_omitted": f"it cannot be made: {type(error).__name__}"}
    if len(schema) > MAX_META_VALUE_LENGTH:
        return {"scheme_omitted": f"too large: {len(schema)} characters of at most {MAX_META_VALUE_LENGTH}"}
    return {"scheme": schema}
