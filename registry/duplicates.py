"""When a name is taken: which registrations are redefinitions, and what is said of the others."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from registry import settings
from registry.errors import DuplicateKeyError, ValidationError
from registry.origin import JSON_VALUE, Origin
from registry.storage.base import Claim
from registry.text import visible


class Own(NamedTuple):
    """What this process itself stored under a key: only that may be redefined."""

    version: Any
    module: str | None
    qualname: str | None

    @classmethod
    def of(cls, version: Any, artifact: object) -> Own:
        """What is remembered of ``artifact``, stored as ``version``."""
        return cls(version, getattr(artifact, "__module__", None), getattr(artifact, "__qualname__", None))


def is_redefinition(own: Own | None, artifact: object, claim: Claim) -> bool:
    """Whether this process itself put there what stands there, under the same module and name.

    A notebook cell run again, or a reloaded module; a conditional replace then makes sure that nobody else
    came in between.
    """
    if own is None or not _is_version(own.version, claim.version):
        return False
    offered = Own.of(own.version, artifact)
    return offered == own and _names_one_thing(own.module, own.qualname)


def _is_version(own: Any, current: Any) -> bool:
    """Versions are etags of a server, or the stored objects themselves."""
    return own is current or (isinstance(own, str) and own == current)


def _names_one_thing(module: str | None, qualname: str | None) -> bool:
    """Whether a second definition under this name is meant to take the place of the first one.

    ``<lambda>`` and what a function makes share their names with others, except where somebody types them.
    """
    if qualname is None:
        return False
    return "<" not in qualname or (module == "__main__" and not hasattr(sys.modules[module], "__file__"))


def checked_policy(policy: str) -> str:
    """``policy`` itself, if it is one of `settings.DUPLICATE_POLICIES`.

    Raises:
        ValidationError: it is not.
    """
    if policy not in settings.DUPLICATE_POLICIES:
        raise ValidationError(
            f"on_duplicate is {policy!r}",
            suggestions=list(settings.DUPLICATE_POLICIES),
            context={"given": policy},
        )
    return policy


def taken(registry: str, shown: str, key: Any, offered: str, owner: str) -> DuplicateKeyError:
    """The error for a name that another artifact has.

    Args:
        registry: the registry's name.
        shown: the registry and where it keeps its artifacts.
        key: the name.
        offered: where what was offered is defined.
        owner: where what stands there was defined.
    """
    other_name = "pick another name for one of them"
    why = ""
    if offered == owner != JSON_VALUE:
        why = ", where its code or a value it uses has changed since"
    elif script := _run_and_imported(Origin.parse(owner), Origin.parse(offered)):
        why = f": {script}, run as a script and imported, is two modules"
        other_name = "register in a module that the script imports: it has one name in each process"
    return DuplicateKeyError(
        f"{shown} already has {key!r}, registered from {visible(owner)}; offered now from {offered}{why}",
        suggestions=[
            other_name,
            f"replace it: {registry}.update_artifact({key!r}, ...) or on_duplicate='replace'",
        ],
        context={"key": key, "owner": owner, "offered": offered, "registry": registry},
    )


def _run_and_imported(one: Origin, other: Origin) -> str | None:
    """The name of the file, where two origins are one definition in it: as a script's, and as a module's.

    They stay two artifacts: by value and by reference, and no reader could know that they are one.
    """
    if one.module not in _SCRIPTS:
        one, other = other, one
    file = _name_of_file(other)
    imported = other.module.rpartition(".")[2] + ".py"
    is_one = one.module in _SCRIPTS and one.qualname == other.qualname
    return file if is_one and file == _name_of_file(one) == imported else None


_SCRIPTS = ("__main__", "__mp_main__")


def _name_of_file(origin: Origin) -> str:
    return origin.file.replace("\\", "/").rpartition("/")[2]
