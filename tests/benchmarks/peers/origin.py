"""What people wrote before: a Flask application on Flask's own server, pickles in JSON, and ``requests``.

Key and value travel as base64 of a pickle, in an envelope with a ``type`` and an ``encoding``; the server
keeps envelopes in a dict under a lock; a client calls ``requests`` for each operation, without a session.
"""

from __future__ import annotations

import base64
import logging
import pickle
import threading
from typing import Any

import flask
import requests
from werkzeug.serving import make_server

TIMEOUT = 5.0


def _application() -> flask.Flask:
    application = flask.Flask(__name__)
    namespaces: dict[str, dict[str, Any]] = {}
    lock = threading.RLock()

    @application.post("/registry/<namespace>/set")
    def set_entry(namespace: str) -> flask.Response:
        body = flask.request.get_json()
        key = _decoded(body["key"])
        with lock:
            namespaces.setdefault(namespace, {})[key] = body["value"]
        return flask.jsonify({"status": "success"})

    @application.get("/registry/<namespace>/get")
    def get_entry(namespace: str) -> flask.Response:
        key = flask.request.args["key"]
        with lock:
            value = namespaces[namespace][key]
        return flask.jsonify({"value": value})

    return application


def serve() -> None:
    """Serve it as ``flask run`` would, on a free port, until told to stop."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, _application(), threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


class OriginClient:
    """One namespace, as a client of that time had it."""

    def __init__(self, url: str, namespace: str) -> None:
        self._url = f"{url}/registry/{namespace}"

    def __setitem__(self, key: str, value: Any) -> None:
        body = {"key": _encoded(key), "value": _encoded(value)}
        requests.post(f"{self._url}/set", json=body, timeout=TIMEOUT).raise_for_status()

    def __getitem__(self, key: str) -> Any:
        answer = requests.get(f"{self._url}/get", params={"key": key}, timeout=TIMEOUT)
        answer.raise_for_status()
        return _decoded(answer.json()["value"])


def _encoded(value: Any) -> dict[str, str]:
    return {
        "type": "pickle",
        "data": base64.b64encode(pickle.dumps(value)).decode(),
        "encoding": "base64",
    }


def _decoded(envelope: dict[str, str]) -> Any:
    return pickle.loads(base64.b64decode(envelope["data"]))
