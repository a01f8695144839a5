"""Where a registry server is, and the one way to call it: through the generated client."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

import httpx

from registry import settings
from registry.errors import ValidationError
from registry.steps import Ask, Steps, finish
from registry.storage.call import REPEATED
from registry.storage.http import AwaitedHttpClient, RegistryHttpClient
from registry.storage.problems import is_as_specified, outside_contract, raise_problem
from registry.storage.servers import Servers
from registry_client import Client
from registry_client.errors import UnexpectedStatus
from registry_client.models import Problem
from registry_client.types import UNSET, Response

PAGE_ENTRIES = 1_000


class Address(NamedTuple):
    """Where a server is and how to ask it, as far as the caller said; the environment says the rest.

    ``url`` may be several, of one store, separated by commas.
    """

    host: str | None = None
    port: int | None = None
    timeout: float | None = None
    url: str | None = None


class Body:
    """A request's body as it travels, for `Connection.raw`: all that the generated client asks of one."""

    __slots__ = ("_fields",)

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def to_dict(self) -> Mapping[str, Any]:
        return self._fields


class Connection:
    """Calls operations of one server. Nothing connects before the first call; safe to use from threads.

    Settings that were not given are read from the environment at each call, so a process may set them late.
    """

    def __init__(self, address: Address, token: str | None = None) -> None:
        url = address.url
        self.address = address if url is None else address._replace(url=_without_credentials(url))
        self._token = token
        self._client: tuple[Servers, Client] | None = None
        self._read: tuple[str, Servers] | None = None

    @property
    def url(self) -> str:
        """The server's base URL, without a slash at the end; of several, the one that is asked now.

        Raises:
            ValidationError: what was given, or is in the environment, is no address.
        """
        return self.servers.current

    @property
    def servers(self) -> Servers:
        """The servers, mostly one; calls of this process share what is known of them.

        Raises:
            ValidationError: what was given, or is in the environment, is no address.
        """
        host, port, _, url = self.address
        if url is None and host is None and port is None:
            url = settings.server_url()
        if url is not None:
            return self._checked(url)
        host = _checked_host(host if host is not None else settings.server_host())
        port = port if port is not None else settings.server_port()
        return self._checked(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    def _checked(self, text: str) -> Servers:
        read = self._read
        if read is None or read[0] != text:
            self._read = read = text, _servers_of(text)
        return read[1]

    @property
    def timeout(self) -> float:
        """Seconds that a call may take."""
        return self.address.timeout if self.address.timeout is not None else settings.server_timeout()

    def call(self, operation: Any, *path: str, **arguments: Any) -> Any:
        """The parsed answer of an operation (a module of `registry_client.api`); None for 304.

        Raises:
            ValidationError: what the server answered, as a local registry would raise it, or `RemoteError`.
        """
        servers = self.servers
        with Understanding(servers):
            response: Response[Any] = operation.sync_detailed(*path, client=self.client(servers), **arguments)
            return answer_of(response, servers.current, arguments)

    async def awaiting(self, method: str, operation: Any, *path: str, **arguments: Any) -> Any:
        """`call`, which is the one ``method`` there is, awaited."""
        servers = self.servers
        with Understanding(servers):
            client = self.client(servers)
            response: Response[Any] = await operation.asyncio_detailed(*path, client=client, **arguments)
            return answer_of(response, servers.current, arguments)

    def raw(self, operation: Any, *path: str, **arguments: Any) -> dict[str, Any]:
        """The answer of an operation as JSON has it, with `Body` as its ``body``.

        For many entries at once: to make an object of each, as `call` does, costs more than all the rest.

        Raises:
            ValidationError: as `call`.
        """
        servers = self.servers
        with Understanding(servers):
            client = self.client(servers)
            response = client.get_httpx_client().request(**operation._get_kwargs(*path, **arguments))
            if response.status_code == HTTPStatus.OK:
                answer = json.loads(response.content)
            else:
                built = operation._build_response(client=client, response=response)
                answer = answer_of(built, servers.current, {})
        if type(answer) is not dict:
            raise outside_contract(servers.current, "an answer that is not as specified")
        return answer

    def pages(self, operation: Any, *path: str, prefix: str = "") -> Iterator[Any]:
        """The pages of a listing, each asked for when its turn comes."""
        page: Any = UNSET
        while page is not None:
            listing, page = finish(self.turning(operation, *path, prefix=prefix, page=page))
            yield listing

    def turning(
        self, operation: Any, *path: str, prefix: str = "", page: Any = UNSET
    ) -> Steps[tuple[Any, str | None]]:
        """A page of a listing, the first unless ``page`` names another, and the name of the next if any."""
        arguments = {"prefix": prefix or UNSET, "limit": PAGE_ENTRIES, "page": page}
        listing = yield Ask(self, "call", (operation, *path), arguments)
        if listing.next_ == page and page is not UNSET:
            raise outside_contract(self.url, "a page that is followed by itself")
        return listing, listing.next_ or None

    def client(self, servers: Servers) -> Client:
        """The generated client of these servers."""
        known = self._client
        if known is not None and known[0] is servers:
            return known[1]
        client = Client(base_url=servers.current, raise_on_unexpected_status=True)
        http = self.http_client(servers)
        client.set_httpx_client(cast(httpx.Client, http))
        client.set_async_httpx_client(cast(httpx.AsyncClient, AwaitedHttpClient(http)))
        self._client = (servers, client)
        return client

    def http_client(self, servers: Servers) -> RegistryHttpClient:
        """What calls of these servers are sent through."""
        return RegistryHttpClient(servers, timeout=lambda: self.timeout, token=self._current_token)

    def _current_token(self) -> str | None:
        return self._token if self._token is not None else settings.server_token()


class Understanding:
    """Within the block, what the generated client raises at an answer it cannot read is ours."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, UnexpectedStatus):
            raise outside_contract(self._servers.current, f"status {error.status_code}") from None
        # Some of ours are builtins too, and stay what they are.
        if isinstance(error, _UNREADABLE) and not isinstance(error, ValidationError):
            reason = f"an answer that is not as specified ({type(error).__name__})"
            raise outside_contract(self._servers.current, reason) from error


_UNREADABLE = ValueError, KeyError, TypeError, AttributeError, RecursionError


def answer_of(response: Response[Any], server: str, arguments: Mapping[str, Any]) -> Any:
    """What an operation that was called with ``arguments`` answered, as `Connection.call` returns it."""
    answer = response.parsed
    if not is_as_specified(answer):
        raise outside_contract(server, "an answer that is not as specified")
    if isinstance(answer, Problem):
        raise_problem(answer, server, repeated=REPEATED in response.headers)
    not_modified = response.status_code == HTTPStatus.NOT_MODIFIED and arguments.get("if_none_match")
    if answer is None and not not_modified:
        raise outside_contract(server, f"status {response.status_code:d} without its body")
    return answer


_known: dict[str, Servers] = {}


def _servers_of(text: str) -> Servers:
    urls = [url.strip() for url in _without_credentials(text).split(",")]
    for url in urls:
        _check_url(url)
    servers = Servers(urls)
    return _known.setdefault(servers.text, servers)


USE_A_TOKEN: Final = "REGISTRY_SERVER_TOKEN, or token="

_CREDENTIALS = re.compile(r"(^|//|,\s*)[^/]*@")
"""Matches without a scheme too: such an address is refused, and must not be shown whole."""


def has_credentials(text: str) -> bool:
    """Return whether an address, or one of several, contains a user or a password (RFC 3986, 3.2.1)."""
    return _CREDENTIALS.search(text) is not None


def _without_credentials(text: str) -> str:
    """Return the addresses without user and password, which are never sent, and warn about them."""
    if not has_credentials(text):
        return text
    warnings.warn(
        f"The user and password in a registry server's address are not used. Give a token: {USE_A_TOKEN}",
        UserWarning,
        stacklevel=2,
    )
    return _CREDENTIALS.sub(r"\1", text)


def _checked_host(host: str) -> str:
    if not _IN_NO_HOST.search(host) and (":" not in host or _is_ipv6(host)):
        return host
    raise ValidationError(
        f"Not a server's host: {host.rpartition('@')[2]!r}",
        suggestions=["a whole address is given as REGISTRY_SERVER_URL, or url=", "a host is: localhost"],
        context={"host": host.rpartition("@")[2]},
    )


_IN_NO_HOST = re.compile(r"[/?#@\[\]\s]")


def _is_ipv6(host: str) -> bool:
    from ipaddress import IPv6Address

    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _check_url(url: str) -> None:
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.host:
        raise _no_address(url, "")
    if parts.port is not None and not 0 < parts.port < 65_536:
        # The system would take it modulo 65536: another server would get the requests, and the token.
        raise _no_address(url, ", its port is not from 1 to 65535")


def _no_address(url: str, why: str) -> ValidationError:
    if "@" in url:
        # A password that contains a slash ends the authority; whatever precedes the @ may be part of it.
        url = f"***@{url.rpartition('@')[2]}"
    return ValidationError(
        f"Not a server's address: {url!r}{why}",
        suggestions=["http://localhost:8001"],
        context={"url": url},
    )
