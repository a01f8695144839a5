"""Everything that has no importable name, by value: with cloudpickle.

The one module that may load a pickle. It decides nothing: `registry.envelope.trust` has decided when
`decode` is called, and `check_python` has been asked before. cloudpickle is imported at first need.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, lru_cache
from io import BytesIO, IOBase
from types import CellType, FunctionType
from typing import Any, Final, ParamSpec, TypeVarTuple

from registry.envelope.reference import Reference, own_name, reference_to
from registry.errors import PythonVersionMismatchError, SerializationError

PROTOCOL: Final = 4
"""The pickle protocol written: fixed, so that every pickle envelope begins with ``gASV``."""

PYTHON_TAG: Final = f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"
"""Whose byte code this process writes and can load: ``cpython-3.11``.

Implementation and minor version, since byte code changes with these and not with a patch release.
"""


def encode(value: object) -> bytes:
    """The pickle of ``value``, with the code of what another process could not import.

    Its own name counts as bound to it, also where a decorator sees it before that name is: so a function
    can call itself, and a class name itself, where it is decoded. Nothing here is bound for that.

    Raises:
        SerializationError: it cannot be pickled, and the message says which part of it, the cause is chained;
            or its code reads a global that is not bound yet, and would not be where it is decoded.
    """
    try:
        raw, missing = _dumps(value)
    except SerializationError:  # it is cloudpickle that is missing
        raise
    except Exception as error:
        raise _not_picklable(value, error) from error
    if missing:
        raise _not_bound_yet(value, missing)
    return raw


def check_python(tag: str | None) -> None:
    """Raise unless a value pickled under ``tag`` can be loaded here.

    Loading another Python's code objects does not fail, it crashes: across 3.11 to 3.13 in 13 of 18 pairs.

    Raises:
        PythonVersionMismatchError: it was pickled under another Python, or nobody says under which.
    """
    if tag == PYTHON_TAG:
        return
    shown = "an unnamed Python" if tag is None else ascii(tag[:40])
    raise PythonVersionMismatchError(
        f"A value pickled by value under {shown} cannot be decoded under {PYTHON_TAG}",
        suggestions=[
            "move it into a module that both processes can import: references work across versions",
            f"register it again under {PYTHON_TAG}",
        ],
        context={"written_by": shown, "python": PYTHON_TAG},
    )


def decode(raw: bytes) -> Any:
    """Load a pickle. This runs the code of whoever wrote it.

    Raises:
        SerializationError: loading failed; the cause is chained.
    """
    _cloudpickle()
    import pickle

    try:
        return pickle.loads(raw)
    except Exception as error:
        raise SerializationError(
            f"A value that was pickled by value cannot be loaded here: {type(error).__name__}: {error}",
            suggestions=["install the packages that its writer uses, in the same versions"],
            context={"python": PYTHON_TAG},
        ) from error


def is_registered_by_value(module: str) -> bool:
    """Whether the user told cloudpickle to send this module's objects by value."""
    cloudpickle = sys.modules.get("cloudpickle")
    return cloudpickle is not None and module in cloudpickle.list_registry_pickle_by_value()


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ModuleNotFoundError as error:
        raise SerializationError(
            "Functions and objects travel by value with cloudpickle, which is not installed",
            suggestions=["pip install cloudpickle"],
        ) from error
    return cloudpickle


@cache
def _pickler_class() -> Any:
    import pickle

    from registry.envelope.unbound import MAIN, bindings, lookups, missing_in

    base = _cloudpickle().Pickler

    class Pickler(base):  # type: ignore[misc, valid-type]
        """cloudpickle's, less what it would change on the way without saying so, and with all names."""

        def __init__(self, buffer: BytesIO, root: object) -> None:
            super().__init__(buffer, protocol=PROTOCOL)
            self._root = root
            self._root_name = own_name(root)
            self._functions: list[FunctionType] = []

        def reducer_override(self, obj: object) -> Any:
            # cloudpickle sends an open file as a StringIO of its content, and a memoryview as bytes.
            if isinstance(obj, IOBase | memoryview):
                raise pickle.PicklingError(f"cannot pickle {type(obj).__name__!r} object without changing it")
            if isinstance(obj, _CACHED) and reference_to(obj) is None:
                return _reduce_cached(obj)
            if isinstance(obj, ParamSpec | TypeVarTuple) and obj.__module__ in MAIN:
                return type(obj), (obj.__name__,)  # by itself it would go as its name in ``__main__``
            reduced = super().reducer_override(obj)
            if isinstance(obj, FunctionType) and reduced is not NotImplemented:
                _, slots = reduced[2]  # attributes, and what cloudpickle will set in the new function
                self._functions.append(obj)
                self._bring_globals(obj, slots["__globals__"])
                slots["__closure__"] = self._with_own_cell(obj)
            if hasattr(type(obj), "_identity_by_name") and reduced is not NotImplemented:
                return _as_registry(obj, reduced, self._root)
            return reduced

        def _bring_globals(self, function: FunctionType, brought: dict[str, Any]) -> None:
            """Add what cloudpickle leaves out: what bodies of local classes read, and the root's own name.

            Temporarily binding that name would do as well, and every other thread would see it bound.
            """
            namespace = function.__globals__
            for name, *_ in lookups(function.__code__):
                if name in namespace:
                    brought.setdefault(name, namespace[name])
                elif (namespace.get("__name__"), name) == self._root_name:
                    brought[name] = self._root

        def _with_own_cell(self, function: FunctionType) -> tuple[CellType, ...] | None:
            """The closure; a local function or class is in an empty cell until its decorators are done."""
            names = function.__code__.co_freevars
            _, is_local, own = (self._root_name or Reference("", "")).qualname.rpartition("<locals>.")
            if function.__closure__ is None or not is_local or own not in names:
                return function.__closure__
            cells = dict(zip(names, function.__closure__, strict=True))
            with suppress(ValueError):
                cells[own].cell_contents  # noqa: B018 - filled already
                return function.__closure__
            return tuple({**cells, own: CellType(self._root)}.values())

        def missing(self) -> dict[str, tuple[str, int | None]]:
            """Names that nothing binds, each with the function that reads it, and the line."""
            bound = set().union(*(bindings(function.__code__) for function in self._functions))
            return {
                name: (function.__qualname__, line)
                for function in reversed(self._functions)
                for name, line in missing_in(function).items()
                if name not in bound and (function.__globals__.get("__name__"), name) != self._root_name
            }

    return Pickler


def _dumps(value: object) -> tuple[bytes, dict[str, tuple[str, int | None]]]:
    """The pickle, and the names that its code will miss."""
    pickler_class = _pickler_class()
    _send_spawned_main_by_value()
    buffer = BytesIO()
    pickler = pickler_class(buffer, value)
    pickler.dump(value)
    return buffer.getvalue(), pickler.missing()


def _as_registry(registry: Any, reduced: tuple[Any, ...], root: object) -> tuple[Any, ...]:
    """Have a registry class arrive as another handle of the same namespace.

    One that is not shared would arrive as a copy of what it holds, and its changes would be seen by nobody.

    Raises:
        SerializationError: the registry is of this process.
    """
    place = registry._identity_by_name  # a namespace; a storage of this process; None for a base
    if place is not None and not isinstance(place, str):
        raise _not_shared(registry, root)
    make, arguments, state, *_, set_state = reduced
    # What this process registered is not what the other did; stand-ins of `overriding` are this process's.
    for name in ("_own", "_view"):
        state[0].pop(name, None)
    # A base is made by a class statement without ``base=True`` there, and is given a storage.
    state[0].setdefault("_repository", None)
    return make, arguments, (set_state, state), None, None, set_registry_state


def set_registry_state(registry: Any, prepared: tuple[Any, Any]) -> None:
    """Called by pickles: finish a registry class, unless it is here already, decoded before or at home."""
    if not isinstance(registry._identity_by_name, str):
        set_state, state = prepared
        set_state(registry, state)


_CACHED: Final[Any] = type(lru_cache(len))


def _reduce_cached(cached: Any) -> Any:
    """A cache of `functools`, empty: by itself it would go as its name in ``__main__``."""
    size, typed = cached.cache_parameters().values()
    return _CACHED, (cached.__wrapped__, size, typed, type(cached.cache_info())), vars(cached)


def _send_spawned_main_by_value() -> None:
    """Let cloudpickle treat ``__mp_main__`` as it treats ``__main__``, from now on in this process.

    In a child that multiprocessing spawned, the script is called ``__mp_main__``, and cloudpickle would
    send its functions by that name, which no other process has.
    """
    module = sys.modules.get("__mp_main__")
    if module is not None and module.__name__ == "__mp_main__" and not is_registered_by_value("__mp_main__"):
        _cloudpickle().register_pickle_by_value(module)


# --- what to say when it cannot be sent --------------------------------------------------------------------

_MAX_PATH_LENGTH = 5


def _not_bound_yet(value: object, missing: dict[str, tuple[str, int | None]]) -> SerializationError:
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    missing = dict(sorted(missing.items(), key=lambda item: item[1][1] or 0))
    places = [
        f"{missed} (line {line}{'' if user == name else f', in {user}'})"
        for missed, (user, line) in missing.items()
    ]
    return SerializationError(
        f"{name} cannot be sent by value: it uses what is not defined yet, {', '.join(places)}",
        suggestions=[
            f"define {' and '.join(missing)} above {name}",
            f"or register it at the end of the file: register_artifact({name})",
        ],
        context={
            "type": type(value).__qualname__,
            "missing": {missed: line for missed, (_, line) in missing.items()},
        },
    )


def _not_shared(registry: Any, root: object) -> SerializationError:
    name = getattr(root, "__qualname__", None) or type(root).__qualname__
    return SerializationError(
        f"{name} cannot be sent by value because of {registry.__qualname__}: a registry of this process only",
        suggestions=[
            f"share it: class {registry.__name__}(..., logic_namespace='research.names')",
            f"define {registry.__name__} in a module that the other processes can import",
        ],
        context={"type": type(root).__qualname__, "part": registry.__qualname__},
    )


def _not_picklable(value: object, error: Exception) -> SerializationError:
    path = _path_to_culprit(value, _MAX_PATH_LENGTH)
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    path = path.strip()
    where = f" because of {path}" if path else ""
    return SerializationError(
        f"{name} cannot be sent by value{where}: {type(error).__name__}: {error}",
        suggestions=[
            "define it in a module that the other processes can import: then only its name travels",
            "leave the part out with __getstate__, or make it where the value is used",
        ],
        context={"type": type(value).__qualname__, **({"part": path} if path else {})},
    )


def _path_to_culprit(value: object, steps: int) -> str:
    """Where in ``value`` the first part lies that cannot be pickled: ``.pool.lock`` or ``['lock']``."""
    if steps == 0:
        return ""
    for step, part in _parts(value):
        if part is not value and not _can_be_pickled(part):
            return step + _path_to_culprit(part, steps - 1)
    return ""


def _can_be_pickled(part: object) -> bool:
    try:
        _dumps(part)
    except Exception:
        return False
    return True


def _parts(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(f"[{key!r:.40}]", part) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if isinstance(value, FunctionType):
        return _captured(value)
    members = getattr(value, "__dict__", None)
    if not isinstance(members, Mapping):
        return []
    return [(f".{name}", part) for name, part in members.items() if not _is_plumbing(name)]


def _is_plumbing(name: object) -> bool:
    return name in ("__dict__", "__weakref__")


def _captured(function: FunctionType) -> list[tuple[str, object]]:
    """What a function brings along: its closure, and the globals its code names."""
    code, space = function.__code__, function.__globals__
    captured = [(name, space[name]) for name in code.co_names if name in space]
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # not filled yet
            captured.append((name, cell.cell_contents))
    return [(f" {name}", part) for name, part in captured]
