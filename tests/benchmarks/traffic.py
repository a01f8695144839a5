"""The requests that all servers are measured with: small JSON values under a few keys of one namespace."""

from __future__ import annotations

import json
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


def gets(url: str) -> list[bytes]:
    """A GET of each key, as it goes over the wire."""
    host = urlsplit(url).netloc
    return [f"GET {GET_PATH}?key={key} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for key in KEYS]


def sets(url: str) -> list[bytes]:
    """SETs of each key, as they go over the wire; each brings another value than the one before."""
    host = urlsplit(url).netloc
    requests = []
    for number in range(_VALUES_OF_A_KEY):
        for key in KEYS:
            text = body(key, number)
            head = (
                f"POST {SET_PATH} HTTP/1.1\r\nHost: {host}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
            )
            requests.append(head.encode() + text)
    return requests


def fill(url: str) -> None:
    """Store a value under each key."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        for key in KEYS:
            client.post(SET_PATH, content=body(key, -1), headers=JSON_FIELDS).raise_for_status()
