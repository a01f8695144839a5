"""Which rule writes which object."""

from __future__ import annotations

import types
from typing import Any

from registry.identity.annotations import HINT_MODULES, write_hint
from registry.identity.classes import write_class
from registry.identity.functions import write_function, write_method
from registry.identity.values import BY_TYPE, special_rule, write_importable
from registry.identity.writer import Rule

_BY_TYPE: dict[type, Rule] = {
    **BY_TYPE,
    types.FunctionType: write_function,
    types.MethodType: write_method,
}


def rule_for(value: Any) -> Rule:
    kind = type(value)
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if isinstance(value, type):
        return write_class
    if kind.__module__ in HINT_MODULES:
        return write_hint
    return special_rule(kind) or write_importable
