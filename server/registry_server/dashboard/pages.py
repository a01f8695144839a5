"""The pages themselves. They show what a namespace holds from envelopes alone and never decode a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from registry_server.storage.base import StorageBackend, StorageError

Run = Callable[[Any], Any]

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def create_pages(backend: StorageBackend, run: Run) -> Flask:
    """The Flask application; ``run`` takes a coroutine of the storage to its loop and waits for it."""
    app = Flask(__name__)

    @app.get("/")
    def overview() -> str:
        totals = run(backend.totals(largest=100))
        return render_template("overview.html", totals=totals, location=backend.location, epoch=backend.epoch)

    @app.errorhandler(HTTPException)
    def not_a_page(error: HTTPException) -> tuple[Response | str, int]:
        status = error.code or 500
        code = "not_found" if status == 404 else "invalid_request" if status < 500 else "server_fault"
        return _problem_or_page(status, code, error.description or error.name)

    @app.errorhandler(StorageError)
    def no_storage(error: StorageError) -> tuple[Response | str, int]:
        return _problem_or_page(503, "storage_unavailable", str(error))

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.extend(_PAGE_HEADERS)
        return response

    return app


def _problem_or_page(status: int, code: str, detail: str) -> tuple[Response | str, int]:
    """A page for who asks for HTML, a problem document (RFC 9457) for every program."""
    if request.accept_mimetypes.best == "text/html" or "text/html" in request.headers.get("Accept", ""):
        return render_template("problem.html", status=status, detail=detail), status
    title = {404: "Not Found", 503: "Service Unavailable"}.get(status, "Error")
    answer = jsonify(type=f"/problems/{code}", title=title, status=status, detail=detail, code=code)
    answer.content_type = "application/problem+json"
    return answer, status
