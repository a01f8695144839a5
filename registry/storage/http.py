"""The border to httpx: one pooled connection set for each server and process, deadlines, and typed errors.

Nothing else of the library touches httpx. A call is over within its timeout, whatever the server does.
"""

from __future__ import annotations

import json
import os
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

import httpcore
import httpx

from registry import settings
from registry.errors import (
    OutcomeUnknownError,
    RemoteError,
    ServerTimeoutError,
    ServerUnreachableError,
    ValidationError,
)
from registry.storage.deadline import DeadlineBackend, set_deadline
from registry.storage.problems import outside_contract, refused

CONNECT_RETRY_SECONDS: Final = 0.5
"""How long a refused connection is tried again: nothing was sent, so for writes too."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""The largest answer that is read; a full page of the largest values is far below."""

REPEATED: Final = "registry-client-repeated"
"""Header field of an answer to a request that was sent again after its first answer was lost."""

KEEPALIVE_SECONDS: Final = 30.0
"""Shorter than our server keeps an idle connection open, so that a request seldom meets a closing one."""

MAX_CONNECTIONS: Final = 100
_ATTEMPTS = 3


class RegistryHttpClient:
    """What the generated client sends its requests through, in the place of an `httpx.Client`.

    Straight to httpx's pooled transport: no cookies, redirects, proxies of the environment or compression,
    none of which a registry uses. An answer is what this server said, and no larger than `MAX_ANSWER_BYTES`.

    Args:
        url: the server's base URL.
        timeout: seconds for a whole call, asked at each call.
        token: bearer token, or None; asked at each call.
        transport: what to send through in the place of this process's pool for the server.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: Callable[[], float],
        token: Callable[[], str | None],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._root = url.rstrip("/")
        self._transport = transport
        self._seconds = timeout
        self._bearer = token

    def request(self, method: str, url: str, **kwargs: Any) -> httpx.Response:
        """One request, whole, or an exception of `registry.errors`. Called by the generated client."""
        return self.prepared(method, url, kwargs).run(self._transport or pools.transport(self._root))

    async def awaited_request(self, method: str, url: str, **kwargs: Any) -> httpx.Response:
        """`request`, awaited."""
        from registry.storage.aremote import run

        return await run(self.prepared(method, url, kwargs), self._root)

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
        target = self._root + url
        if params := kwargs.get("params"):
            target = f"{target}?{urlencode(params)}"
        return Call(method.upper(), target, headers, content, started=started, seconds=self._seconds())


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


class Call:
    """One request with its retries, within one deadline; whoever runs it sends, and sleeps where told to."""

    def __init__(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        content: bytes | None,
        *,
        started: float,
        seconds: float,
    ) -> None:
        self.method = method
        self.deadline = started + seconds
        self._target = target
        self._headers = headers
        self._content = content
        self._repeatable = method == "GET" or "If-Match" in headers or "If-None-Match" in headers
        self._started = started
        self._attempt = 0
        self._lost_an_answer = False

    def run(self, pool: httpx.BaseTransport) -> httpx.Response:
        """Send it, again where that is right, and return the answer."""
        while True:
            request = self.next_request()
            try:
                response = self._answer(pool, request)
            except httpx.HTTPError as error:
                time.sleep(self.pause_after_failure(error))
                continue
            pause = self.pause_after_answer(response)
            if pause is None:
                return self.recognised(response)
            time.sleep(pause)

    def next_request(self) -> httpx.Request:
        """The request for the next attempt; each of its steps may take the time that is left."""
        self._attempt += 1
        request = httpx.Request(self.method, self._target, headers=self._headers, content=self._content)
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), self._left())
        return request

    def _answer(self, pool: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        set_deadline(self.deadline)
        response = pool.handle_request(request)
        try:
            body = self.body_of(response)
            assert isinstance(response.stream, httpx.SyncByteStream)
            for part in response.stream:
                body.add(part)
        finally:
            response.close()
        return body.whole(request)

    def body_of(self, response: httpx.Response) -> Body:
        """What collects the parts of an answer.

        Raises:
            ServerFaultError: the answer is compressed, which was not asked for.
        """
        if "content-encoding" in response.headers:
            raise outside_contract(self._server(), "a compressed answer, which was not asked for")
        return Body(response, self._server())

    def pause_after_answer(self, response: httpx.Response) -> float | None:
        """Seconds to sleep before this is sent again; None where ``response`` is the answer."""
        again = response.status_code == 503 and self._repeatable and self._attempt < _ATTEMPTS
        # Its storage went away while it wrote: the next answer may be about what this one did.
        self._lost_an_answer |= again and b'"outcome_unknown"' in response.content
        return self._pause() if again and self._left() > 0.1 else None

    def recognised(self, response: httpx.Response) -> httpx.Response:
        """``response``, marked if it may be about what this call did before its first answer was lost."""
        status = response.status_code
        if status in (401, 403) and "json" not in response.headers.get("content-type", ""):
            raise refused(self._server(), status)  # by something in front of the server
        if self._lost_an_answer:
            response.headers[REPEATED] = "1"
            if self.method != "GET" and status >= 500:  # which tells nothing of the first attempt
                self._unknown(httpx.ReadError("the first answer was lost"))
            if self.method == "DELETE" and status in (404, 412):
                self._unknown(httpx.ReadError("the first answer was lost"))  # gone: by us or by others
        return response

    def _left(self) -> float:
        return max(self.deadline - time.monotonic(), 0.001)

    def _pause(self, *, at_most: float = float("inf")) -> float:
        return min(random.uniform(0.5, 1.0) * 0.05 * 2.0**self._attempt, self._left(), at_most)

    def pause_after_failure(self, failure: httpx.HTTPError) -> float:
        """Seconds to sleep before this may be sent again, else raise what happened."""
        error = _unchained(failure)
        if isinstance(error, httpx.ConnectError):
            retries_end = min(self._started + CONNECT_RETRY_SECONDS, self.deadline)
            if "certificate verify failed" in str(error).lower():
                raise self._untrusted(error) from error
            if (left := retries_end - time.monotonic()) > 0:
                return self._pause(at_most=left)
            raise self._unreachable(error) from error
        if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
            raise self._timeout(error) from error
        if self._repeatable and not isinstance(error, httpx.TimeoutException):
            self._lost_an_answer = True
            if self._attempt < _ATTEMPTS and self._left() > 0.1:
                return self._pause()
            if self.method != "GET":
                self._unknown(error)
            raise ServerUnreachableError(
                f"Lost the connection to registry server {self._server()}: {_reason(error)}",
                suggestions=["see whether the server is running", "try again"],
            ) from error
        if self._repeatable:
            raise self._timeout(error) from error
        self._unknown(error)

    def _unreachable(self, error: Exception) -> RemoteError:
        return ServerUnreachableError(
            f"Cannot connect to registry server {self._server()}: {_reason(error)}",
            suggestions=["start a server: python -m registry", "set REGISTRY_SERVER_URL to where one runs"],
            context={"server": self._server()},
        )

    def _untrusted(self, error: Exception) -> RemoteError:
        return ServerUnreachableError(
            f"Registry server {self._server()} has a certificate that is not trusted here: {_reason(error)}",
            suggestions=["set REGISTRY_SERVER_CA to the file of the authority that signed it"],
            context={"server": self._server()},
        )

    def _timeout(self, error: Exception) -> RemoteError:
        seconds = self.deadline - self._started
        return ServerTimeoutError(
            f"Request timeout: registry server {self._server()} did not answer within {seconds:.3g} s",
            suggestions=["wait longer: REGISTRY_SERVER_TIMEOUT=30", "see how loaded the server is: /stats"],
            context={"server": self._server(), "timeout": seconds},
        )

    def _unknown(self, error: Exception) -> NoReturn:
        timed_out = isinstance(error, httpx.TimeoutException)
        how = "the timeout passed" if timed_out else "the connection died"
        raise OutcomeUnknownError(
            f"Outcome unknown: {how} while registry server {self._server()} had a write under way",
            suggestions=[
                "read the entry before writing again",
                "write conditionally: such writes are retried safely",
            ],
            context={"server": self._server(), "method": self.method},
        ) from error

    def _server(self) -> str:
        parts = httpx.URL(self._target)
        return f"{parts.scheme}://{parts.netloc.decode()}"


class Body:
    """The body of an answer, put together from its parts and no larger than `MAX_ANSWER_BYTES`."""

    def __init__(self, response: httpx.Response, server: str) -> None:
        self._response = response
        self._server = server
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Take the next part.

        Raises:
            ServerFaultError: the answer is too large.
        """
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_ANSWER_BYTES:
            raise outside_contract(self._server, f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")

    def whole(self, request: httpx.Request) -> httpx.Response:
        """The answer with all of its body."""
        status, headers = self._response.status_code, self._response.headers
        return httpx.Response(status, headers=headers, content=b"".join(self._parts), request=request)


def _unchained(error: httpx.HTTPError) -> httpx.HTTPError:
    """``error`` without the three tracebacks of httpx and httpcore that led to it."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _reason(error: Exception) -> str:
    return str(error).strip().lower() or type(error).__name__


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
