"""The compiled operation stage: from Connexion's operations to one ready callable each.

Connexion reads ``openapi.yaml``, resolves each operation to its handler and hands both to this stage, which
stands first in Connexion's own list of middlewares. At start-up it compiles what Connexion would work out
anew for every request: dispatch, parameters, validators. What it has no operation for (pages, Swagger UI,
unknown paths) it passes on to the rest of Connexion's stack untouched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from inspect import signature
from time import perf_counter
from typing import Any

import orjson
from connexion.middleware.abstract import AbstractRoutingAPI, SpecMiddleware
from connexion.operations import AbstractOperation
from connexion.spec import Specification

from registry_server.access.audit import AuditLog
from registry_server.access.guard import OPEN, Access, ForbiddenError, Guard
from registry_server.access.needs import Needs, needs_of
from registry_server.access.pages import PageDoor
from registry_server.access.scopes import Permission
from registry_server.answers import Answer
from registry_server.conditions import FIELDS, Preconditions, preconditions_of
from registry_server.dispatch import DispatchTable
from registry_server.page_fields import DOCS, PageFields
from registry_server.parameters import Parameter, validator_of
from registry_server.problems import CONTENT_TYPE, Problem, misfit, problem_of
from registry_server.requests import Gate, Receive, check_query, parse_query, path_of, read_json_body
from registry_server.strict_json import parse_body
from registry_server.tallies import Tally

Scope = MutableMapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_COMMON_FIELDS = ((b"cache-control", b"no-cache"), (b"x-content-type-options", b"nosniff"))


Handler = Callable[..., Awaitable[Answer]]


class CompiledOperation:
    """One operation of the spec: reads its parameters and body, calls its handler."""

    __slots__ = (
        "_body",
        "_body_schema",
        "_components",
        "_handler",
        "_may_wait",
        "_path",
        "_preconditions",
        "_query",
        "_required",
        "needs",
        "operation_id",
        "tally",
    )

    def __init__(self, operation: AbstractOperation) -> None:
        self.operation_id: str = operation.operation_id
        self.needs: Needs = needs_of(operation)
        self._preconditions: Preconditions = preconditions_of(operation, self.needs.permission)
        self.tally = Tally()
        self._handler: Handler = operation.function
        self._may_wait = "leaving" in signature(operation.function).parameters
        components: Mapping[str, Any] = operation.components  # type: ignore[attr-defined]  # OpenAPI 3 has them
        # Connexion appends the path's parameters to the spec's own list with each middleware that reads it.
        definitions = {(found["in"], found["name"]): found for found in operation.parameters}
        parameters = [Parameter(definition, components) for definition in definitions.values()]
        segments = operation.path.split("/")
        self._path = [(segments.index("{" + p.name + "}"), p) for p in parameters if p.where == "path"]
        self._query = {p.name: p for p in parameters if p.where == "query"}
        self._required = [p for p in self._query.values() if p.required]
        self._components = components
        self._body_schema = operation.body_schema("application/json") if operation.request_body else None
        self._body = validator_of(self._body_schema, components) if self._body_schema else None

    async def answer(
        self,
        segments: list[str],
        scope: Scope,
        head: Mapping[bytes, bytes],
        receive: Receive,
        body_limit: int,
        access: Access,
    ) -> Answer:
        """The handler's answer to a request whose head has passed the gate and the guard."""
        arguments: dict[str, Any] = {"access": access} if self.needs.each else {}
        for position, parameter in self._path:
            text = segments[position]
            if not parameter.check(text):
                raise misfit(parameter.code, parameter.name, text, "does not fit its schema")
            arguments[parameter.argument] = text
        raw_query = scope["query_string"]
        if raw_query or self._query:
            self._read_query(raw_query, arguments)
        if not FIELDS.isdisjoint(head):
            condition = self._preconditions.read(head)
            if condition is not None:
                arguments["condition"] = condition
        if self._body is not None:
            body = parse_body(await read_json_body(head, receive, limit=body_limit))
            if not self._body.is_valid(body):
                raise self._explain(body)
            arguments["body"] = body
        if self._may_wait:
            arguments["leaving"] = partial(_client_left, receive)
        return await self._handler(**arguments)

    def _read_query(self, raw: bytes, arguments: dict[str, Any]) -> None:
        query = parse_query(raw)
        for name, text in query.items():
            parameter = self._query.get(name)
            if parameter is None:
                known = ", ".join(self._query) or "none"
                raise Problem(
                    422, "invalid_parameter", f"Unknown query parameter {name[:40]!r}; there is: {known}"
                )
            arguments[parameter.argument] = parameter.value(text)
        for parameter in self._required:
            if parameter.name not in query:
                raise Problem(
                    422,
                    parameter.code,
                    f"The query parameter {parameter.name!r} is missing",
                    context={"parameter": parameter.name},
                )

    def _explain(self, body: Any) -> Problem:
        """Why the body does not fit, at the first place, with the code of the schema nearest to it.

        The validator's own message is not passed on: it quotes the value.
        """
        error = next(iter(self._body.iter_errors(body)))  # type: ignore[union-attr]
        code = self._code_along(error.schema_path)
        pointer = _pointer(error.instance_path)
        rule = str(error.schema_path[-1]) if error.schema_path else "schema"
        return Problem(
            422,
            code,
            f"The body does not fit its schema at {pointer or 'its top'}: {_RULES.get(rule, rule)}",
            context={"pointer": pointer, "rule": rule},
        )

    def _code_along(self, schema_path: list[Any]) -> str:
        code, node = "invalid_body", self._body_schema
        for step in schema_path:
            node = self._followed(node)
            if isinstance(node, Mapping):
                code = node.get("x-problem-code", code)
                node = node.get(step, node)
            elif isinstance(node, list) and isinstance(step, int):
                node = node[step]
        return code

    def _followed(self, node: Any) -> Any:
        while isinstance(node, Mapping) and "$ref" in node:
            name = node["$ref"].rpartition("/")[2]
            node = self._components["schemas"][name]
        return node


def _pointer(steps: list[str | int]) -> str:
    """The place in a body as a JSON pointer (RFC 6901), of a long name its beginning."""
    names = [str(step)[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1") for step in steps]
    return "".join(f"/{name}" for name in names)


_LONGEST_NAME = 64

_RULES = {
    "required": "a required field is missing",
    "additionalProperties": "a field is not known",
    "type": "it has another type",
    "enum": "it is not one of the values allowed",
    "minLength": "it is too short",
    "maxLength": "it is too long",
    "pattern": "it holds characters that are not allowed",
    "minItems": "it has too few entries",
    "maxItems": "it has too many entries",
    "maxProperties": "it has too many entries",
}


async def _client_left(receive: Receive) -> None:
    """Wait until the client has closed its connection; its request has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _CompiledApi(AbstractRoutingAPI[CompiledOperation]):
    """Has Connexion walk the spec and resolve each operation; keeps what comes of it."""

    def __init__(self, specification: Specification, stage: OperationStage, **kwargs: Any) -> None:
        self._stage = stage
        super().__init__(specification, **kwargs)

    def make_operation(self, operation: AbstractOperation) -> CompiledOperation:
        return CompiledOperation(operation)

    @staticmethod
    def _framework_path_and_name(operation: AbstractOperation, path: str) -> tuple[str, str]:
        return path, operation.operation_id

    def _add_operation_internal(
        self, method: str, path: str, operation: CompiledOperation, name: str | None = None
    ) -> None:
        self._stage.table.add(method.upper(), self.base_path.rstrip("/") + path, operation)


class OperationStage(SpecMiddleware):
    """First in Connexion's list: answers what the spec has an operation for, passes on the rest."""

    def __init__(
        self, app: App, *, gate: Gate, guard: Guard, body_limit: int, audit: AuditLog | None = None
    ) -> None:
        self._pages = PageDoor(PageFields(app), guard)
        self._next = app
        self._gate = gate
        self._guard = guard
        self._audit = audit
        self._body_limit = body_limit
        self._refused = Tally()
        self.table = DispatchTable()

    def add_api(self, specification: Specification, **options: Any) -> None:
        """Compile the operations of ``specification``; Connexion calls this once at start-up."""
        _CompiledApi(
            specification,
            self,
            base_path=options.get("base_path"),
            resolver=options.get("resolver"),
            uri_parser_class=options.get("uri_parser_class"),
        )

    def tallies(self) -> dict[str, Tally]:
        """Answered requests by operationId; under ``none`` those refused before one was found."""
        return {
            **{operation.operation_id: operation.tally for operation in self.table.operations()},
            "none": self._refused,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._next(scope, receive, send)
            return
        started, tally = perf_counter(), self._refused
        method: str = scope["method"]
        try:
            head = self._gate.check(scope["headers"], scope["http_version"])
            path = path_of(scope)
            found = self.table.find(path)
            if found is None:
                _refuse_slashes(path)
                check_query(scope["query_string"])
                await self._pages(scope, head, receive, send)
                return
            methods, segments = found
            operation = methods.get(method) or _other_method(methods, method)
            tally = operation.tally
            if self._audit is None and self._guard.ledger is None:
                access = OPEN  # what `_admitted` would say, without asking
            else:
                access = self._admitted(operation, scope, head, segments)
            answer = await operation.answer(segments, scope, head, receive, self._body_limit, access)
            if access.ledger is not self._guard.ledger:
                self._still_admitted(operation, head, segments)
            status, fields, content_type = answer.status, answer.headers, answer.content_type
            body = answer.body
            if body is not None and not isinstance(body, bytes):
                body = orjson.dumps(body)
        except Exception as error:  # the one place where errors of operations become answers
            problem = problem_of(error)
            status, fields, content_type = problem.status, tuple(problem.headers), CONTENT_TYPE
            body = problem.document()
        tally.note(status, perf_counter() - started)
        headers = [*fields, *_COMMON_FIELDS]
        if body is not None:
            headers.append((b"content-type", content_type))
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if body is None or method == "HEAD" else body})

    def _admitted(
        self, operation: CompiledOperation, scope: Scope, head: Mapping[bytes, bytes], segments: list[str]
    ) -> Access:
        """What the request's sender may do, which the audit log is told."""
        try:
            access = self._guard.admit(head, operation.needs, segments)
        except ForbiddenError as error:
            if self._audit is not None:
                self._audit.forbidden(operation.operation_id, scope["client"], error)
            raise
        if self._audit is not None:
            self._audit.caller(operation.operation_id, access, scope["client"])
        return access

    def _still_admitted(
        self, operation: CompiledOperation, head: Mapping[bytes, bytes], segments: list[str]
    ) -> None:
        """The tokens have changed since the request came: what it read is for who may read it now.

        A write that was done is answered as what it is.
        """
        if operation.needs.permission < Permission.WRITE:
            self._guard.admit(head, operation.needs, segments)


def _refuse_slashes(path: bytes) -> None:
    """404 for a path with ``%2F``, ``//`` or a slash at its end, none of which leads anywhere here.

    Connexion's router would part segments at ``%2F``: its stages would then read and validate the body,
    without our limits. It and Flask answer the others with a redirect, to ``http`` behind a TLS proxy too.
    """
    if b"%2f" in path.lower() or b"//" in path or (path.endswith(b"/") and path not in _WITH_SLASH):
        raise Problem(
            404,
            "not_found",
            "There is no such path",
            suggestions=["no path here ends with a slash or has an empty segment or an encoded slash"],
        )


_WITH_SLASH = (b"/", DOCS.encode())


def _other_method(methods: Mapping[str, CompiledOperation], method: str) -> CompiledOperation:
    if method == "HEAD" and "GET" in methods:
        return methods["GET"]
    allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
    raise Problem(
        405,
        "method_not_allowed",
        f"This path has no {method[:20]}; there is: {allowed}",
        headers=((b"allow", allowed.encode()),),
    )
