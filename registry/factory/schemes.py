"""From the parameters of a callable to a pydantic model, and from a config that fits it to a call."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_type_hints
from weakref import WeakKeyDictionary

from registry.annotations import checkable
from registry.errors import CoercionError, ConformanceError, SerializationError, ValidationError
from registry.factory.problems import Problem, Source, does_not_fit, problems_of, unknown_fields

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_OMITTED_LENGTH = 500

_KINDS_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def model_of(name: str, artifact: Callable[..., Any]) -> type[BaseModel]:
    """The pydantic model whose fields are the parameters of ``artifact``.

    Raises:
        ConformanceError: it has no signature, a parameter that cannot be given by name, or an annotation that
            cannot be resolved here. Parameters whose names pydantic keeps for itself (``_x``) keep their
            defaults and are no fields; without a default they are an error too.
    """
    from pydantic import BaseModel, ConfigDict, create_model

    if isinstance(artifact, type) and issubclass(artifact, BaseModel):
        return artifact
    parameters = _signature(name, artifact).parameters.values()
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    hints = _hints(name, artifact)
    fields: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        if parameter.kind not in _KINDS_BY_NAME:
            raise ConformanceError(
                f"{name!r} takes {parameter.name!r} by position only, and a config has names only",
                suggestions=[f"let {parameter.name!r} be given by name"],
                context={"key": name, "parameter": parameter.name},
            )
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        if parameter.name.startswith("_") or parameter.name == "model_config":
            if default is ...:
                raise ConformanceError(
                    f"{name!r} needs {parameter.name!r}, a name that pydantic keeps for itself",
                    suggestions=[f"give {parameter.name!r} a default, or another name"],
                    context={"key": name, "parameter": parameter.name},
                )
            continue
        fields[parameter.name] = (checkable(hints.get(parameter.name, Any)), default)
    options = ConfigDict(
        extra="allow" if open_ended else "forbid", arbitrary_types_allowed=True, protected_namespaces=()
    )
    with warnings.catch_warnings():
        # A parameter called copy or json hides a method of pydantic's, which nobody calls on these models.
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
        try:
            return create_model(name.title().replace("_", "") or "Config", __config__=options, **fields)
        except Exception as error:  # of pydantic, or of what an annotation brings along
            raise ConformanceError(
                f"{name!r} has a parameter of which pydantic can make no field: {error}",
                suggestions=["annotate it with a type that pydantic knows, or with Any"],
                context={"key": name},
            ) from error


def _signature(name: str, artifact: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(artifact)
    except (TypeError, ValueError):
        raise ConformanceError(
            f"{name!r} has no signature that Python can tell",
            suggestions=["register a Python function that calls it"],
            context={"key": name},
        ) from None


def _hints(name: str, artifact: Callable[..., Any]) -> dict[str, Any]:
    """The annotations, resolved. Taking one that is not for "anything" would let a wrong config through."""
    target: Any = artifact.__init__ if isinstance(artifact, type) else artifact  # type: ignore[misc]
    if not hasattr(target, "__annotations__"):
        return {}  # a partial, or a builtin
    try:
        return get_type_hints(target, include_extras=True)
    except Exception as error:  # whatever an annotation's evaluation raises: it is the user's code
        raise ConformanceError(
            f"An annotation of {name!r} cannot be resolved in this process: {error}",
            suggestions=[
                "define what it names where the function is defined, and not only for type checking",
                "do without `from __future__ import annotations` in a script whose functions travel by value",
            ],
            context={"key": name},
        ) from error


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
        return dict(config)
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
    if problems:
        raise does_not_fit(name, problems, source)
    return instance


def call_with(artifact: Callable[..., Any], config: BaseModel) -> Any:
    """Call ``artifact`` with the fields of ``config`` as they are, nested models not taken apart."""
    if isinstance(artifact, type) and isinstance(config, artifact):
        return config
    return artifact(**{**dict(config), **(config.model_extra or {})})


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
