"""What a registry holds, shown to people: no artifact is decoded, and none is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from registry.errors import RemoteError, ValidationError
from registry.extras import install
from registry.hierarchy import levels
from registry.origin import origin_of
from registry.storage.base import Storage
from registry.text import visible
from registry.versions.deprecation import Deprecation

if TYPE_CHECKING:
    from rich.table import Table

    from registry.base import Registry
    from registry.storage.remote import RemoteStorageProxy
    from registry.storage.stored import Stored

MAX_TEXT = 80
"""Signatures and JSON values are shortened to so many characters."""


class Description(NamedTuple):
    """What is known of one name.

    Attributes:
        name: the name.
        kind: ``function``, ``class``, ``json``, ``instance``, ``alias``; empty where only loading would tell.
        signature: as ``(y_true, y_pred)``; of a JSON value its text. Shortened. Empty where it is not known:
            for code of a shared registry, and for what is not loaded.
        summary: first line of the docstring; empty as ``signature`` is.
        origin: ``module.qualname (file:line)`` as far as known; what is to be imported of what is not loaded.
        stored: where: ``this process``, a mapping's type, ``research.losses at http://...``, the distribution
            of an entry point; with the registry's name where it is a parent's.
        state: ``loaded`` or ``lazy``: whether a look-up has to decode or import it.
        alias_of: the name that an alias leads to; else None.
        deprecation: what is said against using it, or None.
    """

    name: Any
    kind: str = ""
    signature: str = ""
    summary: str = ""
    origin: str = ""
    stored: str = "this process"
    state: str = "loaded"
    alias_of: Any = None
    deprecation: Deprecation | None = None


def describe(cls: type[Registry[Any]]) -> list[Description]:
    """See `Registry.describe`."""
    found: dict[Any, Description] = {}
    for level in levels(cls):
        for described in (*_stand_ins(level), *_stored(level), *_declared(level)):
            if level is not cls:
                described = described._replace(stored=f"{described.stored} ({level.__name__})")
            found.setdefault(described.name, described)
    return list(found.values())


def _stand_ins(cls: type[Registry[Any]]) -> Iterator[Description]:
    for name, artifact in cls._stand_ins().items():
        yield _of_artifact(name, artifact, "put in place for a test")


def _stored(cls: type[Registry[Any]]) -> Iterator[Description]:
    storage = cls._storage()
    if hasattr(storage, "entries"):
        for entry in cast("RemoteStorageProxy[Any]", storage).entries():
            yield _of_entry(entry, storage)
        return
    where = storage.location or "this process"
    for name, artifact in storage.items():
        deprecation = cls._deprecated.current(name, artifact)
        yield _of_artifact(name, artifact, where)._replace(deprecation=deprecation)


def _declared(cls: type[Registry[Any]]) -> Iterator[Description]:
    declared = cls._declared
    for name, target in declared.lazy.copy().items():
        yield Description(name, origin=str(target), state="lazy")
    for name, alias_of in declared.aliases.copy().items():
        yield Description(name, "alias", alias_of=alias_of)
    for name, plugin in declared.plugins.copy().items():
        if declared.is_loaded(name):
            yield _of_artifact(name, declared.find(cls, name, None), plugin.distribution)
        else:
            yield Description(name, origin=plugin.value, stored=plugin.distribution, state="lazy")


def _of_artifact(name: Any, artifact: Any, where: str) -> Description:
    from registry.envelope.json_codec import encode_exactly
    from registry.envelope.reference import own_name

    if not callable(artifact) and (text := encode_exactly(artifact)) is not None:
        return Description(name, "json", _short(text), stored=where)
    kind = "class" if isinstance(artifact, type) else "function" if own_name(artifact) else "instance"
    origin = str(origin_of(artifact))
    return Description(name, kind, _signature(artifact), _summary(artifact), origin, where)


def _of_entry(entry: Stored, storage: Storage[Any, Any]) -> Description:
    from registry.versions.aliases import is_alias, target_of

    meta = entry.envelope.meta or {}
    deprecation = Deprecation.of_meta(meta)
    if is_alias(entry.envelope):
        return Description(
            entry.key,
            "alias",
            stored=storage.location,
            alias_of=target_of(entry.envelope),
            deprecation=deprecation,
        )
    if entry.envelope.type == "json":
        text = _short(entry.envelope.data)
        return Description(
            entry.key, "json", text, stored=storage.location, state="lazy", deprecation=deprecation
        )
    named = ".".join(part for part in (meta.get("module"), meta.get("qualname")) if part)
    return Description(
        entry.key,
        meta.get("kind", ""),
        origin=meta.get("origin", named),
        stored=storage.location,
        state="lazy",
        deprecation=deprecation,
    )


def _signature(artifact: Any) -> str:
    from inspect import signature

    try:
        return _short(str(signature(artifact)))
    except Exception:  # builtins have none, and an artifact's own __signature__ may raise anything
        return ""


def _summary(artifact: Any) -> str:
    text = getattr(artifact, "__doc__", None)
    lines = text.strip().splitlines() if isinstance(text, str) else []
    return lines[0].strip() if lines else ""


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


# ---- for terminals and notebooks

_HEADINGS = ("Name", "Kind", "Signature", "Summary", "Origin", "Stored")


def _cells(described: Description) -> tuple[str, ...]:
    return tuple(map(visible, _texts(described)))


def _texts(described: Description) -> tuple[str, ...]:
    kind = f"{described.kind}, lazy".lstrip(", ") if described.state == "lazy" else described.kind
    if described.alias_of is not None:
        kind = f"alias of {described.alias_of}"
    if described.deprecation is not None:
        kind = f"{kind}, {described.deprecation}".lstrip(", ")
    name = str(described.name)
    return name, kind, described.signature, described.summary, described.origin, described.stored


def as_table(cls: type[Registry[Any]]) -> Table:
    """See `Registry.table`."""
    try:
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        raise ValidationError(
            f"{cls.__name__}.table() needs rich, which is not installed",
            suggestions=[install("cli"), f"{cls.__name__}.describe() needs nothing"],
        ) from None
    table = Table(*_HEADINGS, title=Text(cls.__name__))
    for described in describe(cls):
        table.add_row(*map(Text, _cells(described)))  # as text: "[red]" in a docstring is no markup
    return table


def as_html(cls: type[Registry[Any]]) -> str:
    """The table for a notebook; where the server does not answer, the reason, as a cell must not fail."""
    try:
        rows = [_cells(described) for described in describe(cls)]
    except RemoteError as error:
        return f"<p><b>{_escaped(cls.__name__)}</b>: {_escaped(error.message)}</p>"
    head = _row("th", _HEADINGS)
    body = "".join(_row("td", row) for row in rows)
    caption = f"<caption>{_escaped(cls.__name__)}</caption>"
    return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_escaped(cell)}</{tag}>' for cell in cells)}</tr>"


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)
