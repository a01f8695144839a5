"""Requests as they are written, also those that no client would send, and a record of each."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import httpcore
import httpx

from registry.conformance.check import Failure
from registry.storage.deadline import DeadlineBackend, set_deadline

Fields = Sequence[tuple[str, str]]
Query = Mapping[str, object] | Sequence[tuple[str, object]] | str | None

MOST_CONNECTIONS = 64
KEEPALIVE_SECONDS = 5.0


@dataclass(slots=True)
class Exchange:
    """One request and what came of it.

    Attributes:
        status: the answer's; None where none came, and then ``trouble`` says why.
        seconds: from the request's first byte to the answer's last.
    """

    method: str
    url: str
    request_fields: Fields
    request_body: bytes
    status: int | None = None
    trouble: str = ""
    response_fields: Fields = ()
    response_body: bytes = b""
    seconds: float = 0.0

    @property
    def asked(self) -> str:
        """Method and target, for messages."""
        return f"{self.method} {self.url.partition('://')[2].partition('/')[2] and self._target()}"

    def _target(self) -> str:
        parts = urlsplit(self.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        return target if len(target) <= 200 else target[:197] + "..."


@dataclass(frozen=True, slots=True)
class Target:
    """Where the server is and how it is reached.

    Attributes:
        url: ``http(s)://host[:port][/path]``, without a slash at its end.
        token: bearer token sent with every request that does not say otherwise.
        timeout: seconds for one answer, from the request's first byte to the answer's last.
        ca: file of the authority that signed the server's certificate.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    timeout: float = 10.0
    ca: str | None = None

    def tls(self) -> ssl.SSLContext:
        """The context that trusts ``ca``, or what this machine trusts."""
        return ssl.create_default_context(cafile=self.ca)


class _Transport(httpx.HTTPTransport):
    """httpx's, whose every network step ends at its thread's deadline: an answer that drips has an end."""

    def __init__(self, target: Target) -> None:
        # Not httpx's own __init__, which takes no network.
        self._pool = httpcore.ConnectionPool(
            ssl_context=target.tls() if target.url.startswith("https:") else None,
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=MOST_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=DeadlineBackend(),
        )


class Wire:
    """Sends requests to one server. It may be used by several threads."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._client = httpx.Client(
            transport=_Transport(target),
            timeout=target.timeout,
            trust_env=False,
            follow_redirects=False,
            headers={"accept": "*/*", "user-agent": "registry-conformance"},
        )

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query = None,
        fields: Fields = (),
        body: bytes = b"",
        wait: float = 0.0,
        token: str | None = "",
    ) -> Exchange:
        """Send a request and read its answer whole; ``exchange.status`` is None where none came.

        ``path`` is sent as it is, percent-encoded by whoever calls. ``wait`` is how many seconds the server
        was asked to wait, beside the time-out. ``token`` is sent in place of the target's; None: none at all.
        """
        url = self.target.url + path + query_text(query)
        sent = [*fields, *self._authorization(token)]
        exchange = Exchange(method, url, tuple(sent), body)
        begun = time.monotonic()
        set_deadline(begun + self.target.timeout + wait)
        try:
            answer = self._client.request(
                method,
                url,
                headers=[(name.encode(), value.encode()) for name, value in sent],
                content=body or None,
                timeout=httpx.Timeout(self.target.timeout + wait, connect=self.target.timeout),
            )
            exchange.status = answer.status_code
            exchange.response_fields = tuple(answer.headers.multi_items())
            exchange.response_body = answer.content
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            exchange.trouble = _trouble(error, self.target.timeout + wait)
        exchange.seconds = time.monotonic() - begun
        return exchange

    def send_head(self, method: str, path: str, fields: Fields) -> Exchange:
        """Send the head of a request alone, whatever it says of a body, and read the answer.

        `http.client` and not httpx: the path and the fields go out as they are, and no body has to follow.
        """
        sent = [*fields, *self._authorization("")]
        exchange = Exchange(method, self.target.url + path, tuple(sent), b"")
        begun = time.monotonic()
        connection = self._connection()
        try:
            connection.connect()
            with _ended_after(begun + self.target.timeout, connection.sock):
                connection.putrequest(method, urlsplit(self.target.url).path + path)
                for name, value in sent:
                    connection.putheader(name, value)
                connection.endheaders()
                answer = connection.getresponse()
                body = answer.read()
            exchange.status = answer.status
            exchange.response_fields = tuple((name.lower(), value) for name, value in answer.getheaders())
            exchange.response_body = body
        except (OSError, http.client.HTTPException) as error:
            exchange.trouble = _trouble(error, self.target.timeout)
        finally:
            connection.close()
        exchange.seconds = time.monotonic() - begun
        return exchange

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.target.url)
        host, timeout = parts.hostname or "", self.target.timeout
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=self.target.tls())
        return http.client.HTTPConnection(host, parts.port, timeout=timeout)

    def _authorization(self, token: str | None) -> Iterable[tuple[str, str]]:
        token = self.target.token if token == "" else token
        return [] if token is None else [("authorization", f"Bearer {token}")]


@contextmanager
def _ended_after(deadline: float, connected: socket.socket) -> Iterator[None]:
    """Shut the connection down at ``deadline``, of `time.monotonic`; where it was, raise `TimeoutError`."""
    passed = threading.Event()

    def end() -> None:
        passed.set()
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)  # of the socket, also where TLS is around it

    timer = threading.Timer(max(deadline - time.monotonic(), 0), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not passed.is_set():
            raise
    finally:
        timer.cancel()
    if passed.is_set():  # what was read is whole by chance at best
        raise TimeoutError


def query_text(query: Query) -> str:
    """``?`` and the parameters, percent-encoded; a text is taken as it is."""
    if query is None:
        return ""
    if isinstance(query, str):
        return f"?{query}"
    pairs = query.items() if isinstance(query, Mapping) else query
    encoded = [f"{quote(name, safe='')}={quote(_spelled(value), safe='')}" for name, value in pairs]
    return "?" + "&".join(encoded) if encoded else ""


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _trouble(error: Exception, seconds: float) -> str:
    """Why no answer came, in one line."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return f"no answer within {seconds:g} s"
    text = " ".join(str(error).split())
    return text or type(error).__name__


def answered(exchange: Exchange) -> Exchange:
    """``exchange``, if an answer came.

    Raises:
        Failure: none came.
    """
    if exchange.status is None:
        raise Failure(f"{exchange.asked} was not answered: {exchange.trouble}")
    return exchange
