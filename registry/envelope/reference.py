"""Importable functions and classes, by name: written and read without the pickle machine.

A *reference* is what ``pickle`` protocol 4 writes for a function, a class, a nested class or a static
method: PROTO, FRAME, two texts, STACK_GLOBAL and STOP, each object memoized. `read` takes these bytes and no
others, so it cannot be made to call, build or allocate anything. A restricted ``Unpickler`` could:
``functools`` with ``singledispatch.__builtins__.get`` reaches ``eval`` through an allowed module, and nine
bytes make the C unpickler take a gigabyte.

The known answers are in ``tests/vectors/references.json``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final, NamedTuple

from registry.errors import ReferenceNotAllowedError

MAX_REFERENCE_BYTES: Final = 4_096
"""Longest reference. What is longer is no reference, whatever it looks like."""

NEVER: Final = frozenset(
    {
        "_ctypes",
        "_io",
        "_pickle",
        "_posixsubprocess",
        "_socket",
        "asyncio",
        "bdb",
        "builtins",
        "cloudpickle",
        "code",
        "codeop",
        "ctypes",
        "dill",
        "gc",
        "importlib",
        "inspect",
        "io",
        "joblib",
        "marshal",
        "multiprocessing",
        "nt",
        "os",
        "pathlib",
        "pdb",
        "pickle",
        "pip",
        "pkgutil",
        "posix",
        "pty",
        "runpy",
        "shelve",
        "shutil",
        "signal",
        "site",
        "socket",
        "subprocess",
        "sys",
        "tempfile",
        "timeit",
        "trace",
        "webbrowser",
        "zipimport",
    }
)
"""Top-level modules that no unsigned reference reaches, whoever calls them trusted.

A belt: the braces are `is_plain_name` and `check_own_name`.
"""


class Reference(NamedTuple):
    """The name of an importable object: its module, and its path of attributes in it, dotted."""

    module: str
    qualname: str


# --- the bytes ---------------------------------------------------------------------------------------------

_START = b"\x80\x04\x95"  # PROTO 4, FRAME
_FRAME_AT, _TEXTS_AT = 3, 11
_END = b"\x93\x94."  # STACK_GLOBAL, MEMOIZE, STOP
_SHORT_TEXT, _TEXT, _MEMOIZE = 0x8C, 0x58, b"\x94"


def write(reference: Reference) -> bytes:
    """The protocol 4 pickle of a reference, byte for byte what ``pickle.dumps`` writes.

    One exception: where module and name are the same text, ``pickle`` may write the second one as a look
    into its memo; here it is always written out.
    """
    body = _text(reference.module) + _text(reference.qualname) + _END
    return _START + len(body).to_bytes(8, "little") + body


def _text(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < 256:
        return bytes((_SHORT_TEXT, len(raw))) + raw + _MEMOIZE
    return bytes((_TEXT,)) + len(raw).to_bytes(4, "little") + raw + _MEMOIZE


def read(raw: bytes) -> Reference | None:
    """The reference that these bytes are, or ``None`` if they are none.

    Never raises, imports nothing, and looks at no more than `MAX_REFERENCE_BYTES`.
    """
    if len(raw) > MAX_REFERENCE_BYTES or not raw.startswith(_START):
        return None
    try:
        module, at = _read_text(raw, _TEXTS_AT)
        qualname, _ = _read_text(raw, at)
    except (IndexError, UnicodeDecodeError):
        return None
    reference = Reference(module, qualname)
    # Writing it again checks all that reading passed over: lengths, memo marks, the frame, the end, and
    # that there is one spelling only.
    return reference if write(reference) == raw else None


def _read_text(raw: bytes, at: int) -> tuple[str, int]:
    """The text at ``at``, and where the next one would begin."""
    if raw[at] == _SHORT_TEXT:
        start, length = at + 2, raw[at + 1]
    else:
        start, length = at + 5, int.from_bytes(raw[at + 1 : at + 5], "little")
    return raw[start : start + length].decode(), start + length + 1


# --- from an object to its name ----------------------------------------------------------------------------


def reference_to(value: object) -> Reference | None:
    """The reference to ``value``, or ``None`` if it has to travel by value.

    Only what its module holds under its own name, the very same object, has one. Never anything of
    ``__main__``: another process has another ``__main__``, or one with the same name in it.

    While a module is being imported, a name that is not bound *yet* counts as bound to ``value``: that is
    where a decorator sees a function, and by value it would go without the rest of its module.
    """
    if not callable(value):
        return None
    reference = own_name(value)
    if reference is None or not is_plain_name(reference) or len(write(reference)) > MAX_REFERENCE_BYTES:
        return None
    module = sys.modules.get(reference.module)
    try:
        return reference if _walk(module, reference.qualname) is value else None
    except _NoSuchNameError as missing:
        return reference if missing.first and _is_being_imported(module) else None


def own_name(value: object) -> Reference | None:
    """What ``value`` calls itself, or ``None`` if it has no ``__module__`` and ``__qualname__``."""
    try:
        module, qualname = value.__module__, value.__qualname__  # type: ignore[attr-defined]
    except Exception:  # a proxy's attributes may raise anything
        return None
    if type(module) is not str or type(qualname) is not str:
        return None
    return Reference(module, qualname)


def _is_being_imported(module: object) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def is_plain_name(reference: Reference) -> bool:
    """Whether both names are dotted identifiers and no part is ``__dunder__``.

    This leaves out ``<locals>``, ``<lambda>``, ``__main__``, every ``package.__main__``, and the way from
    any function to ``__globals__`` and ``__builtins__``.
    """
    parts = reference.module.split(".") + reference.qualname.split(".")
    return all(part.isidentifier() and not _is_dunder(part) for part in parts)


def _is_dunder(part: str) -> bool:
    return part.startswith("__") and part.endswith("__")


# --- from a name to its object -----------------------------------------------------------------------------


def resolve(reference: Reference) -> Any:
    """Import the module and walk to the object.

    The caller has decided that this module may be imported here (`registry.envelope.trust`).

    Raises:
        ReferenceNotAllowedError: it is a name in a ``__main__``, or there is no such module or name here.
    """
    if not is_plain_name(reference):
        raise not_allowed(reference, "is not the plain name of an importable object")
    try:
        module = import_module(reference.module)
    except ModuleNotFoundError as error:
        raise _missing_module(reference, error) from error
    except Exception as error:
        raise not_allowed(
            reference,
            f"cannot be imported: its module raised {type(error).__name__}",
            f"import {reference.module} in this process and see why",
        ) from error
    try:
        return _walk(module, reference.qualname)
    except _NoSuchNameError:
        raise not_allowed(
            reference, "does not exist here", f"install the version of {reference.module} that the writer has"
        ) from None


def check_own_name(reference: Reference, found: object) -> None:
    """Raise unless ``found`` calls itself by the name it was asked for.

    This ends walks through what a trusted module has merely imported: ``trusted.os.system`` is
    ``posix.system``.

    Raises:
        ReferenceNotAllowedError: it has another name of its own.
    """
    if own_name(found) != reference:
        raise not_allowed(reference, "is only another name for something defined elsewhere")


def is_within(module: str, packages: tuple[str, ...]) -> bool:
    """Whether ``module`` is one of ``packages`` or lies in one, and not in `NEVER`."""
    if module.partition(".")[0] in NEVER:
        return False
    return any(module == package or module.startswith(f"{package}.") for package in packages)


class _NoSuchNameError(Exception):
    """A walk ended early; ``first`` if already the module lacks the name."""

    def __init__(self, *, first: bool) -> None:
        super().__init__(first)
        self.first = first


def _walk(module: object, qualname: str) -> Any:
    """The object at a dotted path, by ``vars`` alone: no descriptor, no ``__getattr__``, no inheritance.

    Only modules and classes are looked into, so nothing leads through a function or an instance.
    """
    found: Any = module
    for name in qualname.split("."):
        if not isinstance(found, type) and (found is not module or not isinstance(found, ModuleType)):
            raise _NoSuchNameError(first=False)
        try:
            found = vars(found)[name]
        except KeyError:
            raise _NoSuchNameError(first=found is module) from None
        if type(found) is staticmethod:
            found = found.__func__
    return found


def _missing_module(reference: Reference, error: ModuleNotFoundError) -> ReferenceNotAllowedError:
    missing = error.name or reference.module
    return not_allowed(
        reference,
        f"cannot be imported: there is no module {missing!r} here",
        f"install the package that has {missing!r}, or put its folder on sys.path",
        missing=missing,
    )


def not_allowed(
    reference: Reference, reason: str, *suggestions: str, **context: str
) -> ReferenceNotAllowedError:
    """The error that ``module.qualname`` cannot be had, because it ``reason``."""
    name = f"{reference.module}.{reference.qualname}"
    shown = name if len(name) <= 200 and name.isprintable() else ascii(name)[:200]
    return ReferenceNotAllowedError(f"{shown} {reason}", suggestions, {"reference": shown, **context})
