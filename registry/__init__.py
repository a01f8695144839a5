"""Name your functions, classes and configs once, and use them from every process.

    from registry import FunctionalRegistry

    class Losses(FunctionalRegistry, logic_namespace="research.losses"):
        pass

    @Losses.register_artifact
    def mse(y_true, y_pred):
        return ((y_true - y_pred) ** 2).mean()

Without ``logic_namespace`` a registry is local to its process. Importing this package loads no HTTP.
"""

from typing import TYPE_CHECKING, Any

from registry.discovery import BrokenArtifactWarning
from registry.errors import (
    AliasError,
    ArtifactLoadError,
    CoercionError,
    ConformanceError,
    DuplicateKeyError,
    EnvelopeTooLargeError,
    ExportFileError,
    FrozenError,
    InheritanceError,
    LimitExceededError,
    LockFileError,
    MalformedEnvelopeError,
    NamespaceError,
    OutcomeUnknownError,
    PermissionDeniedError,
    PreconditionFailedError,
    PythonVersionMismatchError,
    ReferenceNotAllowedError,
    RegistryError,
    RemoteError,
    SerializationError,
    ServerFaultError,
    ServerTimeoutError,
    ServerUnreachableError,
    SignatureError,
    SignatureInvalidError,
    SignatureMissingError,
    UnknownSigningKeyError,
    UntrustedError,
    ValidationError,
)
from registry.factory.overrides import parse_overrides
from registry.functional import FunctionalRegistry
from registry.scheme import SchemeRegistry
from registry.storage import Storage, ThreadSafeLocalStorage
from registry.type import TypeRegistry
from registry.versions import deprecated

if TYPE_CHECKING:
    from registry.storage.remote import RemoteStorageProxy

__all__ = [
    "AliasError",
    "ArtifactLoadError",
    "BrokenArtifactWarning",
    "CoercionError",
    "ConformanceError",
    "DuplicateKeyError",
    "EnvelopeTooLargeError",
    "ExportFileError",
    "FrozenError",
    "FunctionalRegistry",
    "InheritanceError",
    "LimitExceededError",
    "LockFileError",
    "MalformedEnvelopeError",
    "NamespaceError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "PythonVersionMismatchError",
    "ReferenceNotAllowedError",
    "RegistryError",
    "RemoteError",
    "RemoteStorageProxy",
    "SchemeRegistry",
    "SerializationError",
    "ServerFaultError",
    "ServerTimeoutError",
    "ServerUnreachableError",
    "SignatureError",
    "SignatureInvalidError",
    "SignatureMissingError",
    "Storage",
    "ThreadSafeLocalStorage",
    "TypeRegistry",
    "UnknownSigningKeyError",
    "UntrustedError",
    "ValidationError",
    "deprecated",
    "parse_overrides",
]


def __getattr__(name: str) -> Any:
    if name == "RemoteStorageProxy":
        from registry.storage.remote import RemoteStorageProxy

        return RemoteStorageProxy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
