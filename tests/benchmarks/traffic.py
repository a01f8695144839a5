"""The requests that all servers are measured with: small JSON values under a few keys of one namespace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx

NAMESPACE = "bench.space"
GET_PATH = f"/registry/{NAMESPACE}/get"
SET_PATH = f"/registry/{NAMESPACE}/set"
JSON_FIELDS = {"Content-Type": "application/json"}
KEYS = [f"key{number}" for number in range(64)]
_VALUES_OF_A_KEY = 16


def body(key: str, number: int) -> bytes:
    """The body of a SET, as compact as our own client writes it."""
    envelopes = {
        "key": {"type": "json", "data": json.dumps(key), "encoding": "json"},
        "value": {"type": "json", "data": json.dumps({"result": number}), "encoding": "json"},
    }
    return json.dumps(envelopes, separators=(",", ":")).encode()


def gets(
    url: str, token: str | None = None, *, keys: Sequence[str] = KEYS, namespace: str = NAMESPACE
) -> list[bytes]:
    """A GET of each key, as it goes over the wire."""
    head = _head(url, token)
    path = f"/registry/{namespace}/get"
    return [f"GET {path}?key={key} HTTP/1.1\r\n{head}\r\n".encode() for key in keys]


def sets(
    url: str, token: str | None = None, *, keys: Sequence[str] = KEYS, namespace: str = NAMESPACE
) -> list[bytes]:
    """SETs of each key, as they go over the wire; each brings another value than the one before."""
    requests = []
    for number in range(_VALUES_OF_A_KEY):
        for key in keys:
            text = body(key, number)
            head = (
                f"POST /registry/{namespace}/set HTTP/1.1\r\n{_head(url, token)}"
                f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
            )
            requests.append(head.encode() + text)
    return requests


def _head(url: str, token: str | None) -> str:
    return f"Host: {urlsplit(url).netloc}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in _bearer(token).items())


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def fill(url: str, token: str | None = None) -> None:
    """Store a value under each key."""
    with httpx.Client(base_url=url, trust_env=False, headers=_bearer(token)) as client:
        for key in KEYS:
            client.post(SET_PATH, content=body(key, -1), headers=JSON_FIELDS).raise_for_status()
