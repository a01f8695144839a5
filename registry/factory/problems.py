"""What is wrong with a config: each place by its path, its line in a file, and the name that was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    NamedTuple,
    Protocol,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from registry.errors import ConformanceError
from registry.suggest import did_you_mean, near_names

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Path = tuple[Any, ...]
"""Where in a config: keys of mappings and places in lists, from its root."""

RESERVED = ("_type", "_ref", "_partial")
"""The keys that say what a mapping in a config is; all others are data."""


class Source(Protocol):
    """Where a config was read."""

    @property
    def file(self) -> str:
        """The file's path, as it was given."""

    def line_of(self, path: Path) -> int | None:
        """The line of this part, or of the nearest one around it; from 1."""


class Problem(NamedTuple):
    """One thing that does not fit.

    Attributes:
        path: where in the config.
        error: what is wrong there.
        near: names that may have been meant, best first.
        advice: what else to do about it.
    """

    path: Path
    error: str
    near: Sequence[str] = ()
    advice: str = ""


def shown(path: Path) -> str:
    """``trainer.callbacks.0.lr``; the root has a word of its own."""
    return ".".join(map(str, path)) or "(root)"


def does_not_fit(name: str, problems: Iterable[Problem], source: Source | None = None) -> ConformanceError:
    """The one error that tells all problems of a config, in their order."""
    errors, listed, suggestions = [], [], []
    if source:
        problems = sorted(problems, key=lambda problem: source.line_of(problem.path) or 0)
    for problem in problems:
        where: dict[str, Any] = {"path": shown(problem.path), "error": problem.error}
        line = source.line_of(problem.path) if source else None
        if source:
            where |= {"file": source.file, "line": line}
        errors.append(where)
        place = f"{where['path']} (line {line})" if line else where["path"]
        meant = did_you_mean(list(problem.near))
        if meant and not problem.error.endswith("."):
            meant = f".{meant}"
        listed.append(f"{place}: {problem.error}{meant}")
        if problem.near:
            suggestions.append(f"{where['path']}: did you mean {problem.near[0]!r}?")
        if problem.advice:
            suggestions.append(f"{where['path']}: {problem.advice}")
    origin = f"The config in {source.file}" if source else "The config"
    return ConformanceError(
        f"{origin} does not fit {name!r}: {'; '.join(listed)}",
        suggestions=suggestions,
        context={"key": name, "errors": errors},
    )


def problems_of(
    error: ValidationError, config: Any, known: Iterable[Problem] = (), base: Path = ()
) -> list[Problem]:
    """What pydantic found, one problem for each path; what is in ``known`` already comes first, once.

    The members of a union are tried in turn, and pydantic tells of each: here they are alternatives.
    """
    merged = {problem.path: problem for problem in known}
    found: dict[Path, Problem] = {}
    for detail in error.errors(include_url=False, include_context=False):
        path = (*base, *_real_path(config, detail["loc"], missing=detail["type"] == "missing"))
        advice = ""
        if detail["type"] in ("is_instance_of", "dataclass_type") and isinstance(detail["input"], Mapping):
            advice = "name what builds it, {'_type': ...}"
        if path in merged:
            continue
        if path not in found:
            found[path] = Problem(path, detail["msg"], advice=advice)
        elif detail["msg"] not in found[path].error:
            found[path] = found[path]._replace(error=f"{found[path].error}, or: {detail['msg']}")
    return [*merged.values(), *found.values()]


def _real_path(config: Any, location: tuple[Any, ...], *, missing: bool) -> Path:
    """``location`` without the names of union members and validators that pydantic puts in between."""
    path: list[Any] = []
    for index, part in enumerate(location):
        items = isinstance(config, (list, tuple)) and isinstance(part, int) and part < len(config)
        if items or (isinstance(config, Mapping) and part in config):
            config = config[part]
        elif not (missing and index == len(location) - 1):
            continue
        path.append(part)
    return tuple(path)


# ---- unknown fields


def unknown_fields(model: type[Any], values: Mapping[str, Any], path: Path = ()) -> list[Problem]:
    """The keys of ``values``, and of the mappings in it, that no field of ``model`` takes.

    A model that says nothing of extra fields would drop them without a word, which is how a typo becomes a
    default; so they are problems in all models but those that say ``extra="ignore"`` or ``"allow"``.
    """
    accepted = _accepted(model)
    if accepted is None:
        return []
    problems = []
    for key, value in values.items():
        if key in accepted:
            problems += _unknown_within([accepted[key]], value, (*path, key))
        elif not _takes_extra(model):
            near = near_names(key, accepted, limit=1) if isinstance(key, str) else []
            problems.append(Problem((*path, key), "there is no such field", near))
    return problems


def dropped_fields(value: Any, built: Any, path: Path = ()) -> list[Problem]:
    """The keys of ``value`` that the objects validated from it do not have.

    Of a union, only what was built tells which member takes the fields.
    """
    if value is built:
        return []
    if isinstance(value, (list, tuple)) and isinstance(built, (list, tuple)) and len(value) == len(built):
        pairs = ((index, item, built[index]) for index, item in enumerate(value))
    elif isinstance(value, Mapping) and isinstance(built, Mapping):
        pairs = ((key, item, built[key]) for key, item in value.items() if key in built)
    elif isinstance(value, Mapping) and _has_fields(type(built)):
        accepted = _accepted(type(built))
        if accepted is None:
            return []
        names = {key: key for key in accepted}
        if _is_model(type(built)):
            fields = type(built).model_fields
            names |= {
                field.validation_alias: name for name, field in fields.items() if field.validation_alias
            }
        lost = [key for key in value if key not in accepted and not _takes_extra(type(built))]
        if lost:
            return [
                Problem((*path, key), "there is no such field", near_names(str(key), accepted, limit=1))
                for key in lost
            ]
        pairs = ((key, item, getattr(built, names[key], None)) for key, item in value.items() if key in names)
    else:
        return []
    return [problem for key, item, made in pairs for problem in dropped_fields(item, made, (*path, key))]


def _unknown_within(annotations: Iterable[Any], value: Any, path: Path) -> list[Problem]:
    if isinstance(value, (list, tuple)):
        items: Iterable[tuple[Any, Any]] = enumerate(value)
    elif isinstance(value, Mapping) and not any(key in value for key in RESERVED):
        items = value.items()
    else:
        return []
    kinds = list(alternatives(annotations))
    if isinstance(value, Mapping) and any(map(_has_fields, kinds)):
        if not all(_has_fields(kind) or not _takes_mappings(kind) for kind in kinds):
            return []
        models = filter(_has_fields, kinds)
        return min((unknown_fields(model, value, path) for model in models), key=len)
    inner = [part for kind in kinds for part in get_args(kind)]
    return [problem for key, item in items for problem in _unknown_within(inner, item, (*path, key))]


def alternatives(annotations: Iterable[Any]) -> Iterator[Any]:
    """The annotations, unions and ``Annotated`` taken apart."""
    for annotation in annotations:
        if get_origin(annotation) in (Union, UnionType):
            yield from alternatives(get_args(annotation))
        elif get_origin(annotation) is Annotated:
            yield from alternatives(get_args(annotation)[:1])
        else:
            yield annotation


def _has_fields(kind: Any) -> bool:
    return isinstance(kind, type) and (_is_model(kind) or is_dataclass(kind))


def _takes_mappings(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return origin is Any or (isinstance(origin, type) and issubclass(dict, origin))


def _is_model(kind: Any) -> bool:
    from pydantic import BaseModel, RootModel

    return isinstance(kind, type) and issubclass(kind, BaseModel) and not issubclass(kind, RootModel)


def _accepted(model: type[Any]) -> dict[Any, Any] | None:
    """The keys that ``model`` takes, with the annotation of each; none where it cannot be told."""
    if not _is_model(model):
        if not is_dataclass(model) or hasattr(model, "__pydantic_config__"):
            return None
        return {field.name: _hint(model, field.name) for field in dataclass_fields(model) if field.init}
    decorators = model.__pydantic_decorators__
    if any(validator.info.mode != "after" for validator in decorators.model_validators.values()):
        return None  # it may take what it likes and give it other names
    accepted: dict[Any, Any] = {}
    for name, field in model.model_fields.items():
        if field.validation_alias is not None and not isinstance(field.validation_alias, str):
            return None
        if field.validation_alias is None or _by_name(model):
            accepted[name] = field.annotation
        if field.validation_alias is not None:
            accepted[field.validation_alias] = field.annotation
    return accepted


def _hint(model: type[Any], name: str) -> Any:
    try:
        return get_type_hints(model).get(name, Any)
    except Exception:  # whatever an annotation's evaluation raises; pydantic tells of it where it matters
        return Any


def _by_name(model: type[BaseModel]) -> bool:
    options = model.model_config
    return bool(options.get("populate_by_name") or options.get("validate_by_name"))


def _takes_extra(model: type[Any]) -> bool:
    return _is_model(model) and model.model_config.get("extra") in ("allow", "ignore")
