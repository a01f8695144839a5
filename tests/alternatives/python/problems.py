"""Errors as they travel: problem documents (RFC 9457) with a stable code."""

from http import HTTPStatus
from typing import Any


class Problem(Exception):
    """Ends a request; ``extra`` are further members of its document: cursor, current, and so on."""

    def __init__(self, status: int, code: str, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.extra = status, code, detail, extra
        self.headers: dict[str, str] = {}

    def document(self) -> dict[str, Any]:
        return {
            "type": f"/problems/{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **{name: value for name, value in self.extra.items() if value is not None},
        }


def malformed(code: str, pointer: str, why: str) -> Problem:
    """A part of a body that does not have its form; ``pointer`` says which (RFC 6901)."""
    return Problem(422, code, f"{pointer or 'the body'}: {why}", context={"pointer": pointer})
