"""The pages themselves. They show what a namespace holds from envelopes alone and never decode a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, abort, jsonify, make_response, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from registry.errors import CoercionError, NamespaceError
from registry.names import check_key, check_namespace
from registry_server.access.guard import OPEN, Guard
from registry_server.access.pages import reader_of
from registry_server.access.visible import VisibleStorage
from registry_server.dashboard.facts import EntryFacts, facts_of, problem_codes, visible
from registry_server.dashboard.finding import find_keys
from registry_server.dashboard.login import add_login
from registry_server.problems import Problem
from registry_server.storage.base import StorageBackend, StorageError

Run = Callable[[Any], Any]

PAGE_ENTRIES = 50
PAGE_NAMESPACES = 200
PAGE_BYTES = 4 * 1024 * 1024
LAST_REVISION = 2**63 - 1

_CODES = {404: "not_found", 405: "method_not_allowed"}


def create_pages(backend: StorageBackend, run: Run, guard: Guard) -> Flask:
    """The Flask application; ``run`` takes a coroutine of the storage to its loop and waits for it."""
    app = Flask(__name__)
    app.url_map.merge_slashes = False  # else `//` is redirected, to the scheme behind the proxy
    add_login(app, guard)

    def visible_storage() -> VisibleStorage:
        """The storage as the reader of this page may see it."""
        return VisibleStorage(backend, reader_of(request.environ) or OPEN)

    @app.context_processor
    def reader() -> dict[str, Any]:
        access = reader_of(request.environ)
        return {"reader": access.token if access else None}

    app.jinja_env.filters |= {"number": "{:,}".format, "visible": visible, "sentence": _sentence}

    @app.get("/")
    def overview() -> str:
        totals = run(visible_storage().totals(largest=PAGE_NAMESPACES))
        return render_template("overview.html", totals=totals, location=backend.location, epoch=backend.epoch)

    @app.get("/browse/<namespace>")
    def browse(namespace: str) -> str:
        _known_namespace(namespace)
        prefix = request.args.get("prefix", "")[:1_024]
        after = min(max(request.args.get("after", 0, type=int), 0), LAST_REVISION)
        storage = visible_storage()
        page = run(
            storage.page(namespace, prefix=prefix, after=after, limit=PAGE_ENTRIES, max_bytes=PAGE_BYTES)
        )
        count, _ = run(storage.count(namespace))
        entries = [facts_of(entry) for entry in page.entries]
        last = page.entries[-1].created if page.more else None
        return render_template(
            "namespace.html", namespace=namespace, count=count, prefix=prefix, entries=entries, last=last
        )

    @app.get("/browse/<namespace>/entry")
    def entry(namespace: str) -> str:
        _known_namespace(namespace)
        facts = _facts(namespace, request.args.get("key", ""))
        return render_template("entry.html", namespace=namespace, entry=facts)

    def _facts(namespace: str, key: str) -> EntryFacts:
        try:
            found, _ = run(visible_storage().get(namespace, check_key(key)))
        except CoercionError:
            found = None
        if found is None:
            abort(404, f"There is no {key[:100]!r} in {namespace}")
        return facts_of(found, with_text=True)

    @app.get("/search")
    def search() -> str:
        text = request.args.get("q", "").strip()[:100]
        found = run(find_keys(visible_storage(), text)) if text else None
        return render_template("search.html", text=text, found=found)

    @app.get("/problems/<code>")
    def problem(code: str) -> str:
        known = problem_codes()
        if code not in known:
            abort(404, f"There is no problem {code[:40]!r}")
        status, meaning = known[code]
        return render_template("problem_code.html", code=code, status=status, meaning=meaning)

    @app.errorhandler(HTTPException)
    def not_a_page(error: HTTPException) -> Response:
        status = error.code or 500
        code = _CODES.get(status, "invalid_request" if status < 500 else "server_fault")
        answer = make_response(_problem_or_page(status, code, error.name, error.description or error.name))
        if isinstance(error, MethodNotAllowed):
            answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return answer

    @app.errorhandler(Problem)
    def refused(problem: Problem) -> tuple[Response | str, int]:
        return _problem_or_page(problem.status, problem.code, "Forbidden", problem.detail)

    @app.errorhandler(StorageError)
    def no_storage(error: StorageError) -> tuple[Response | str, int]:
        return _problem_or_page(503, "storage_unavailable", "Service Unavailable", str(error))

    return app


def _sentence(text: str) -> Markup:
    """A phrase of the specification as a sentence, what stands between backticks as code."""
    parts = f"{text[:1].upper()}{text[1:]}.".split("`")
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(part) if n % 2 else part for n, part in enumerate(parts))


def _known_namespace(namespace: str) -> None:
    try:
        check_namespace(namespace)
    except NamespaceError:
        abort(404, "That is not a namespace")


def _problem_or_page(status: int, code: str, title: str, detail: str) -> tuple[Response | str, int]:
    """A page for who asks for HTML, a problem document (RFC 9457) for every program."""
    if "text/html" in request.headers.get("Accept", ""):
        return render_template("problem.html", status=status, detail=detail), status
    answer = jsonify(type=f"/problems/{code}", title=title, status=status, detail=detail, code=code)
    answer.content_type = "application/problem+json"
    return answer, status
