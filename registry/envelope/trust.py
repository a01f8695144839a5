"""Who may have code run here: levels, policies, and the one gate before every decoder.

========== ==============================================================================================
level      decodes
========== ==============================================================================================
``json``   JSON
``refs``   also references, signed or not, into trusted modules and the home package
``signed`` JSON; references with a valid signature, whatever module; values with a valid signature, pickled
           under this Python; unsigned references into trusted modules
``unsafe`` anything but what is signed wrongly
========== ==============================================================================================

A signature that a held key did not make is refused at every level, ``unsafe`` and JSON too: somebody changed
the value, and no level asks for that. A signature by a key that is not held counts as none.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final, NamedTuple

from registry.envelope import by_value, form, keyfile, signing
from registry.envelope import reference as references
from registry.envelope.reference import Reference
from registry.envelope.signing import Keyring
from registry.errors import (
    MalformedEnvelopeError,
    SignatureMissingError,
    UnknownSigningKeyError,
    UntrustedError,
    ValidationError,
)


class UnsafeTrustWarning(UserWarning):
    """A registry decodes whatever its server sends, which may be anybody's code."""


class Trust(Enum):
    """What a registry or storage decodes; the module's docstring has the table."""

    JSON = "json"
    REFS = "refs"
    SIGNED = "signed"
    UNSAFE = "unsafe"


class Decoder(Enum):
    """What the gate lets run."""

    JSON = "json"
    REFERENCE = "reference"
    BY_VALUE = "by value"


class Admission(NamedTuple):
    """The gate's decision about one envelope.

    Attributes:
        decoder: the one decoder that may run.
        reference: for `Decoder.REFERENCE`, what it names.
        check_own_name: whether the resolved object must call itself by that name.
        raw: for `Decoder.BY_VALUE`, the pickle.
    """

    decoder: Decoder
    reference: Reference | None = None
    check_own_name: bool = False
    raw: bytes = b""


KeyringSource = Callable[[], Keyring | None]


class TrustPolicy:
    """What one registry decodes, whose keys it knows, and what it signs with.

    Args:
        level: a `Trust` or its text. ``unsafe`` only ever comes from code, never from the environment;
            it warns with `UnsafeTrustWarning` where it is used.
        trusted_modules: packages and modules, with all that lies in them, into which unsigned references
            are followed.
        home_package: the top-level package of the module that defines the registry; trusted at ``refs``.
        keyring: a keyring, or where to get the current one. The user's own (`keyfile.load_keyring`)
            unless given.

    Raises:
        ValidationError: no such level, or a trusted module that no reference may name.
    """

    __slots__ = ("_keyring_source", "home_package", "level", "trusted_modules")

    level: Final[Trust]
    trusted_modules: Final[tuple[str, ...]]
    home_package: Final[str | None]

    def __init__(
        self,
        level: Trust | str = Trust.SIGNED,
        *,
        trusted_modules: Iterable[str] = (),
        home_package: str | None = None,
        keyring: Keyring | KeyringSource = keyfile.load_keyring,
    ) -> None:
        self.level = _level(level)
        self.trusted_modules = _checked_modules(trusted_modules)
        self.home_package = home_package
        self._keyring_source = keyring
        if self.level is Trust.UNSAFE:
            _warn_about_unsafe()

    def keyring(self) -> Keyring | None:
        """The current keyring, or ``None`` where there is none and none can be made."""
        source = self._keyring_source
        return source if isinstance(source, Keyring) else source()

    def effective_level(self) -> Trust:
        """The level; ``refs`` in place of ``signed`` where there is no keyring to check a signature with."""
        if self.level is Trust.SIGNED and self.keyring() is None:
            return Trust.REFS
        return self.level

    def __repr__(self) -> str:
        return f"TrustPolicy({self.level.value!r}, trusted_modules={self.trusted_modules!r})"


def _level(level: Trust | str) -> Trust:
    try:
        return Trust(level)
    except ValueError:
        levels = [known.value for known in Trust]
        raise ValidationError(
            f"trust is one of {', '.join(levels)}, not {level!r}",
            suggestions=levels,
            context={"trust": level},
        ) from None


def _checked_modules(modules: Iterable[str]) -> tuple[str, ...]:
    if isinstance(modules, str):
        raise ValidationError(
            f"trusted_modules is a collection of names, not the text {modules!r}",
            suggestions=[f"trusted_modules=({modules!r},)"],
        )
    checked = tuple(modules)
    for module in checked:
        if module.partition(".")[0] in references.NEVER:
            raise ValidationError(
                f"{module!r} cannot be trusted: it starts processes, imports or evaluates",
                suggestions=["trust the module of your own that uses it"],
                context={"module": module},
            )
    return checked


def _warn_about_unsafe() -> None:
    """Warn at the line outside this package that asked for it; Python shows each such line once."""
    depth, frame = 1, sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "registry":
        depth, frame = depth + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(
        "trust='unsafe': whoever can write to the server, or answer in its place, runs code in this process",
        UnsafeTrustWarning,
        stacklevel=depth,
    )


# --- the gate ----------------------------------------------------------------------------------------------


def admit(envelope: form.Envelope, policy: TrustPolicy, *, namespace: str, key: str) -> Admission:
    """Decide which decoder may run on an envelope that was found under this name. None has run yet.

    Raises:
        MalformedEnvelopeError: it has not the form of an envelope.
        EnvelopeTooLargeError: it is larger than any value may be.
        SignatureError: its signature is wrong, or the level asks for one that is missing or unknown.
        ReferenceNotAllowedError: it names an object that the level does not reach.
        PythonVersionMismatchError: it was pickled by value under another Python.
        UntrustedError: the level does not decode this type at all.
    """
    form.check_fields(envelope)
    if envelope.type == "json" and envelope.signature is None:
        return _PLAIN_JSON
    unsigned = _why_unsigned(envelope, policy, namespace, key)
    if envelope.type == "json":
        return _PLAIN_JSON
    if policy.level is Trust.UNSAFE or (policy.level is Trust.SIGNED and unsigned is None):
        return _admit_any(envelope, unsigned=unsigned is not None)
    if policy.level is Trust.JSON:
        raise _level_too_low(policy, namespace, key, "only JSON")
    return _admit_trusted_reference(envelope, policy, unsigned, namespace, key)


_PLAIN_JSON: Final = Admission(Decoder.JSON)

_NoValidSignature = SignatureMissingError | UnknownSigningKeyError


def _why_unsigned(
    envelope: form.Envelope, policy: TrustPolicy, namespace: str, key: str
) -> _NoValidSignature | None:
    """``None`` if a held key signed the envelope for this name, else the error where that is needed.

    Raises:
        SignatureInvalidError: it names a held key that did not sign this.
    """
    if envelope.signature is None:
        return signing.signature_missing(namespace, key)
    keyring = policy.keyring()
    if keyring is None:
        return signing.unknown_key(envelope.signature, namespace, key, keyfile.why_no_keyring())
    try:
        keyring.verify(envelope, namespace=namespace, key=key)
    except UnknownSigningKeyError as unknown:
        return unknown
    return None


def _admit_any(envelope: form.Envelope, *, unsigned: bool) -> Admission:
    """Let a pickle through whose writer is trusted. Its signed ``meta`` says which decoder it is for."""
    meta = envelope.meta or {}
    codec, tag = meta.get("codec"), meta.get("python")
    if codec != "cloudpickle":
        reference = _read_reference(envelope.data)
        if reference is not None:
            return Admission(Decoder.REFERENCE, reference)
        if codec == "reference":
            raise MalformedEnvelopeError(
                "An envelope that says it is a reference is none", context={"field": "data"}
            )
    if tag is not None or not unsigned:
        by_value.check_python(tag)
    return Admission(Decoder.BY_VALUE, raw=form.decode_base64(envelope.data))


def _admit_trusted_reference(
    envelope: form.Envelope,
    policy: TrustPolicy,
    unsigned: _NoValidSignature | None,
    namespace: str,
    key: str,
) -> Admission:
    """Let a reference into a trusted module through, whoever wrote it, and nothing else."""
    level = policy.effective_level()
    home = (policy.home_package,) if policy.home_package and level is Trust.REFS else ()
    packages = policy.trusted_modules + home
    # What cannot be allowed is not looked at.
    reference = _read_reference(envelope.data) if packages else None
    if reference is not None and references.is_within(reference.module, packages):
        if not references.is_plain_name(reference):
            raise references.not_allowed(reference, "is not the plain name of an importable object")
        return Admission(Decoder.REFERENCE, reference, check_own_name=True)
    if policy.level is Trust.SIGNED and unsigned is not None:
        if level is Trust.REFS:
            unsigned.suggestions.insert(0, keyfile.why_no_keyring())
        raise unsigned
    if reference is not None:
        raise references.not_allowed(
            reference,
            "is not in a trusted module",
            f"trusted_modules=({reference.module.partition('.')[0]!r},)",
        )
    raise _level_too_low(policy, namespace, key, "only JSON and references into trusted modules")


_MAX_REFERENCE_TEXT = -(-references.MAX_REFERENCE_BYTES // 3) * 4


def _read_reference(data: str) -> Reference | None:
    """The reference that ``data`` spells; a long text is not even decoded."""
    if len(data) > _MAX_REFERENCE_TEXT:
        return None
    return references.read(form.decode_base64(data))


def _level_too_low(policy: TrustPolicy, namespace: str, key: str, decoded: str) -> UntrustedError:
    return UntrustedError(
        f"{key!r} in {namespace} was not decoded: trust={policy.level.value!r} decodes {decoded}",
        suggestions=["trust='signed' also decodes what your own keys have signed"],
        context={"namespace": namespace, "key": key, "trust": policy.level.value},
    )
