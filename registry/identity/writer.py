"""The walk from one artifact through everything that it refers to, each object written once."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

from registry.identity.code import write_bytecode
from registry.identity.names import MAIN, is_compiled_in, reference
from registry.identity.plain import PLAIN, NoForm

MAX_NODES = 100_000
"""Values written down for one identity; an artifact that reaches more than that has none."""

FORM = 1
"""Version of the written form; a change of it makes every identity a new one."""


class Writer:
    """Writes one artifact down; not to be used twice.

    Args:
        home: the module whose functions and classes count with their content, beside ``__main__``.
        rule_for: says how to write an object that is told apart by which object it is.
    """

    def __init__(self, home: str, rule_for: Callable[[Any], Rule]) -> None:
        self._home = home
        self._rule_for = rule_for
        self._nodes = 0
        self._seen: dict[int, int] = {}
        # Keeps every object of ``_seen`` alive: the id of a dead one may be given to another.
        self._alive: list[object] = []
        self._unordered = 0
        self.unbound: set[str] = set()
        """Globals that are written already as what will bind them."""

    def write(self, value: Any) -> Any:
        """``value`` as JSON; different values give different JSON."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise NoForm("too large")
        kind = type(value)
        plain = PLAIN.get(kind)
        if plain is not None:
            return plain(value)
        if kind in _BY_CONTENT:
            return _BY_CONTENT[kind](self, value)
        return self._reference_outside(value) or self._write_once(value)

    def _reference_outside(self, value: Any) -> Any:
        """An importable function or class of another module as its name; else ``None``."""
        if isinstance(value, type):
            outside = is_compiled_in(value) or not self.is_home(value.__module__)
        else:
            outside = type(value) is types.FunctionType and not self.is_home(value.__module__)
        return reference(value) if outside else None

    def _write_once(self, value: Any) -> Any:
        """An object with an identity of its own: met again, it is named by the order of first meetings."""
        if id(value) in self._seen:
            return ["again", self._seen[id(value)]]
        if self._unordered and isinstance(value, types.FunctionType | type):
            # The order of a set of functions differs per process, and with it the numbers of all others.
            return self._write_apart(value)
        self._seen[id(value)] = len(self._alive)
        self._alive.append(value)
        return self._rule_for(value)(self, value)

    def _write_apart(self, value: Any) -> Any:
        """As if nothing had been met before: the text does not depend on what came first."""
        apart = Writer(self._home, self._rule_for)
        apart._nodes = self._nodes
        written = apart.write(value)
        self._nodes = apart._nodes
        return ["apart", digest(written)]

    def items(self, pairs: Iterable[tuple[Any, Any]]) -> list[Any]:
        return [[self.write(key), self.write(value)] for key, value in pairs]

    def sequence(self, values: Iterable[Any]) -> list[Any]:
        return [self.write(value) for value in values]

    def unordered(self, values: Iterable[Any]) -> list[Any]:
        import json

        self._unordered += 1
        written = sorted((self.write(value) for value in values), key=json.dumps)
        self._unordered -= 1
        return written

    def write_or(self, value: Any, instead: Any) -> Any:
        """``value``, or ``instead`` if it cannot be written down."""
        known = len(self._alive)
        try:
            return self.write(value)
        except NoForm:
            while len(self._alive) > known:
                del self._seen[id(self._alive.pop())]
            return instead

    def is_home(self, module: Any) -> bool:
        """Whether what ``module`` defines counts with its content."""
        return module == self._home or module in MAIN

    def self_reference(self, module: str, name: str) -> Any:
        """The artifact, if its code refers to it by a name that is not bound yet; else ``None``."""
        root = self._alive[0] if self._alive else None
        if (getattr(root, "__module__", None), getattr(root, "__qualname__", None)) == (module, name):
            return ["again", 0]
        return None


Rule = Callable[[Writer, Any], Any]
"""How one kind of object is written."""

_BY_CONTENT: dict[type, Rule] = {
    tuple: lambda writer, value: ["tuple", *writer.sequence(value)],
    frozenset: lambda writer, value: ["frozenset", *writer.unordered(value)],
    slice: lambda writer, value: ["slice", *writer.sequence((value.start, value.stop, value.step))],
    types.CodeType: lambda _, value: write_bytecode(value),
    types.ModuleType: lambda _, value: ["module", value.__name__],
    types.MemberDescriptorType: lambda writer, value: [
        "slot",
        writer.write(value.__objclass__),
        value.__name__,
    ],
}
"""Types whose values are told apart by content alone: two equal ones may be one object in another process."""


def digest(written: Any) -> str:
    import hashlib
    import json

    text = json.dumps([FORM, written], separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
