"""Names that should not be used any more: said once by whoever looks one up, and in every listing.

What is said travels in the ``meta`` of the envelope as ``deprecated``, a JSON object with any of ``removal``
(a date, RFC 3339), ``alternative`` (a name) and ``reason``. It is part of what is signed.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from registry.errors import CoercionError

if TYPE_CHECKING:
    from datetime import date

    from registry.envelope.codec import EnvelopeCodec
    from registry.envelope.form import Envelope

T = TypeVar("T")

META_NAME: Final = "deprecated"
MAX_TEXT: Final = 300
"""Longer texts are cut: a warning is a line or two."""

_ATTRIBUTE = "__registry_deprecated__"
_warned: set[tuple[str, Any]] = set()
"""Places and names this process has been told of; of the process, not of a registry: once is once."""


class Deprecation(NamedTuple):
    """What is said against a name.

    Attributes:
        removal: the date on which it will be removed, ``2027-06-01``; or empty.
        alternative: the name to use instead; or empty.
        reason: why, in a sentence; or empty.
    """

    removal: str = ""
    alternative: str = ""
    reason: str = ""

    @classmethod
    def checked(cls, removal: date | str | None, alternative: str | None, reason: str | None) -> Deprecation:
        """A deprecation as a user says it.

        Raises:
            CoercionError: ``removal`` is no date, or a text is none or too long.
        """
        for name, text in (("alternative", alternative), ("reason", reason)):
            if text is not None and not (isinstance(text, str) and len(text) <= MAX_TEXT):
                raise CoercionError(f"{name} is a text of at most {MAX_TEXT} characters")
        return cls(_date(removal), alternative or "", reason or "")

    @classmethod
    def of_meta(cls, meta: Mapping[str, str] | None) -> Deprecation | None:
        """What the ``meta`` of an envelope says; None where it says nothing.

        Others wrote it: what has not the form counts as a deprecation that says nothing more, and no
        character of it commands a terminal.
        """
        text = (meta or {}).get(META_NAME)
        if text is None:
            return None
        from registry.envelope.form import parse_json
        from registry.errors import MalformedEnvelopeError

        try:
            said = parse_json(text)
        except MalformedEnvelopeError:
            said = None
        said = said if isinstance(said, dict) else {}
        return cls(*(_plain(said.get(field)) for field in cls._fields))

    def to_meta(self) -> dict[str, str]:
        """The member of ``meta`` that says this."""
        import json

        said = {name: text for name, text in self._asdict().items() if text}
        return {META_NAME: json.dumps(said, ensure_ascii=False)}

    def __str__(self) -> str:
        """``deprecated, to be removed on 2027-06-01: use 'huber' (too sensitive to outliers)``."""
        removal = f", to be removed on {self.removal}" if self.removal else ""
        alternative = f": use {self.alternative!r}" if self.alternative else ""
        reason = f" ({self.reason})" if self.reason else ""
        return f"deprecated{removal}{alternative}{reason}"


def deprecated(
    *, removal: date | str | None = None, alternative: str | None = None, reason: str | None = None
) -> Callable[[T], T]:
    """Mark a function or class as deprecated where it is defined; registering it says so to its readers.

    Put it under the decorator that registers. The artifact itself stays what it is: calling it warns nobody.
    `warnings.deprecated` (PEP 702) is understood too; its text is the reason.

    Raises:
        CoercionError: ``removal`` is no date, or what is decorated takes no attribute.
    """
    said = Deprecation.checked(removal, alternative, reason)

    def mark(artifact: T) -> T:
        try:
            setattr(artifact, _ATTRIBUTE, said._asdict())
        except (AttributeError, TypeError):
            raise CoercionError(
                f"A {type(artifact).__name__} cannot be marked as deprecated",
                suggestions=["deprecate its name: Losses.deprecate('name', ...)"],
            ) from None
        return artifact

    return mark


def deprecation_of(artifact: object) -> Deprecation | None:
    """What an artifact says against itself: by `deprecated`, or as PEP 702 has it. Bases do not count."""
    own = getattr(artifact, "__dict__", None)
    if not own:
        return None
    said = own.get(_ATTRIBUTE)
    if isinstance(said, dict):
        return Deprecation(**said)
    reason = own.get("__deprecated__")
    return Deprecation(reason=_plain(reason)) if isinstance(reason, str) else None


def warn_once(place: str, name: Any, deprecation: Deprecation) -> None:
    """Warn that ``name`` is deprecated, at the line that looked it up; once in this process."""
    if (place, name) in _warned:
        return
    _warned.add((place, name))
    warnings.warn(f"{name!r} in {place} is {deprecation}", DeprecationWarning, stacklevel=_depth_outside())


def _depth_outside() -> int:
    """How many frames above our caller's the first one outside this package is."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "registry":
        depth, frame = depth + 1, frame.f_back
    return depth


def amended(
    codec: EnvelopeCodec, envelope: Envelope, deprecation: Deprecation | None, *, namespace: str, key: str
) -> Envelope:
    """``envelope`` with this deprecation, or none, in its ``meta``, signed again if it was signed.

    Raises:
        SignatureError: no key held here has signed it, so it is not vouched for again.
    """
    rest = {name: text for name, text in (envelope.meta or {}).items() if name != META_NAME}
    meta = {**rest, **(deprecation.to_meta() if deprecation is not None else {})}
    changed = envelope._replace(meta=meta or None)
    if envelope.signature is None or changed.meta == envelope.meta:
        return changed
    codec.resign(envelope, namespace=namespace, key=key)  # raises unless a key of ours has signed it
    keyring = codec.policy.keyring()
    assert keyring is not None, "it has just verified"
    return keyring.sign(changed, namespace=namespace, key=key)


def _date(removal: date | str | None) -> str:
    from datetime import date

    if removal is None or removal == "":
        return ""
    try:
        return (removal if isinstance(removal, date) else date.fromisoformat(removal)).isoformat()[:10]
    except (ValueError, TypeError):
        raise CoercionError(
            f"removal is a date, not {removal!r}",
            suggestions=["'2027-06-01'"],
            context={"removal": str(removal)[:MAX_TEXT]},
        ) from None


def _plain(text: object) -> str:
    if not isinstance(text, str):
        return ""
    cut = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
    return "".join(c if c.isprintable() else " " for c in cut)
