"""The border to httpx: one pooled connection set for each server and process, deadlines, and typed errors.

Nothing else of the library touches httpx. A call is over within its timeout, whatever the server does.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import httpcore
import httpx

from registry import settings
from registry.errors import ValidationError
from registry.storage.call import Call
from registry.storage.deadline import DeadlineBackend
from registry.storage.servers import Servers

KEEPALIVE_SECONDS: Final = 30.0
"""Shorter than our server keeps an idle connection open, so that a request seldom meets a closing one."""

MAX_CONNECTIONS: Final = 100


class RegistryHttpClient:
    """What the generated client sends its requests through, in the place of an `httpx.Client`.

    Straight to httpx's pooled transport: no cookies, redirects, proxies of the environment or compression,
    none of which a registry uses. An answer is what this server said, and no larger than `MAX_ANSWER_BYTES`.

    Args:
        servers: where to; where there are several, a call that one does not answer goes to the next.
        timeout: seconds for a whole call, asked at each call.
        token: bearer token, or None; asked at each call.
        transport: what to send to a server through, in the place of this process's pool for it.
        waits: servers may take their time to answer: nobody is thought gone who has not answered yet. The
            caller tries again after failures, so no call waits for a restart.
        sleep: waits so many seconds between two attempts, or raises to end the call.
    """

    def __init__(
        self,
        servers: Servers,
        *,
        timeout: Callable[[], float],
        token: Callable[[], str | None],
        transport: Callable[[str], httpx.BaseTransport] | None = None,
        waits: bool = False,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._servers = servers
        self._transport = transport
        self._waits = waits
        self._sleep = sleep
        self._seconds = timeout
        self._bearer = token

    def request(self, method: str, url: str, **kwargs: Any) -> httpx.Response:
        """One request, whole, or an exception of `registry.errors`. Called by the generated client."""
        return self.prepared(method, url, kwargs).run(self._transport or pools.transport, self._sleep)

    async def awaited_request(self, method: str, url: str, **kwargs: Any) -> httpx.Response:
        """`request`, awaited."""
        from registry.storage.aremote import run

        return await run(self.prepared(method, url, kwargs))

    def prepared(self, method: str, url: str, kwargs: Mapping[str, Any]) -> Call:
        """The call that a request of the generated client is; its deadline is set, nothing is sent yet."""
        started = time.monotonic()
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **(kwargs.get("headers") or {}),
        }
        if (token := self._bearer()) is not None:
            headers["Authorization"] = f"Bearer {_checked_token(token)}"
        content = None
        if "json" in kwargs:
            content = json.dumps(kwargs["json"], ensure_ascii=False, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        path = f"{url}?{urlencode(params)}" if (params := kwargs.get("params")) else url
        call = Call(
            method.upper(),
            self._servers,
            path,
            headers,
            content,
            started=started,
            seconds=self._seconds(),
            carries_over=not self._waits,
        )
        if self._servers.several and not self._waits:
            call.share_the_time()
        return call


class AwaitedHttpClient:
    """What the asyncio half of the generated client sends its requests through."""

    def __init__(self, http: RegistryHttpClient) -> None:
        self.request = http.awaited_request


_is_token = re.compile(r"[!-~]+").fullmatch


def _checked_token(token: str) -> str:
    if _is_token(token):
        return token
    raise ValidationError(
        "The bearer token is empty or has characters other than visible ASCII, which HTTP cannot carry",
        suggestions=["see what REGISTRY_SERVER_TOKEN or token= is set to: a line's end copied along, say"],
    )


class _Pools:
    """The transports of this process, one for each server; forgotten, not closed, in a forked child.

    A child that closed or used its parent's sockets would end or garble the parent's requests.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        # The old transports are kept referenced: collecting them would close sockets shared with the parent.
        self._inherited = getattr(self, "_transports", None), getattr(self, "_inherited", None)
        self._lock = threading.Lock()
        self._transports: dict[str, httpx.BaseTransport] = {}

    def transport(self, url: str) -> httpx.BaseTransport:
        transport = self._transports.get(url)
        if transport is not None:
            return transport
        with self._lock:
            if url not in self._transports:
                self._transports[url] = Transport(url)
            return self._transports[url]


def ssl_context_for(url: str) -> ssl.SSLContext | None:
    """What verifies the server at ``url``; None where it is asked without TLS."""
    return _tls_context() if url.startswith("https:") else None


def _tls_context() -> ssl.SSLContext:
    """Trusts the authority of ``REGISTRY_SERVER_CA``; without one, whom OpenSSL's variables or httpx do.

    Raises:
        ValidationError: the file is none of certificates.
    """
    authority = settings.server_ca()
    if authority is None:
        return httpx.create_ssl_context()  # heeds SSL_CERT_FILE and SSL_CERT_DIR
    try:
        return ssl.create_default_context(cafile=os.path.expanduser(authority))
    except OSError as error:  # ssl.SSLError is one
        raise ValidationError(
            f"REGISTRY_SERVER_CA is {authority!r}, which cannot be used: {error.strerror or error}",
            suggestions=["it is a PEM file with the certificate of the authority that signed the server's"],
            context={"variable": "REGISTRY_SERVER_CA"},
        ) from None


class Transport(httpx.HTTPTransport):
    """httpx's transport over a pool whose every network step ends at the call's deadline."""

    def __init__(self, url: str, network: httpcore.NetworkBackend | None = None) -> None:
        # Not httpx's own __init__: it loads certificates, 20 ms and more, also where there is no TLS.
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context_for(url),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=network or DeadlineBackend(),
        )


pools = _Pools()
