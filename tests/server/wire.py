"""Requests and answers as ``openapi.yaml`` has them: what tests send, and what every answer must be."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import httpx
import jsonschema_rs

from registry.spec import load_spec

PROBLEM = "application/problem+json"


def envelope(value: object, **meta: str) -> dict[str, Any]:
    """A JSON envelope; ``meta`` only where there is some."""
    plain = {"type": "json", "data": json.dumps(value, ensure_ascii=False), "encoding": "json"}
    return {**plain, "meta": meta} if meta else plain


def raw(data: str, **fields: Any) -> dict[str, Any]:
    """A JSON envelope with this text as its data."""
    return {"type": "json", "data": data, "encoding": "json", **fields}


def setting(key: str, value: object = 1, **meta: str) -> dict[str, Any]:
    """The body of ``/set``."""
    return {"key": envelope(key), "value": envelope(value, **meta)}


async def put(client: httpx.AsyncClient, key: str, value: object = 1, space: str = "a", **meta: str) -> Any:
    """The answer to an unconditional ``/set``."""
    answer = await client.post(f"/registry/{space}/set", json=setting(key, value, **meta))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def get(client: httpx.AsyncClient, key: str, space: str = "a", **fields: str) -> httpx.Response:
    return await client.get(f"/registry/{space}/get", params={"key": key}, headers=fields)


async def keys(client: httpx.AsyncClient, space: str = "a", **params: Any) -> Any:
    """The answer of ``/keys``: one page."""
    answer = await client.get(f"/registry/{space}/keys", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def watch(client: httpx.AsyncClient, since: str, space: str = "a", **params: Any) -> Any:
    """The answer of ``/watch``; it does not wait unless ``wait`` says so."""
    query = {"since": since, "wait": 0, **params}
    answer = await client.get(f"/registry/{space}/watch", params=query, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def cursor_of(client: httpx.AsyncClient, space: str = "a") -> str:
    """The namespace's cursor."""
    return str((await client.get(f"/registry/{space}/length")).json()["cursor"])


async def until(claim: Callable[[], object]) -> None:
    """Let the event loop turn until ``claim`` is true; a failure after 30 s."""
    async with asyncio.timeout(30):
        while not claim():
            await asyncio.sleep(0)


async def head_of(client: httpx.AsyncClient, space: str = "a") -> int:
    """The namespace's head."""
    answer = await client.get(f"/registry/{space}/length")
    return int(answer.json()["cursor"].rpartition(".")[2])


def problem(answer: httpx.Response, status: int, code: str) -> Any:
    """The problem document that ``answer`` is, whole."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    document = answer.json()
    assert document["code"] == code, document
    assert document["status"] == status
    assert document["type"] == f"/problems/{code}"
    assert document["detail"]
    return document


def codes() -> dict[str, int]:
    """The statuses of the problem codes in the specification's table."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", _spec()["info"]["description"], re.MULTILINE)
    return {code: int(status) for code, status in rows}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and definition of each operation."""
    return [
        (method.upper(), path, item[method])
        for path, item in _spec()["paths"].items()
        for method in ("get", "post", "put", "delete", "patch")
        if method in item
    ]


@cache
def _spec() -> dict[str, Any]:
    return load_spec()


def check_answer(answer: httpx.Response) -> None:
    """Fail unless the specification documents the answer, and the answer is as documented.

    405 is no operation's answer, and what the specification does not route is not judged here.
    """
    request = answer.request
    path = request.url.raw_path.partition(b"?")[0].decode()
    definition = _operation("GET" if request.method == "HEAD" else request.method, path)
    if definition is None or answer.status_code == 405:
        return
    documented = definition["responses"].get(str(answer.status_code))
    assert documented is not None, f"{definition['operationId']}: {answer.status_code} is not documented"
    documented = followed(documented)
    for name in documented.get("headers", {}):
        if name not in ("WWW-Authenticate", "Retry-After"):
            assert name in answer.headers, f"{definition['operationId']}: {name} is missing"
    content = documented.get("content")
    if content is None:
        assert answer.content == b""
        return
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in content
    if request.method != "HEAD" and kind != "text/plain":
        _check_body(answer, content[kind]["schema"])


def _check_body(answer: httpx.Response, schema: Mapping[str, Any]) -> None:
    body = answer.json()
    _validator(json.dumps(schema, sort_keys=True)).validate(body)
    if answer.headers["content-type"] == PROBLEM:
        assert codes().get(body["code"]) == answer.status_code == body["status"], body
        assert body["type"] == f"/problems/{body['code']}"


@cache
def _validator(schema: str) -> jsonschema_rs.Draft4Validator:
    return jsonschema_rs.Draft4Validator({**json.loads(schema), "components": _spec()["components"]})


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for candidate, template, definition in operations():
        if candidate == method and re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]*", re.escape(template)), path):
            return definition
    return None


def followed(node: dict[str, Any]) -> dict[str, Any]:
    """What a ``$ref`` of the specification refers to; the node itself where it is none."""
    if "$ref" not in node:
        return node
    target: Any = _spec()
    for step in node["$ref"].split("/")[1:]:
        target = target[step]
    return dict(target)
