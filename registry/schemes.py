"""From the parameters of a callable to a pydantic model, and from a config that fits it to a call."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

from registry.errors import ConformanceError
from registry.suggest import near_names

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

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
        fields[parameter.name] = (hints.get(parameter.name, Any), default)
    options = ConfigDict(
        extra="allow" if open_ended else "forbid", arbitrary_types_allowed=True, protected_namespaces=()
    )
    with warnings.catch_warnings():
        # A parameter called copy or json hides a method of pydantic's, which nobody calls on these models.
        warnings.filterwarnings("ignore", "Field name .* shadows an attribute", UserWarning)
        return create_model(name.title().replace("_", "") or "Config", __config__=options, **fields)


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


def validated(name: str, model: type[BaseModel], config: Mapping[str, Any]) -> BaseModel:
    """The model's instance with these fields.

    Raises:
        ConformanceError: they do not fit.
    """
    from pydantic import ValidationError as PydanticError

    try:
        return model.model_validate(dict(config))
    except PydanticError as error:
        raise _does_not_fit(name, model, error.errors(include_url=False)) from error


def _does_not_fit(name: str, model: type[BaseModel], details: list[ErrorDetails]) -> ConformanceError:
    errors = [{"path": ".".join(map(str, detail["loc"])), "error": detail["msg"]} for detail in details]
    suggestions = [
        f"{detail['loc'][-1]}: did you mean {near[0]!r}?"
        for detail in details
        if detail["type"] == "extra_forbidden"
        and (near := near_names(str(detail["loc"][-1]), model.model_fields, limit=1))
    ]
    listed = "; ".join(f"{error['path']}: {error['error']}" for error in errors)
    return ConformanceError(
        f"The config does not fit {name!r}: {listed}",
        suggestions=suggestions,
        context={"key": name, "errors": errors},
    )


def call_with(artifact: Callable[..., Any], config: BaseModel) -> Any:
    """Call ``artifact`` with the fields of ``config`` as they are, nested models not taken apart."""
    if isinstance(artifact, type) and isinstance(config, artifact):
        return config
    return artifact(**{**dict(config), **(config.model_extra or {})})
