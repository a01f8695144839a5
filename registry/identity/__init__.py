"""Whether two registrations are the same artifact.

An artifact is written down as nested JSON (kind, module, qualified name, code, defaults, what the code
refers to), and the SHA-256 of that text is its identity. Two mistakes are possible, and they are not
alike: calling different artifacts the same silently keeps the old one, calling the same ones different
makes a worker's re-import an error. So whatever cannot be written down exactly has no identity.

Read in the order of imports: `plain`, `names`, `code` and `source` know nothing of each other's users;
`writer` walks; `values`, `annotations`, `referred`, `functions`, `machinery` and `classes` each say how
some objects are written; `rules` chooses among them.
"""

from __future__ import annotations

import functools
import types
from typing import Any

from registry.identity.plain import is_json
from registry.identity.rules import rule_for
from registry.identity.values import ARTIFACTS
from registry.identity.writer import MAX_NODES, Writer, digest

__all__ = ["MAX_NODES", "identity_of", "same_artifact"]


def identity_of(artifact: object) -> str | None:
    """The digest ``sha256:...`` of what ``artifact`` is, or ``None`` if that cannot be told.

    Equal digests mean: the same kind, module, qualified name, code, defaults, annotations and attributes,
    and the same closure values and globals that the code refers to, now. Of those, functions and classes
    of the artifact's own module or of ``__main__`` count with all of that themselves; importable ones of
    other modules, and modules, count by name; values count exactly (``1``, ``1.0``, ``True`` differ).
    A class counts over its bases, members and annotations; `functools.partial`, caches and methods bound
    to a class over what is inside them; a JSON value over its content; other instances have no identity.
    A registry counts by name and namespace, whatever it holds.

    Code counts as the syntax tree of its source (comments and layout do not matter), if the source still
    is what the running code was compiled from, else as bytecode. With source the digest is the same in
    every process, checkout and version of Python; as bytecode it depends on the version. ``-O`` and
    ``-OO`` change it where an ``assert`` refers to a global, or a docstring was assigned.

    Not seen: what is reached through an attribute of a module or by name at run time (``globals()``,
    ``getattr``, imports inside the code), what a builtin does, and globals that are bound again later.

    Costs up to a few milliseconds, and for the first artifact of a module the time to read and parse
    it; meant for a duplicate or a remote registration, not for every one. Never raises.
    """
    try:
        if not _may_have_identity(artifact):
            return None
        return "sha256:" + digest(Writer(_home_of(artifact), rule_for).write(artifact))
    except Exception:  # NoForm, too deep, or what a user's descriptor, metaclass or __getattr__ raises
        return None


def same_artifact(one: object, other: object) -> bool:
    """Whether both are one object, or have one identity.

    Two equal mutable JSON values of one process are not the same: who holds one does not see the other
    change.
    """
    if one is other:
        return True
    if type(one) is not type(other) or isinstance(one, dict | list):
        return False
    for attribute in ("__module__", "__qualname__"):
        if getattr(one, attribute, None) != getattr(other, attribute, None):
            return False
    identity = identity_of(one)
    return identity is not None and identity == identity_of(other)


def _may_have_identity(artifact: Any) -> bool:
    if isinstance(artifact, types.BuiltinFunctionType | types.MethodType):
        # math.sin and Model.make are functions, "text".join and model.fit belong to an instance.
        return artifact.__self__ is None or isinstance(artifact.__self__, type | types.ModuleType)
    return isinstance(artifact, type) or type(artifact) in ARTIFACTS or is_json(artifact)


def _home_of(artifact: Any) -> str:
    """The module whose functions and classes count with their content."""
    while isinstance(artifact, functools.partial):
        artifact = artifact.func
    module = getattr(artifact, "__module__", None)
    return module if isinstance(module, str) else ""
