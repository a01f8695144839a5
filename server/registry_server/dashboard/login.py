"""Logging in to the pages with a token, and out. The token is in no address, cookie or log."""

from __future__ import annotations

import base64
import hashlib
import logging
from pathlib import Path

from flask import Flask, Response, make_response, redirect, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import RequestEntityTooLarge

from registry_server.access.ended import SESSION_SECONDS
from registry_server.access.guard import Access, Guard
from registry_server.access.pages import LOGIN, LOGOUT, reader_of
from registry_server.access.sessions import COOKIE, end_session, session_of
from registry_server.problems import Problem

log = logging.getLogger(__name__)

MAX_FORM_BYTES = 8 * 1024

_NOT_RECORDED = (
    "You are logged out here, but the server could not record it: a copy of your cookie may still open "
    "pages of its other processes. Revoke the token if the cookie may have been copied"
)


def add_login(app: Flask, guard: Guard) -> None:
    """Give the pages ``/login`` and ``/logout``.

    A form of another site cannot be sent here: an Origin that is not the Host's is refused before any page,
    and the cookie is `SameSite=Strict`.
    """
    # In the page itself, since who has no token yet gets nothing else from this server.
    style = Path(__file__).with_name("static").joinpath("registry.css").read_text(encoding="utf-8")
    policy = _policy(style)

    @app.get(LOGIN)
    def login_form() -> Response:
        if reader_of(request.environ) is not None:
            return _to("/")
        return form(401, request.args.get("next", ""))

    @app.post(LOGIN)
    def log_in() -> Response:
        request.max_content_length = MAX_FORM_BYTES
        try:
            access = guard.bearer_of(request.form.get("token", "").strip())
        except Problem as problem:
            return form(401, request.form.get("next", ""), problem.detail)
        except RequestEntityTooLarge:
            return form(413, "", "That is too long for a token")
        return _with_session(_to(request.form.get("next", "")), guard, access)

    @app.post(LOGOUT)
    def log_out() -> Response:
        answer = _to(LOGIN)
        try:
            end_session(guard, request.headers.get("Cookie", "").encode("latin-1"))
        except OSError as error:
            log.error("A log-out cannot be recorded: %s", error)
            answer = form(503, "", _NOT_RECORDED)
        answer.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=request.is_secure)
        return answer

    def form(status: int, wanted: str, complaint: str = "") -> Response:
        page = render_template("login.html", wanted=wanted, complaint=complaint, style=Markup(style))
        answer = make_response(page, status)
        answer.headers["Content-Security-Policy"] = policy
        if status == 401:
            answer.headers["WWW-Authenticate"] = 'Bearer realm="registry"'
        return answer


def _with_session(answer: Response, guard: Guard, access: Access) -> Response:
    session = session_of(guard, access)
    if session is not None:
        answer.set_cookie(
            COOKIE,
            session,
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )
    return answer


def _to(wanted: str) -> Response:
    """On to a page of this server, whatever address a form was made to hold."""
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    answer = make_response(redirect(wanted if is_ours else "/", code=303))
    return answer


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
