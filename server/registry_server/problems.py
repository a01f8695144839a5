"""Errors as RFC 9457 problem documents: the one place that writes them.

Handlers raise the exceptions of `registry.errors` and of the storage, or a `Problem`; the operation stage
turns whatever comes into an answer here. A problem never holds a value's bytes, a token or a traceback.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from registry.errors import (
    CoercionError,
    EnvelopeTooLargeError,
    MalformedEnvelopeError,
    NamespaceError,
    ValidationError,
)
from registry.names import check_key, check_namespace
from registry_server.storage.base import OutcomeUnknownError, StorageFullError, StorageUnavailableError

log = logging.getLogger(__name__)

CONTENT_TYPE = b"application/problem+json"

TITLES = {413: "Content Too Large", 421: "Misdirected Request", 422: "Unprocessable Content"}
"""RFC 9110's phrases where Python 3.11's `http.HTTPStatus` has older ones."""


class Problem(Exception):
    """An error answer.

    Attributes:
        status: HTTP status code, 400 to 599.
        code: stable name from the table in ``openapi.yaml``.
        detail: one sentence for people.
        headers: header fields to send along, names in lower case.
        members: further members of the document (``suggestions``, ``context``, ``cursor``, ``current``).
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        suggestions: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.members = members
        if suggestions:
            members["suggestions"] = list(suggestions)
        if context:
            members["context"] = dict(context)

    def document(self) -> bytes:
        """The problem document as JSON text."""
        title = TITLES.get(self.status) or HTTPStatus(self.status).phrase
        head = {
            "type": f"/problems/{self.code}",
            "title": title,
            "status": self.status,
            "detail": self.detail,
        }
        return orjson.dumps({**head, "code": self.code, **self.members}, default=str)


STATUS_OF: Mapping[type[ValidationError], int] = {
    NamespaceError: 422,
    CoercionError: 422,
    MalformedEnvelopeError: 422,
    EnvelopeTooLargeError: 413,
}


def problem_of(error: Exception) -> Problem:
    """The problem that an exception of a handler is; what nobody foresaw is logged and says nothing."""
    if isinstance(error, Problem):
        return error
    status = STATUS_OF.get(type(error))  # type: ignore[arg-type]
    if status is not None and isinstance(error, ValidationError):
        return Problem(
            status, error.code, error.message, suggestions=error.suggestions, context=error.context
        )
    if isinstance(error, StorageFullError):
        return Problem(507, "storage_full", str(error))
    if isinstance(error, OutcomeUnknownError):
        return Problem(
            503, "outcome_unknown", str(error), suggestions=["read the entry before writing it again"]
        )
    if isinstance(error, StorageUnavailableError):
        return Problem(503, "storage_unavailable", str(error), headers=((b"retry-after", b"1"),))
    log.error("a handler failed", exc_info=error)
    return Problem(500, "server_fault", "The server failed; its log says why")


EXPLAINERS: Mapping[str, Callable[[object], object]] = {
    "invalid_namespace": check_namespace,
    "invalid_key": check_key,
}
"""Kernel checks whose errors say more than a schema's, by the ``x-problem-code`` of the spec."""


def misfit(code: str, name: str, value: object, reason: str) -> Exception:
    """The error for a parameter ``name`` that does not fit its schema."""
    explain = EXPLAINERS.get(code)
    if explain is not None:
        try:
            explain(value)
        except ValidationError as error:
            return error
    return Problem(422, code, f"{name}: {reason}", context={"parameter": name})
