"""What ``openapi.yaml`` says that an answer is: its status, its content type, its schema.

Every answer of every check is held against it, so a check's own code may index what came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jsonschema_rs

from registry.conformance.check import Failure, require
from registry.conformance.wire import Exchange
from registry.envelope.form import parse_json
from registry.errors import MalformedEnvelopeError

PROMISE = re.compile(r"- \*\*(REG-[A-Z]+-\d\d)\*\*")
_CODE_ROW = re.compile(r"^\s*\| `(\w+)` \| (\d{3}) \|", re.MULTILINE)
_METHODS = ("get", "put", "post", "delete", "patch")


class Operation(NamedTuple):
    """One operation of the specification."""

    id: str
    method: str
    path: str
    definition: Mapping[str, Any]


class Contract:
    """The specification, ready to judge answers."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self._components = spec["components"]
        self.operations = {operation.id: operation for operation in _operations(spec)}
        self.codes = dict(_CODE_ROW.findall(spec["info"]["description"]))
        self._validators: dict[tuple[str, str], Any] = {}

    def judge(self, operation_id: str, exchange: Exchange) -> Any:
        """The JSON of an answer that is as the operation documents; None where it has no body.

        Raises:
            Failure: it is not.
        """
        status = str(exchange.status)
        documented = self.operations[operation_id].definition["responses"]
        if status not in documented:
            raise Failure(
                f"{exchange.asked} was answered {status}, which {operation_id} does not document "
                f"(it has {', '.join(documented)})"
            )
        content = self._resolved(documented[status]).get("content")
        if not content:
            require(not exchange.response_body, f"{exchange.asked}: a {status} with a body")
            return None
        media_type = next(iter(content))
        found = field_of(exchange, "content-type").partition(";")[0].strip().lower()
        require(found == media_type, f"{exchange.asked}: a {status} of type {found!r}, not {media_type}")
        if "json" not in media_type:
            return exchange.response_body.decode(errors="replace")
        return self._json(operation_id, status, media_type, content[media_type]["schema"], exchange)

    def _json(
        self, operation_id: str, status: str, media_type: str, schema: Mapping[str, Any], exchange: Exchange
    ) -> Any:
        value = json_of(exchange)
        validator = self._validators.get((operation_id, status))
        if validator is None:
            validator = jsonschema_rs.Draft4Validator({**schema, "components": self._components})
            self._validators[operation_id, status] = validator
        for error in validator.iter_errors(value):
            place = "/".join(map(str, error.instance_path)) or "its top"
            raise Failure(
                f"{exchange.asked}: the {status} does not fit its schema at {place}: {error.message:.300}"
            )
        if media_type == "application/problem+json":
            self._judge_problem(status, value, exchange)
        return value

    def _judge_problem(self, status: str, problem: Mapping[str, Any], exchange: Exchange) -> None:
        """REG-ERR-01: the document says the status that it came with, and a code of that status."""
        require(
            str(problem["status"]) == status,
            f"{exchange.asked}: a {status} whose document says {problem['status']}",
        )
        code = problem["code"]
        require(self.codes.get(code) == status, f"{exchange.asked}: a {status} with the code {code!r}")

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            kind, name = node["$ref"].split("/")[-2:]
            node = self._components[kind][name]
        return node


def promises_of(text: str) -> set[str]:
    """The ids that ``openapi.yaml`` gives a sentence to."""
    return set(PROMISE.findall(text))


def _operations(spec: Mapping[str, Any]) -> list[Operation]:
    return [
        Operation(definition["operationId"], method.upper(), path, definition)
        for path, methods in spec["paths"].items()
        for method, definition in methods.items()
        if method in _METHODS
    ]


def field_of(exchange: Exchange, name: str) -> str:
    """A header field of the answer; empty where it is not there."""
    return next((value for found, value in exchange.response_fields if found.lower() == name), "")


def json_of(exchange: Exchange) -> Any:
    """The strict JSON that an answer is.

    Raises:
        Failure: it is none.
    """
    try:
        # Our bodies nest an envelope's own limit at most twice as deep.
        return parse_json(exchange.response_body.decode(), max_depth=256)
    except (UnicodeDecodeError, MalformedEnvelopeError) as error:
        start = exchange.response_body[:60].decode(errors="replace")
        raise Failure(f"{exchange.asked}: the answer is not strict JSON ({error}): {start!r}") from None
