"""What is read of a request: one pass over its head, and a body under a running limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import chain
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from registry_server.problems import Problem
from registry_server.target import is_escaped, is_host

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

_SINGLETONS = (b"host", b"origin", b"content-length", b"content-type", b"content-encoding", b"authorization")

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


class Gate:
    """What every request's head must pass, operation or page.

    Against a web page that makes its reader's browser talk to a server on loopback: a Host that is not a
    loopback name is refused where the server is bound to loopback (DNS rebinding), and an Origin, if one is
    sent, must be the Host's own.
    """

    def __init__(self, *, header_bytes: int, allowed_hosts: Iterable[str] | None) -> None:
        """``allowed_hosts``: host names without port, lower case; None answers for any."""
        self._header_bytes = header_bytes
        self._allowed_hosts = None if allowed_hosts is None else frozenset(allowed_hosts)
        self._admitted: dict[bytes | None, bool] = {}

    def check(self, fields: list[tuple[bytes, bytes]], version: str = "1.1") -> dict[bytes, bytes]:
        """The header fields by name (lower case); ``version`` is that of HTTP.

        Raises:
            Problem: 431, 400, 421 or 403.
        """
        if sum(map(len, chain.from_iterable(fields))) > self._header_bytes:
            raise Problem(
                431, "headers_too_large", f"The header fields are larger than {self._header_bytes:,} bytes"
            )
        head = dict(fields)
        if len(head) != len(fields):
            head = _combined(fields)
        self._check_host(head.get(b"host"), version)
        if b"origin" in head:
            _check_origin(head[b"origin"], head.get(b"host", b""))
        return head

    def _check_host(self, host: bytes | None, version: str) -> None:
        admitted = self._admitted.get(host)
        if admitted is None:
            if (version != "1.0") if host is None else not is_host(host):
                raise Problem(
                    400,
                    "invalid_request",
                    "The Host field is missing"
                    if host is None
                    else "The Host field is not a host and a port",
                    suggestions=["send one field like Host: localhost:8001"],
                )
            admitted = self._allowed_hosts is None or _hostname(host or b"") in self._allowed_hosts
            if host is not None and len(self._admitted) < 256:
                self._admitted[host] = admitted
        if not admitted:
            raise Problem(
                421,
                "misdirected_request",
                "This server does not answer for the Host of this request",
                suggestions=["use http://localhost", "start the server with --allowed-host NAME"],
            )


def _hostname(host: bytes) -> str:
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0]


def _check_origin(origin: bytes, host: bytes) -> None:
    scheme, separator, authority = origin.partition(b"://")
    if not (separator and scheme in (b"http", b"https") and authority.lower() == host.lower()):
        raise Problem(
            403,
            "forbidden",
            "A page of another origin may not call this server",
            suggestions=["call it from a program, or from a page of its own"],
        )


def _combined(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Fields that come more than once as one list (RFC 9110 section 5.3); some may not."""
    head: dict[bytes, bytes] = {}
    for name, value in fields:
        if name not in head:
            head[name] = value
        elif name in _SINGLETONS:
            raise Problem(400, "invalid_request", f"The header field {name.decode('latin-1')} comes twice")
        else:
            head[name] += b", " + value
    return head


def parse_query(raw: bytes) -> dict[str, str]:
    """The parameters of a query string: percent-decoded UTF-8, ``+`` for a space, each name once.

    Raises:
        Problem: 400 where it is not UTF-8, 422 where a name comes twice.
    """
    escaped = b"%" in raw or b"+" in raw
    if escaped:
        check_query(raw)
    query: dict[str, str] = {}
    for part in _decoded(raw).split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        if escaped:
            name, value = _unescaped(name), _unescaped(value)
        if name in query:
            raise Problem(422, "invalid_parameter", f"The query parameter {name[:40]!r} comes twice")
        query[name] = value
    return query


def check_query(raw: bytes) -> None:
    """Refuse a query that is not percent-encoded UTF-8; a ``%`` needs two hexadecimal digits.

    Raises:
        Problem: 400.
    """
    if not is_escaped(raw):
        raise _not_utf8("query")
    _decoded(unquote_to_bytes(raw))


def _unescaped(text: str) -> str:
    return _decoded(unquote_to_bytes(text.replace("+", " ")))


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _not_utf8("query") from None


def _not_utf8(part: str) -> Problem:
    return Problem(400, "invalid_request", f"The {part} is not percent-encoded UTF-8")


def path_of(scope: Mapping[str, Any]) -> bytes:
    """The path of a request as it was sent, percent-encoded."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.partition(b"?")[0]


def path_segments(path: bytes) -> list[str]:
    """The segments of a path, split before they are percent-decoded: ``%2F`` does not part them.

    Raises:
        Problem: 400, the path is not percent-encoded UTF-8.
    """
    if not is_escaped(path):
        raise _not_utf8("path")
    try:
        return [unquote_to_bytes(segment).decode() for segment in path.split(b"/")]
    except UnicodeDecodeError:
        raise _not_utf8("path") from None


_JSON_TYPES = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")


async def read_json_body(head: Mapping[bytes, bytes], receive: Receive, *, limit: int) -> bytes:
    """The body of a request that must be plain JSON, at most ``limit`` bytes of it in memory.

    Raises:
        Problem: 415 where it is not declared as JSON or is compressed, 413 where it is larger than ``limit``:
            before a byte is read if it says so itself; 400 where the client went away.
    """
    content_type = head.get(b"content-type", b"")
    if content_type not in _JSON_TYPES and content_type.lower().replace(b'"', b"") not in _JSON_TYPES:
        raise Problem(415, "unsupported_media_type", "Send the body as application/json, in UTF-8")
    if b"content-encoding" in head:
        raise Problem(415, "unsupported_media_type", "Send the body uncompressed, without Content-Encoding")
    declared = head.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    return await _read_rest(message, receive, limit)


async def _read_rest(message: Mapping[str, Any], receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise Problem(400, "invalid_request", "The connection was closed within the body")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        "limit_exceeded",
        f"The body is larger than the limit of {limit:,} bytes",
        suggestions=["send fewer entries a batch", "keep large values elsewhere and share how to load them"],
        context={"limit": limit},
        headers=((b"connection", b"close"),),
    )
