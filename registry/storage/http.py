"""The border to httpx: one pooled connection set for each server and process, deadlines, and typed errors.

Nothing else of the library touches httpx. A call is over within its timeout, whatever the server does.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

import httpcore
import httpx

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

_KEEPALIVE_SECONDS = 30.0
"""Shorter than our server keeps an idle connection open, so that a request seldom meets a closing one."""

_MAX_CONNECTIONS = 100
_ATTEMPTS = 3


class RegistryHttpClient:
    """What the generated client sends its requests through, in the place of an `httpx.Client`.

    Straight to httpx's pooled transport: no cookies, redirects, proxies of the environment or compression,
    none of which a registry uses. An answer is what this server said, and no larger than `MAX_ANSWER_BYTES`.

    Args:
        url: the server's base URL.
        timeout: seconds for a whole call, asked at each call.
        token: bearer token, or None; asked at each call.
    """

    def __init__(self, url: str, *, timeout: Callable[[], float], token: Callable[[], str | None]) -> None:
        self._root = url.rstrip("/")
        self._seconds = timeout
        self._bearer = token

    def request(self, method: str, url: str, **kwargs: Any) -> httpx.Response:
        """One request, whole, or an exception of `registry.errors`. Called by the generated client."""
        call = _Call(method.upper(), self._root + url, deadline=time.monotonic() + self._seconds())
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
        target = call.url
        if params := kwargs.get("params"):
            target = f"{target}?{urlencode(params)}"
        repeatable = method.upper() == "GET" or "If-Match" in headers or "If-None-Match" in headers
        return call.run(pools.transport(self._root), target, headers, content, repeatable=repeatable)


_is_token = re.compile(r"[!-~]+").fullmatch


def _checked_token(token: str) -> str:
    if _is_token(token):
        return token
    raise ValidationError(
        "The bearer token is empty or has characters other than visible ASCII, which HTTP cannot carry",
        suggestions=["see what REGISTRY_SERVER_TOKEN or token= is set to: a line's end copied along, say"],
    )


class _Call:
    """One request with its retries, within one deadline."""

    def __init__(self, method: str, url: str, *, deadline: float) -> None:
        self.method = method
        self.url = url
        self._started = time.monotonic()
        self._deadline = deadline
        self._lost_an_answer = False

    def run(
        self,
        pool: httpx.BaseTransport,
        target: str,
        headers: Mapping[str, str],
        content: bytes | None,
        *,
        repeatable: bool,
    ) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            request = httpx.Request(self.method, target, headers=headers, content=content)
            request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), self._left())
            try:
                response = self._answer(pool, request)
            except httpx.HTTPError as error:
                self._give_up_or_wait(_unchained(error), attempt, repeatable)
                continue
            if response.status_code == 503 and repeatable and attempt < _ATTEMPTS and self._left() > 0.1:
                self._pause(attempt)
                continue
            return self._recognised(response)

    def _answer(self, pool: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        set_deadline(self._deadline)
        response = pool.handle_request(request)
        try:
            if "content-encoding" in response.headers:
                raise outside_contract(self._server(), "a compressed answer, which was not asked for")
            body = b"".join(self._bounded(response))
        finally:
            response.close()
        return httpx.Response(response.status_code, headers=response.headers, content=body, request=request)

    def _recognised(self, response: httpx.Response) -> httpx.Response:
        """``response``, marked if it may be about what this call did before its first answer was lost."""
        status = response.status_code
        if status in (401, 403) and "json" not in response.headers.get("content-type", ""):
            raise refused(self._server(), status)  # by something in front of the server
        if self._lost_an_answer:
            response.headers[REPEATED] = "1"
            if self.method != "GET" and status >= 500:
                self._unknown(
                    httpx.ReadError("the first answer was lost")
                )  # what follows tells nothing of it
            if self.method == "DELETE" and status in (404, 412):
                self._unknown(httpx.ReadError("the first answer was lost"))  # gone: by us or by others
        return response

    def _bounded(self, response: httpx.Response) -> Iterator[bytes]:
        size = 0
        assert isinstance(response.stream, httpx.SyncByteStream)
        for part in response.stream:
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise outside_contract(self._server(), f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")
            yield part

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.001)

    def _pause(self, attempt: int, *, at_most: float = float("inf")) -> None:
        time.sleep(min(random.uniform(0.5, 1.0) * 0.05 * 2**attempt, self._left(), at_most))

    def _give_up_or_wait(self, error: httpx.HTTPError, attempt: int, repeatable: bool) -> None:
        """Return after a pause if the request may be sent again, else raise what happened."""
        if isinstance(error, httpx.ConnectError):
            retries_end = min(self._started + CONNECT_RETRY_SECONDS, self._deadline)
            if (left := retries_end - time.monotonic()) > 0:
                self._pause(attempt, at_most=left)
                return
            raise self._unreachable(error) from error
        if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
            raise self._timeout(error) from error
        if repeatable and not isinstance(error, httpx.TimeoutException):
            self._lost_an_answer = True
            if attempt < _ATTEMPTS and self._left() > 0.1:
                self._pause(attempt)
                return
            if self.method != "GET":
                self._unknown(error)
            raise ServerUnreachableError(
                f"Lost the connection to registry server {self._server()}: {_reason(error)}",
                suggestions=["see whether the server is running", "try again"],
            ) from error
        if repeatable:
            raise self._timeout(error) from error
        self._unknown(error)

    def _unreachable(self, error: Exception) -> RemoteError:
        return ServerUnreachableError(
            f"Cannot connect to registry server {self._server()}: {_reason(error)}",
            suggestions=["start a server: python -m registry", "set REGISTRY_SERVER_URL to where one runs"],
            context={"server": self._server()},
        )

    def _timeout(self, error: Exception) -> RemoteError:
        seconds = self._deadline - self._started
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
        parts = httpx.URL(self.url)
        return f"{parts.scheme}://{parts.netloc.decode()}"


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
                self._transports[url] = _Transport(secure=url.startswith("https:"))
            return self._transports[url]


class _Transport(httpx.HTTPTransport):
    """httpx's transport over a pool whose every network step ends at the call's deadline."""

    def __init__(self, *, secure: bool) -> None:
        # Not httpx's own __init__: it loads certificates, 20 ms and more, also where there is no TLS.
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False) if secure else None,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=DeadlineBackend(),
        )


pools = _Pools()
