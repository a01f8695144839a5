"""An independent registry server: python tests/alternatives/python [--port PORT]

Written from `openapi.yaml` and the documents alone, on Python's own HTTP server. It keeps nothing, and offers
the profiles core, conditional and batch.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from forms import namespace_name
from operations import BODY_BYTES, HEADER_BYTES, OPERATIONS, Answer, Operation, Registry
from problems import Problem
from request import Request, body_of, check_conditions, check_media_type, decoded, query_of

REGISTRY = Registry()


class Handler(BaseHTTPRequestHandler):
    """One connection. Every answer that is no success is a problem document, those of the base class too."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60

    def answer_request(self) -> None:
        """Answer the request whose head has been read."""
        try:
            status, body, headers = self.handled()
        except Problem as problem:
            status, body, headers = problem.status, problem, problem.headers
        except Exception:
            self.log_error("failed: %s", self.requestline)
            self.send(500, Problem(500, "server_fault", "The server failed"), {})
            raise
        self.send(status, body, headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer_request
    do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = answer_request

    def handled(self) -> Answer:
        raw = self.read_body()
        if sum(len(name) + len(value) + 4 for name, value in self.headers.items()) > HEADER_BYTES:
            raise Problem(
                431, "headers_too_large", f"The header fields are larger than {HEADER_BYTES:,} bytes"
            )
        path, _, query = self.target().partition("?")
        operation, namespace = routed(path)
        methods = (operation.method, "HEAD") if operation.method == "GET" else (operation.method,)
        if self.command not in methods:
            problem = Problem(405, "method_not_allowed", f"This path has no {self.command}")
            problem.headers["Allow"] = ", ".join(methods)
            raise problem
        name = namespace_name(decoded(namespace)) if namespace is not None else ""
        parameters = query_of(query, operation.query)
        check_conditions(self.headers, operation.conditions, writes=operation.writes)
        if operation.body:
            check_media_type(self.headers)
        body = body_of(raw) if operation.body else None
        return REGISTRY.answer(operation, Request(name, parameters, self.headers, body))

    def target(self) -> str:
        """Path and query; the absolute form that RFC 9112 lets a client send is taken too."""
        if self.path.startswith("/"):
            return self.path
        parts = urlsplit(self.path)
        return f"{parts.path or '/'}?{parts.query}"

    def read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self.read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit():
            raise self.ending(Problem(400, "invalid_request", "Content-Length is no number"))
        if int(length) > BODY_BYTES:
            raise self.ending(Problem(413, "limit_exceeded", f"A body has at most {BODY_BYTES:,} bytes"))
        return self.rfile.read(int(length))

    def read_chunks(self) -> bytes:
        body = b""
        while True:
            try:
                size = int(self.rfile.readline(1024).split(b";")[0], 16)
            except ValueError:
                raise self.ending(Problem(400, "invalid_request", "Not a chunk's size")) from None
            if size < 0 or len(body) + size > BODY_BYTES:
                raise self.ending(Problem(413, "limit_exceeded", f"A body has at most {BODY_BYTES:,} bytes"))
            body += self.rfile.read(size)
            while self.rfile.readline(65536) not in (b"\r\n", b"\n", b""):
                pass  # trailer fields, after the last chunk
            if size == 0:
                return body

    def ending(self, problem: Problem) -> Problem:
        """A problem after which the connection cannot be read on, as its body was not."""
        self.close_connection = True
        return problem

    def send(self, status: int, body: Any, headers: dict[str, str]) -> None:
        content = {"Content-Type": "application/json"}
        if isinstance(body, Problem):
            content, body = {"Content-Type": "application/problem+json"}, body.document()
        data = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        self.send_response(status)
        fields = (
            headers if status == 304 else {**content, "Content-Length": str(len(data.encode())), **headers}
        )
        for name, value in fields.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(data.encode())
        self.wfile.flush()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class found wrong with the request's head: no page of HTML, but a problem."""
        problems = {
            414: Problem(431, "headers_too_large", "The request line is too long"),
            431: Problem(431, "headers_too_large", "The header fields are too large"),
            501: Problem(405, "method_not_allowed", "No path has this method"),
        }
        problem = problems.get(code, Problem(400, "invalid_request", str(message or "Not a request")))
        self.close_connection = True
        self.command = self.command or ""
        self.request_version = self.request_version or "HTTP/1.1"
        self.send(problem.status, problem, {})

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""

    def version_string(self) -> str:
        return "alternative"


def routed(path: str) -> tuple[Operation, str | None]:
    """The operation of a path, and the namespace in it, still encoded."""
    if path in OPERATIONS and path.startswith("/"):
        return OPERATIONS[path], None
    match path.split("/", 3):
        case ["", "registry", namespace, name] if name in OPERATIONS:
            return OPERATIONS[name], namespace
    raise Problem(404, "not_found", "There is no such path")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8001, help="0 for a free one")
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    server.daemon_threads = True
    print(f"registry server on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
