"""Back from objects to configs: how the factory built what it built, and how the rest can be built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from registry.envelope.json_codec import encode_exactly
from registry.errors import SerializationError
from registry.factory.problems import RESERVED, Path, alternatives, shown
from registry.factory.schemes import scheme_of
from registry.hierarchy import names_of
from registry.prefixes import Names

if TYPE_CHECKING:
    from pydantic import BaseModel

    from registry.base import Registry
_SCALARS = (str, int, float, bool, type(None))


class Recipe(NamedTuple):
    """How an object was built: pure data, so that remembering it keeps no object alive.

    Attributes:
        registry: where what was called is registered, under ``name``.
        fields: what it was called with, recipes in the place of what was built for it.
    """

    registry: type[Registry[Any]]
    name: str
    artifact: Callable[..., Any]
    model: type[BaseModel]
    partial: bool
    fields: Mapping[str, Any]


_DATA = (set, frozenset)
"""Data that has weak references, unlike lists and dicts."""


class _Argument(NamedTuple):
    """An object that somebody put into a config as it is."""

    get: Callable[[], Any]


_recipes: dict[int, tuple[ref[Any], Recipe]] = {}
"""By the id of what was built, for as long as that lives. Not by its hash, which is the user's."""


def remember(made: Any, recipe: Recipe) -> None:
    """Know how ``made`` was built for as long as it lives; what has no weak references is not remembered."""
    key = id(made)

    def forget(gone: ref[Any]) -> None:
        known = _recipes.get(key)
        if known is not None and known[0] is gone:
            del _recipes[key]

    try:
        _recipes[key] = (ref(made, forget), recipe)
    except TypeError:
        return


def recipe_of(built: Any) -> Recipe | None:
    """How this very object was built, if the factory of this process built it."""
    known = _recipes.get(id(built))
    return known[1] if known is not None and known[0]() is built else None


def copy_of(value: Any) -> Any:
    """Data of a config, for keeping: later changes of the config change nothing here."""
    if type(value) in (list, tuple):
        return type(value)(map(copy_of, value))
    if type(value) is dict:
        return {key: copy_of(child) for key, child in value.items()}
    if isinstance(value, _SCALARS):
        return value
    recipe = recipe_of(value)
    if recipe is not None:
        return recipe
    if type(value) in _DATA:  # a scheme makes its own of it, and nobody keeps the one that was given
        kept = value.copy()
        return _Argument(lambda: kept)
    try:
        return _Argument(ref(value))
    except TypeError:
        return _Argument(lambda: value)


def config_of(
    home: type[Registry[Any]], built: Any, registries: Mapping[str, type[Registry[Any]]]
) -> dict[str, Any]:
    """What `Factory.serialize` promises."""
    config: dict[str, Any] | None = _Writer(Names(home, registries)).node(built, ())
    if config is None:
        raise _unknown(built, (), home)
    return config


class _Writer:
    """One object on its way to a config."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._paths: dict[int, Path] = {}
        self._open: set[int] = set()
        self._kept: list[Any] = []  # an id is one object's for as long as that lives

    def node(self, value: Any, path: Path) -> dict[str, Any] | None:
        """The config of something that is built, or nothing where ``value`` is not known to be."""
        recipe = value if isinstance(value, Recipe) else recipe_of(value)
        told = recipe or value
        if id(told) in self._paths:
            return self._reference(id(told), path)
        if recipe is not None and value is not recipe and recipe.artifact is type(value):
            fields = _live_fields(value)
            recipe = recipe if fields is None else recipe._replace(fields=fields)
        recipe = recipe or self._derived(value)
        if recipe is None:
            return None
        self._kept.append(told)
        self._paths[id(told)] = path
        self._open.add(id(told))
        config = self._written(recipe, path)
        self._open.discard(id(told))
        return config

    def _reference(self, key: int, path: Path) -> dict[str, Any]:
        to = self._paths[key]
        if key in self._open:
            raise SerializationError(
                f"What is at {shown(path)} is what it is in, at {shown(to)}, and no config builds that",
                context={"path": shown(path)},
            )
        plain = all(isinstance(part, int) or (isinstance(part, str) and "." not in part) for part in to)
        return {"_ref": shown(to) if plain else list(to)}

    def _derived(self, value: Any) -> Recipe | None:
        """How something can be built that the factory has not built: by its class, if that is registered."""
        ways: list[tuple[Any, bool, dict[str, Any] | None]] = [(type(value), False, _live_fields(value))]
        if isinstance(value, partial) and not value.args:
            ways = [(value.func, True, value.keywords)]
        elif callable(value):
            ways.append((value, True, {}))
        for artifact, bound, fields in ways:
            for registry in (self._names.home, *self._names.registries.values()):
                for name in names_of(registry, artifact) if fields is not None else ():
                    return Recipe(registry, name, artifact, scheme_of(name, artifact), bound, fields or {})
        return None

    def _written(self, recipe: Recipe, path: Path) -> dict[str, Any]:
        text = self._names.text_of(recipe.registry, recipe.name)
        if text is None:
            raise SerializationError(
                f"What is at {shown(path)} is built by {recipe.name!r} of {recipe.registry.__name__}, "
                "for which this config has no prefix",
                suggestions=[f"registries={{'prefix': {recipe.registry.__name__}}}"],
                context={"path": shown(path), "registry": recipe.registry.__name__},
            )
        config: dict[str, Any] = {"_type": text}
        if recipe.partial:
            config["_partial"] = True
        for key, value in recipe.fields.items():
            config[key] = self._value(value, (*path, key), _annotation(recipe.model, key))
        return config

    def _value(self, value: Any, path: Path, annotation: Any) -> Any:
        if isinstance(value, _Argument):
            value = value.get()
            if value is None:
                raise SerializationError(
                    f"The object that was given at {shown(path)} is there no more",
                    suggestions=["keep it for as long as its config may be asked for"],
                    context={"path": shown(path)},
                )
        if type(value) in _SCALARS and encode_exactly(value) is not None:
            return value
        if type(value) is list or (type(value) is tuple and _is_tuple(annotation)):
            return [self._value(item, (*path, index), _inner(annotation)) for index, item in enumerate(value)]
        if type(value) is dict and all(type(key) is str for key in value):
            if not any(key in value for key in RESERVED):
                return {
                    key: self._value(item, (*path, key), _inner(annotation)) for key, item in value.items()
                }
        else:
            node = self.node(value, path)
            if node is not None:
                return node
        return self._converted(value, path, annotation)

    def _converted(self, value: Any, path: Path, annotation: Any) -> Any:
        """``value`` as JSON from which its annotation makes an equal one again; tried out here."""
        from pydantic import ConfigDict, create_model

        try:
            model = create_model(
                "Value", __config__=ConfigDict(arbitrary_types_allowed=True), value=(annotation, ...)
            )
            written = model.model_construct(value=value).model_dump(
                mode="json", by_alias=True, warnings=False
            )["value"]
            again = model.model_validate({"value": written}).value  # type: ignore[attr-defined]
            equal = type(again) is type(value) and bool(again == value)
        except Exception as error:  # of the value's own methods, too
            raise _unknown(value, path, self._names.home) from error
        if not equal or encode_exactly(written) is None or _looks_like_a_part(written):
            raise _unknown(value, path, self._names.home)
        return written


def _unknown(value: Any, path: Path, home: type[Registry[Any]]) -> SerializationError:
    kind = type(value).__qualname__
    return SerializationError(
        f"No config is known from which the {kind} at {shown(path)} could be built",
        suggestions=[
            f"register {kind} in {home.__name__}, or in one of registries=",
            "build it with factorize_artifact, which remembers how",
        ],
        context={"path": shown(path), "type": kind},
    )


def _live_fields(value: Any) -> dict[str, Any] | None:
    """The arguments of a constructor that stores them as they are, from what it stored."""
    kind = type(value)
    if hasattr(kind, "__pydantic_fields__") and hasattr(kind, "model_fields"):
        if getattr(kind, "__pydantic_root_model__", False):
            return None
        named = {
            field.validation_alias if isinstance(field.validation_alias, str) else name: getattr(value, name)
            for name, field in kind.__pydantic_fields__.items()
        }
        return {**named, **(value.model_extra or {})}
    if is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclass_fields(kind) if field.init}
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return dict(zip(kind._fields, value, strict=True))
    if hasattr(kind, "__attrs_attrs__"):
        return {field.alias: getattr(value, field.name) for field in kind.__attrs_attrs__ if field.init}
    return None


def _annotation(model: type[BaseModel], key: str) -> Any:
    for name, field in model.model_fields.items():
        if key in (name, field.validation_alias):
            return field.annotation
    return Any


def _alternatives(annotation: Any) -> list[Any]:
    return [one for one in alternatives([annotation]) if one is not type(None)]


def _is_tuple(annotation: Any) -> bool:
    return any(getattr(one, "__origin__", one) is tuple for one in _alternatives(annotation))


def _inner(annotation: Any) -> Any:
    """What the elements of a container are, as far as that can be told: its last type argument."""
    from typing import get_args

    parts = [part for one in _alternatives(annotation) for part in get_args(one)[-1:] if part is not Ellipsis]
    if not parts:
        parts = [get_args(one)[0] for one in _alternatives(annotation) if len(get_args(one)) > 1]
    return parts[0] if len(parts) == 1 else Any


def _looks_like_a_part(written: Any) -> bool:
    if isinstance(written, dict):
        return any(key in written for key in RESERVED) or any(map(_looks_like_a_part, written.values()))
    return isinstance(written, list) and any(map(_looks_like_a_part, written))
