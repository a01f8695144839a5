"""The peers: the same exchange without what makes a registry, on Starlette and on nothing.

Both keep values in a dict and answer with the same fields as our server. Neither validates a request, makes a
digest, sends an ETag or refuses anything: what ours does beyond them, it does in the same time or loses it.
The bare one also parses and writes by orjson, as ours does: it is the limit of what uvicorn lets through.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote_plus

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

EPOCH = "0123456789abcdef0123456789abcdef"
DIGEST = "sha256:" + "0" * 64
MOMENT = "2026-01-31T12:00:00.000Z"

Message = dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Store:
    """Values by namespace and key, and how many writes there were."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], tuple[Any, int]] = {}
        self.head = 0

    def put(self, namespace: str, key: str, value: Any) -> dict[str, Any]:
        outcome = "replaced" if (namespace, key) in self.values else "created"
        self.head += 1
        self.values[namespace, key] = value, self.head
        version = f"{EPOCH}.{self.head}"
        return {
            "status": "success",
            "outcome": outcome,
            "key": key,
            "revision": self.head,
            "etag": version,
            "digest": DIGEST,
            "cursor": version,
        }

    def get(self, namespace: str, key: str) -> dict[str, Any]:
        value, revision = self.values[namespace, key]
        return {
            "value": value,
            "revision": revision,
            "etag": f"{EPOCH}.{revision}",
            "digest": DIGEST,
            "updated_at": MOMENT,
            "cursor": f"{EPOCH}.{self.head}",
        }


def plain_starlette() -> App:
    store = Store()

    async def get_entry(request: Request) -> JSONResponse:
        return JSONResponse(store.get(request.path_params["namespace"], request.query_params["key"]))

    async def set_entry(request: Request) -> JSONResponse:
        body = await request.json()
        key = json.loads(body["key"]["data"])
        return JSONResponse(store.put(request.path_params["namespace"], key, body["value"]))

    return Starlette(
        routes=[
            Route("/registry/{namespace}/get", get_entry),
            Route("/registry/{namespace}/set", set_entry, methods=["POST"]),
        ]
    )


def bare_asgi() -> App:
    store = Store()

    async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        _, _, namespace, operation = scope["path"].split("/")
        if operation == "get":
            key = unquote_plus(scope["query_string"].decode().removeprefix("key="))
            answer = store.get(namespace, key)
        else:
            body = orjson.loads((await receive())["body"])
            answer = store.put(namespace, orjson.loads(body["key"]["data"]), body["value"])
        text = orjson.dumps(answer)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return app


PEERS: dict[str, Callable[[], App]] = {"starlette": plain_starlette, "bare": bare_asgi}


def serve(name: str) -> None:
    """Serve a peer with our own server's settings of uvicorn, until it is told to stop."""
    app = PEERS[name]()
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[listening])
