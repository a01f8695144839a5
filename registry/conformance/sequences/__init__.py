"""Checks that are data: requests and what they must be answered, in JSON that any language can run.

The format is in ``README.md`` beside the files, and in ``sequence.schema.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from importlib import resources
from typing import Any

from registry.conformance.check import Check, Failure, Level, require
from registry.conformance.context import Context
from registry.conformance.contract import field_of

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "object": dict,
    "array": list,
    "boolean": bool,
}


def sequence_files() -> dict[str, dict[str, Any]]:
    """Every sequence, by the name of its file."""
    folder = resources.files(__name__)
    found = sorted(file.name for file in folder.iterdir() if file.name.endswith(".json"))
    return {
        name.removesuffix(".json"): json.loads((folder / name).read_text(encoding="utf-8"))
        for name in found
        if not name.endswith(".schema.json")
    }


def sequence_checks() -> list[Check]:
    """A check for each sequence."""
    return [
        Check(
            f"{sequence['profile']}.sequence_{name}",
            tuple(sequence["promises"]),
            sequence["profile"],
            Level(sequence["level"]),
            sequence["claim"],
            partial(_run, sequence["steps"]),
        )
        for name, sequence in sequence_files().items()
    ]


def _run(steps: list[dict[str, Any]], ctx: Context) -> None:
    values: dict[str, Any] = {"namespace": ctx.namespace()}
    for number, step in enumerate(steps, 1):
        try:
            _step(step, values, ctx)
        except Failure as failure:
            raise Failure(f"step {number}: {failure}") from None


def _step(step: dict[str, Any], values: dict[str, Any], ctx: Context) -> None:
    operation, expect = step["operation"], step["expect"]
    answer = ctx.ask(
        operation,
        values["namespace"] if "{namespace}" in ctx.contract.operations[operation].path else None,
        query={name: filled(value, values) for name, value in step.get("query", {}).items()},
        fields=[(name, filled(value, values)) for name, value in step.get("headers", {}).items()],
        body=filled(step["body"], values) if "body" in step else None,
    )
    require(
        answer.status == expect["status"],
        f"{answer.asked} is answered {answer.status}, not {expect['status']}",
    )
    for name, value in expect.get("headers", {}).items():
        found = field_of(answer.exchange, name)
        require(
            found == filled(value, values),
            f"{answer.asked}: {name} is {found!r}, not {filled(value, values)!r}",
        )
    if reason := mismatch(filled(expect.get("body", {}), values), answer.json or {}):
        raise Failure(f"{answer.asked}: {reason}")
    for name, pointer in step.get("save", {}).items():
        values[name] = at(answer.json, pointer)


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """``template`` with each ``${name}`` in its texts replaced; a text that is only one becomes its value."""
    if isinstance(template, str):
        if whole := _PLACEHOLDER.fullmatch(template):
            return values[whole[1]]
        return _PLACEHOLDER.sub(lambda found: str(values[found[1]]), template)
    if isinstance(template, dict):
        return {name: filled(value, values) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    return template


def mismatch(wanted: Any, found: Any, place: str = "") -> str:
    """Where ``found`` is not as ``wanted`` says, in words; empty where it is. See ``README.md``."""
    if isinstance(wanted, dict) and wanted.keys() == {"$type"}:
        fits = isinstance(found, _TYPES[wanted["$type"]]) and not (
            isinstance(found, bool) and wanted["$type"] == "integer"
        )
        return "" if fits else f"{place or '/'} is {found!r}, no {wanted['$type']}"
    if isinstance(wanted, dict) and isinstance(found, dict):
        return next(filter(None, (_member(name, value, found, place) for name, value in wanted.items())), "")
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return next(filter(None, (mismatch(one, two, f"{place}/{n}") for n, (one, two) in pairs)), "")
    same = wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
    return "" if same else f"{place or '/'} is {found!r}, not {wanted!r}"


def _member(name: str, wanted: Any, found: dict[str, Any], place: str) -> str:
    if wanted == {"$absent": True}:
        return f"{place}/{name} is there" if name in found else ""
    return mismatch(wanted, found[name], f"{place}/{name}") if name in found else f"{place}/{name} is missing"


def at(value: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to; every part of it must be there."""
    for part in pointer.split("/")[1:]:
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (LookupError, TypeError, ValueError):
            raise Failure(f"the answer has nothing at {pointer}") from None
    return value
