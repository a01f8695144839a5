"""Every exception this library raises.

The tree, with the builtin each class also is::

    ValidationError (Exception)
    ├── CoercionError (TypeError)                not a key, or not an artifact of this kind
    ├── NamespaceError (ValueError)              not a namespace
    ├── ConformanceError (TypeError)             a signature does not conform
    ├── InheritanceError (TypeError)             a class does not inherit the base
    ├── RegistryError (KeyError)                 no such key
    │   └── DuplicateKeyError                    the key is taken by another artifact
    ├── ArtifactLoadError (ImportError)          what a lazy name stands for cannot be imported
    ├── AliasError (LookupError)                 a shared alias leads to no artifact, or is none
    ├── LockFileError (ValueError)               not a lock file, or an entry of it was changed
    ├── ExportFileError (ValueError)             not an export, or a line of it is damaged
    ├── FrozenError (PermissionError)            a write to a registry that is read from a lock file
    ├── SerializationError (ValueError)          cannot be encoded or decoded
    │   ├── MalformedEnvelopeError               not an envelope
    │   ├── EnvelopeTooLargeError                larger than a limit allows
    │   └── UntrustedError                       refused before a byte was decoded
    │       ├── SignatureError
    │       │   ├── SignatureMissingError        not signed
    │       │   ├── SignatureInvalidError        signed with a known key, wrongly
    │       │   └── UnknownSigningKeyError       signed with a key this keyring lacks
    │       ├── ReferenceNotAllowedError         names an object this reader may not import
    │       └── PythonVersionMismatchError       pickled by value under another Python
    └── RemoteError                              a server gave no usable answer
        ├── ServerUnreachableError (ConnectionError)
        ├── ServerTimeoutError (TimeoutError)
        ├── PermissionDeniedError (PermissionError)
        ├── PreconditionFailedError              the entry is not as the write expected
        ├── LimitExceededError                   a published limit would be passed
        ├── OutcomeUnknownError                  the connection died while a write was under way
        └── ServerFaultError                     a 5xx, or an answer outside the contract

`UntrustedError` and `RemoteError` are never swallowed by a default value, by ``in`` or by ``len``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from registry.text import visible


class ValidationError(Exception):
    """Root of the tree: what was asked cannot be done, and why.

    Attributes:
        message: one sentence: what was asked, what was found.
        suggestions: next steps or near names, best first.
        context: data about the failure; never the bytes of a value, never a secret.
        code: stable name of the kind of error, shared with the problem documents of the HTTP protocol.
    """

    code: ClassVar[str] = "validation_error"

    message: str
    suggestions: list[str]
    context: dict[str, Any]

    def __init__(
        self,
        message: str,
        suggestions: Iterable[str] = (),
        context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.suggestions = list(suggestions)
        self.context = dict(context or {})

    def __str__(self) -> str:
        """For people: each part on one line, without anything that a terminal would obey."""
        lines = [visible(self.message)]
        lines += [f"  suggestion: {visible(suggestion)}" for suggestion in self.suggestions]
        lines += [f"  {visible(name)}: {visible(str(value))}" for name, value in self.context.items()]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # The builtins mixed in below (KeyError, OSError) rebuild themselves from ``args`` alone,
        # which would lose suggestions and context on the way out of a worker process.
        return type(self), (self.message, self.suggestions, self.context), self.__dict__.copy()


class CoercionError(ValidationError, TypeError):
    """A value is not a key, or not an artifact of the kind this registry holds."""

    code = "invalid_key"


class NamespaceError(ValidationError, ValueError):
    """A text is not a namespace."""

    code = "invalid_namespace"


class ConformanceError(ValidationError, TypeError):
    """A callable's signature does not conform to what the registry declares."""

    code = "signature_mismatch"


class InheritanceError(ValidationError, TypeError):
    """A class does not inherit from what the registry declares."""

    code = "not_a_subclass"


class RegistryError(ValidationError, KeyError):
    """No artifact has this name."""

    code = "key_not_found"


class DuplicateKeyError(RegistryError):
    """The key is taken by a different artifact."""

    code = "key_taken"


class ArtifactLoadError(ValidationError, ImportError):
    """What a name stands for cannot be imported, or may not be held by the registry.

    The message names what was to be imported and why it failed; the cause is chained. Other names are not
    affected, no default hides it, and the next look-up tries again.
    """

    code = "cannot_load"


class AliasError(ValidationError, LookupError):
    """A shared alias leads to another alias, or is not what an alias is; or there is no alias.

    An alias of a name that is missing is a `RegistryError`, as the name itself would be.
    """

    code = "bad_alias"


class LockFileError(ValidationError, ValueError):
    """A lock file cannot be read, is none, or an entry of it is not what was frozen.

    Where it is an entry, ``context`` has its ``namespace`` and ``key``; other entries are not affected.
    """

    code = "bad_lock_file"


class ExportFileError(ValidationError, ValueError):
    """An export cannot be read or written, is none, or a line of it is not what was exported.

    ``context`` has its ``path`` and, where it is one, the ``line``, counted from 1.
    """

    code = "bad_export_file"


class FrozenError(ValidationError, PermissionError):
    """A registry that is read from a lock file was to be changed, or something else registered in it."""

    code = "frozen"


class SerializationError(ValidationError, ValueError):
    """A value cannot be encoded, or an envelope cannot be decoded."""

    code = "not_serializable"


class MalformedEnvelopeError(SerializationError):
    """What should be an envelope is not one."""

    code = "malformed_envelope"


class EnvelopeTooLargeError(SerializationError):
    """An envelope is larger than a published limit."""

    code = "value_too_large"


class UntrustedError(SerializationError):
    """An envelope was refused before a byte of it was decoded."""

    code = "untrusted"


class SignatureError(UntrustedError):
    """An envelope's signature does not let this reader decode it."""

    code = "signature_error"


class SignatureMissingError(SignatureError):
    """The envelope must be signed to be decoded, and is not."""

    code = "signature_missing"


class SignatureInvalidError(SignatureError):
    """The envelope names a key this keyring holds, and the signature is not that key's."""

    code = "signature_invalid"


class UnknownSigningKeyError(SignatureError):
    """The envelope is signed with a key this keyring does not hold."""

    code = "unknown_signing_key"


class ReferenceNotAllowedError(UntrustedError):
    """The envelope names an object that this reader may not, or cannot, import."""

    code = "reference_not_allowed"


class PythonVersionMismatchError(UntrustedError):
    """The value was pickled by value under another Python; loading it could crash this process."""

    code = "python_version_mismatch"


class RemoteError(ValidationError):
    """A registry server gave no usable answer."""

    code = "remote_error"


class ServerUnreachableError(RemoteError, ConnectionError):
    """No connection to the server could be made.

    A server that has answered this process before was waited for, until the call's timeout.
    """

    code = "server_unreachable"


class ServerTimeoutError(RemoteError, TimeoutError):
    """The server did not answer within the timeout.

    Of writes only conditional ones raise it (others `OutcomeUnknownError`): one may have been done, and doing
    it again is safe.
    """

    code = "server_timeout"


class PermissionDeniedError(RemoteError, PermissionError):
    """The server asks for a token, or for one with more scope (401, 403)."""

    code = "permission_denied"


class PreconditionFailedError(RemoteError):
    """The entry is not as the conditional write expected it; nothing was written.

    ``context["current"]`` is ``{"revision", "etag", "digest", "meta"}`` of the entry as it is,
    or ``None`` where there is none.
    """

    code = "precondition_failed"


class LimitExceededError(RemoteError):
    """A limit that the server publishes in ``/capabilities`` would be passed."""

    code = "limit_exceeded"


class OutcomeUnknownError(RemoteError):
    """The connection died while an unconditional write was under way, or the server's storage did.

    It may or may not have happened. Read the entry before writing again, or write conditionally:
    conditional writes are retried safely.
    """

    code = "outcome_unknown"


class ServerFaultError(RemoteError):
    """The server failed (5xx), or answered outside the contract of ``openapi.yaml``."""

    code = "server_fault"
