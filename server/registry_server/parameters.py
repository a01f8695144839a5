"""The parameters of an operation, compiled from the spec: text in, checked value out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from registry_server.problems import misfit

REMEMBERED = 4_096
LONGEST_REMEMBERED = 512
"""Longer than any path with a namespace in it; what is longer still is not worth the memory."""


class Parameter:
    """One parameter of an operation, ready to be read."""

    __slots__ = ("argument", "check", "code", "coerce", "name", "required", "where")

    def __init__(self, definition: Mapping[str, Any], components: Mapping[str, Any]) -> None:
        self.name: str = definition["name"]
        self.where: str = definition["in"]
        self.argument = self.name.lower().replace("-", "_")
        self.required: bool = definition.get("required", False)
        self.code: str = definition.get("x-problem-code", "invalid_parameter")
        schema = definition["schema"]
        self.coerce = _COERCE.get(schema.get("type"))
        validator = validator_of(schema, components)
        # What a path holds (namespaces) comes again and again; a query's keys mostly do not.
        self.check = _remembered(validator.is_valid) if self.where == "path" else validator.is_valid

    def value(self, text: str) -> Any:
        """The value that ``text`` spells, checked against the schema."""
        value: Any = text
        if self.coerce is not None:
            try:
                value = self.coerce(text)
            except ValueError:
                raise misfit(
                    self.code, self.name, text, f"{text[:40]!r} is not of the declared type"
                ) from None
        if not self.check(value):
            raise misfit(self.code, self.name, value, f"{str(value)[:40]!r} does not fit its schema")
        return value


def _remembered(check: Callable[[str], bool]) -> Callable[[str], bool]:
    known = lru_cache(REMEMBERED)(check)
    return lambda text: known(text) if len(text) <= LONGEST_REMEMBERED else check(text)


def _integer(text: str) -> int:
    if len(text) > 20 or not text.removeprefix("-").isdecimal() or not text.isascii():
        raise ValueError
    return int(text)


_COERCE: Mapping[str, Callable[[str], Any]] = {"integer": _integer}


def validator_of(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """A validator for ``schema``: OpenAPI 3.0's dialect is draft 4 but for ``nullable``, not used here."""
    return jsonschema_rs.Draft4Validator({**schema, "components": components}, validate_formats=False)
