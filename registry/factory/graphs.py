"""From a config to a graph of objects: read it, check all of it, then build from the leaves up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from registry.errors import CoercionError, ConformanceError, RegistryError, ValidationError
from registry.factory.overrides import PartlyOverridden, overridden
from registry.factory.parts import (
    MAX_DEPTH,
    PARTS,
    UNKNOWN,
    Many,
    Node,
    Ref,
    children_of,
    raw,
    recipe_of,
    settled,
    wrong,
)
from registry.factory.problems import (
    Path,
    Problem,
    Source,
    does_not_fit,
    dropped_fields,
    problems_of,
    shown,
    unknown_fields,
)
from registry.factory.recipes import remember
from registry.factory.schemes import arguments_of, call_with, defaults_of, loosened, scheme_of
from registry.prefixes import Names
from registry.suggest import near_names

if TYPE_CHECKING:
    from pydantic import BaseModel

    from registry.base import Registry

MAX_PARTS = 100_000
"""How many parts a config may have, each alias of a YAML file counted where it stands."""

_UNDER_WAY: Any = object()


def build(
    home: type[Registry[Any]],
    name: str | Mapping[str, Any],
    config: Any,
    fields: Mapping[str, Any],
    registries: Mapping[str, type[Registry[Any]]],
) -> Any:
    """What `Factory.factorize_artifact` promises."""
    if isinstance(name, Mapping):
        if config is not None:
            raise CoercionError("A config that names its type is the first argument and the only config")
        name, config = _named(name), name
    source = PartlyOverridden(config, fields) if hasattr(config, "line_of") else None
    graph = _Graph(Names(home, registries), name, source)
    return graph.built(graph.checked(overridden(_fields_of(config), fields)))


def filled(
    home: type[Registry[Any]],
    name: str,
    config: Mapping[str, Any],
    registries: Mapping[str, type[Registry[Any]]],
) -> BaseModel:
    """The config as a model: checked and converted, with its defaults and those of its parts.

    Parts are not built. They stay mappings with a ``_type``.
    """
    graph = _Graph(Names(home, registries), name, None)
    root = graph.checked(config)
    parts = frozenset(key for key, child in root.children.items() if isinstance(child, PARTS))
    assert root.model is not None  # or there would have been a problem
    model = loosened(root.model, parts, None) if parts else root.model
    return model.model_validate({key: _filled(child) for key, child in root.children.items()})


def _filled(part: Any) -> Any:
    if isinstance(part, Ref):
        return {"_ref": part.written}
    if isinstance(part, Many):
        return part.filled({key: _filled(child) for key, child in part.children.items()})
    if not isinstance(part, Node):
        return part
    assert part.config is not None  # checked, and without a problem
    fields = {key: value for key, value in defaults_of(part.config).items() if not part.partial}
    fields |= arguments_of(part.config)
    fields |= {key: _filled(child) for key, child in part.children.items() if isinstance(child, PARTS)}
    return {"_type": part.name, **({"_partial": True} if part.partial else {}), **fields}


def _named(config: Mapping[str, Any]) -> str:
    name = config.get("_type")
    if not isinstance(name, str):
        raise CoercionError(
            "The config does not say what it is a config of",
            suggestions=["'_type': the name of what is registered", "give the name before the config"],
        )
    return name


def _fields_of(config: Any) -> Mapping[Any, Any]:
    if config is None:
        return {}
    found = _as_mapping(config)
    if found is None:
        raise CoercionError(
            f"A config is a mapping, a pydantic model or a dataclass, not {type(config).__name__}",
            context={"type": type(config).__name__},
        )
    return found


def _as_mapping(value: Any) -> Mapping[Any, Any] | None:
    """The fields of what can be a config; what is in them stays as it is."""
    if isinstance(value, Mapping):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclass_fields(value)}
    if hasattr(type(value), "__pydantic_fields__") and not isinstance(value, type):
        fields = type(value).__pydantic_fields__
        given = {
            field.alias or name: getattr(value, name)
            for name, field in fields.items()
            if name in value.__pydantic_fields_set__ or field.alias == "_type"
        }
        return {**given, **(value.model_extra or {})}
    return None


def _maker(items: list[Any] | tuple[Any, ...]) -> Callable[[Any], Any]:
    """What makes the same kind of list or tuple of other items; of a subclass, the plain one holds them."""
    if isinstance(items, list):
        return list
    return getattr(type(items), "_make", tuple)


def _holds_iterator(value: Any) -> bool:
    """Whether reading ``value`` uses up something in it."""
    if isinstance(value, Mapping):
        return any(map(_holds_iterator, value.values()))
    return isinstance(value, Iterator) or (
        isinstance(value, (list, tuple)) and any(map(_holds_iterator, value))
    )


class _Graph:
    """One config on its way to objects."""

    def __init__(self, names: Names, name: str, source: Source | None) -> None:
        self._names = names
        self._name = name
        self._source = source
        self._problems: list[Problem] = []
        self._artifacts: dict[str, Any] = {}
        self._nodes: list[Node] = []
        self._refs: list[Ref] = []
        self._built: dict[int, Any] = {}
        self._count = 0

    def checked(self, values: Mapping[Any, Any]) -> Node:
        """The root of the config, in which nothing is wrong that can be told before anything is called."""
        registry, name = self._names.resolve(self._name)
        self._artifacts[self._name] = registry.get_artifact(name)  # a wrong one is a wrong name, not a config
        if values.get("_type", self._name) != self._name:
            self._found(("_type",), f"it says {values['_type']!r}, and {self._name!r} was asked for")
        root = self._read_node(self._name, values, ())
        for ref in self._refs:
            self._follow(ref, root)
        self._check_cycles(root)
        for node in self._nodes:
            self._check(node)
        if self._problems:
            raise does_not_fit(self._name, self._problems, self._source)
        return root

    def _found(self, path: Path, error: str, near: Iterable[str] = (), advice: str = "") -> None:
        self._problems.append(Problem(path, error, list(near), advice))

    # ---- read

    def _read(self, value: Any, path: Path) -> Any:
        """``value`` itself where it is data all through."""
        self._count += 1
        if self._count > MAX_PARTS or len(path) > MAX_DEPTH:
            raise ValidationError(
                f"The config of {self._name!r} is too large at {shown(path[:5])}...",
                suggestions=[f"at most {MAX_PARTS} parts, {MAX_DEPTH} levels"],
            )
        if isinstance(value, (list, tuple)):
            return self._read_many(_maker(value), dict(enumerate(value)), value, path)
        mapping = _as_mapping(value)
        if mapping is None:
            return value
        if "_type" in mapping:
            return self._read_typed(mapping, path)
        if mapping is not value:
            return value  # a model or dataclass that is an argument, not a config
        if "_ref" in mapping:
            return self._read_ref(mapping, path)
        if "_partial" in mapping:
            self._found((*path, "_partial"), "there is no _type beside it")
        return self._read_many(dict, mapping, value, path)

    def _read_many(self, kind: Callable[[Any], Any], items: Mapping[Any, Any], value: Any, path: Path) -> Any:
        children = {key: self._read(child, (*path, key)) for key, child in items.items()}
        return Many(kind, children) if any(isinstance(child, PARTS) for child in children.values()) else value

    def _read_ref(self, mapping: Mapping[Any, Any], path: Path) -> Any:
        to = mapping["_ref"]
        if len(mapping) > 1:
            self._found(path, "a _ref stands alone, and has no fields")
        if isinstance(to, str) and to:
            ref = Ref(path, tuple(to.split(".")), to)
        elif isinstance(to, list) and to:
            ref = Ref(path, tuple(to), to)
        else:
            self._found(
                (*path, "_ref"), "it is the path of another part, 'path.to.part', or a list of its keys"
            )
            return wrong()
        self._refs.append(ref)
        return ref

    def _read_typed(self, mapping: Mapping[Any, Any], path: Path) -> Any:
        name = mapping["_type"]
        if isinstance(name, str):
            return self._read_node(name, mapping, path)
        self._found((*path, "_type"), "it is a name, a text")
        return wrong()

    def _read_node(self, name: str, mapping: Mapping[Any, Any], path: Path) -> Node:
        node = Node(path, name)
        self._nodes.append(node)
        self._look_up(node)
        bound = mapping.get("_partial", False)
        if not isinstance(bound, bool):
            self._found((*path, "_partial"), "it is true or false")
        node.partial = bound is True
        for key, value in mapping.items():
            if not isinstance(key, str):
                self._found((*path, key), "a field's name is a text")
            elif key not in ("_type", "_partial"):
                node.children[key] = self._read(value, (*path, key))
        return node

    def _look_up(self, node: Node) -> None:
        node.registry, node.key = self._names.resolve(node.name)
        name = node.key
        try:
            if node.name not in self._artifacts:
                self._artifacts[node.name] = node.registry.get_artifact(name)
            node.artifact = self._artifacts[node.name]
            if not callable(node.artifact):
                raise CoercionError(
                    f"{name!r} in {node.registry.__name__} is a config, not a callable with a scheme",
                    suggestions=[f"read it with {node.registry.__name__}.get_artifact({name!r})"],
                    context={"key": name, "registry": node.registry.__name__},
                )
            node.model = scheme_of(name, node.artifact)
        except RegistryError as error:
            told = error.message.partition(" Did you mean")[0]
            self._found((*node.path, "_type"), told, self._names.near(node.name, error))
        except (ConformanceError, CoercionError) as error:
            if not node.path:
                raise
            self._found((*node.path, "_type"), error.message, advice="; ".join(error.suggestions[:1]))
        except ValidationError as error:
            if node.path:
                error.add_note(f"In the config of {self._name!r}, at {shown(node.path)}")
            raise

    # ---- references

    def _follow(self, ref: Ref, root: Node) -> Any:
        """Find what ``ref`` leads to, be it through other references."""
        if ref.target is UNKNOWN:
            ref.target = _UNDER_WAY
            ref.target = self._part_at(root, ref)
        elif ref.target is _UNDER_WAY:
            self._found((*ref.path, "_ref"), f"it leads in a circle: {shown(ref.to)!r} is found through it")
            return wrong()
        return ref.target

    def _part_at(self, root: Node, ref: Ref) -> Any:
        part: Any = root
        for depth, key in enumerate(ref.to):
            while isinstance(part, Ref):
                part = self._follow(part, root)
            children = children_of(part)
            if isinstance(part, (list, tuple)) or (isinstance(part, Many) and part.kind is not dict):
                key = int(key) if str(key).isdecimal() else key
            if key not in children:
                near = near_names(str(key), (str(known) for known in children))
                paths = [".".join(map(str, (*ref.to[:depth], name, *ref.to[depth + 1 :]))) for name in near]
                self._found((*ref.path, "_ref"), f"there is no part {shown(ref.to)!r} in this config", paths)
                return wrong()
            part = children[key]
        return part

    def _check_cycles(self, root: Node) -> None:
        finished: set[int] = set()
        under_way: dict[int, None] = {}

        def visit(part: Any) -> None:
            if not isinstance(part, PARTS) or id(part) in finished:
                return
            under_way[id(part)] = None
            if isinstance(part, Ref):
                if id(part.target) in under_way:
                    self._found(
                        (*part.path, "_ref"),
                        f"it leads in a circle: {shown(part.to)!r} cannot be built before",
                    )
                else:
                    visit(part.target)
            else:
                for child in part.children.values():
                    visit(child)
            del under_way[id(part)]
            finished.add(id(part))

        visit(root)

    # ---- check

    def _check(self, node: Node) -> None:
        """All that can be told before anything is called."""
        if node.model is None:
            return
        values = {key: settled(child) for key, child in node.children.items()}
        parts = {key for key, child in values.items() if isinstance(child, PARTS)}
        plain = {key: child for key, child in values.items() if key not in parts}
        unknown = unknown_fields(node.model, {key: raw(value) for key, value in values.items()}, node.path)
        model = node.model
        if parts or node.partial:
            model = loosened(model, frozenset(parts), frozenset(values) if node.partial else None)
        found, instance = self._validated(node, model, {**plain, **dict.fromkeys(parts)}, unknown)
        self._problems += found or dropped_fields(plain, instance, node.path)
        if not found:
            node.config, node.complete = instance, not (parts or node.partial)
            self._keep_read(node, instance, plain)

    def _keep_read(self, node: Node, instance: BaseModel, plain: Mapping[str, Any]) -> None:
        """Go on with what was read of an iterator: there is nothing left in it."""
        used = {key for key, value in plain.items() if _holds_iterator(value)}
        for key, value in arguments_of(instance).items() if used else ():
            if key in used and not _holds_iterator(value):
                node.children[key] = value

    def _validated(
        self, node: Node, model: type[BaseModel], values: dict[str, Any], known: Iterable[Problem] = ()
    ) -> tuple[list[Problem], Any]:
        from pydantic import ValidationError as PydanticError

        try:
            return list(known), model.model_validate(values)
        except PydanticError as error:
            return problems_of(error, values, known, node.path), None
        except Exception as error:  # of a validator that the user wrote
            self._raised(node, error)

    # ---- build

    def built(self, part: Any) -> Any:
        """The object that a part makes, the same for each reference to it."""
        if not isinstance(part, PARTS):
            return part
        if id(part) not in self._built:
            if isinstance(part, Ref):
                self._built[id(part)] = self.built(part.target)
            elif isinstance(part, Many):
                children = {key: self.built(child) for key, child in part.children.items()}
                self._built[id(part)] = part.filled(children)
            else:
                self._built[id(part)] = self._made(part)
        return self._built[id(part)]

    def _made(self, node: Node) -> Any:
        assert node.model is not None  # or there would have been a problem
        values = {key: self.built(child) for key, child in node.children.items()}
        config = node.config
        if not node.complete:
            model = loosened(node.model, frozenset(), frozenset(values)) if node.partial else node.model
            problems, config = self._validated(node, model, values)
            if problems:
                raise does_not_fit(self._name, problems, self._source)
        assert config is not None
        try:
            made = _bound(node, config) if node.partial else call_with(node.artifact, config)
        except Exception as error:  # the user's own, whatever it is
            self._raised(node, error)
        if made is not node.artifact:
            remember(made, recipe_of(node))
        return made

    def _raised(self, node: Node, error: Exception) -> NoReturn:
        where: dict[str, Any] = {"path": shown(node.path), "key": node.name, "raised": type(error).__name__}
        line = self._source.line_of(node.path) if self._source else None
        if self._source:
            where |= {"file": self._source.file, "line": line}
        at = (
            f"{shown(node.path)} (line {line} of {self._source.file})"
            if self._source and line
            else shown(node.path)
        )
        raise ConformanceError(
            f"{node.name!r} could not be built at {at}: {type(error).__name__}: {error}",
            suggestions=["the exception it raised is the cause of this one"],
            context=where,
        ) from error


def _bound(node: Node, config: BaseModel) -> Any:
    """The callable with the given fields bound; itself if there are none, so that a part can name a class."""
    given = arguments_of(config)
    return partial(node.artifact, **given) if given else node.artifact
