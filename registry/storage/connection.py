"""Where a registry server is, and the one way to call it: through the generated client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, cast

import httpx

from registry import settings
from registry.errors import ValidationError
from registry.storage.http import REPEATED, RegistryHttpClient
from registry.storage.problems import is_as_specified, outside_contract, raise_problem
from registry_client import Client
from registry_client.errors import UnexpectedStatus
from registry_client.models import Problem
from registry_client.types import UNSET, Response

PAGE_ENTRIES = 1_000


class Address(NamedTuple):
    """Where a server is and how to ask it, as far as the caller said; the environment says the rest."""

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
        self.address = address
        self._token = token
        self._client_of_url: tuple[str, Client] | None = None
        self._checked_url = ""

    @property
    def url(self) -> str:
        """The server's base URL, without a slash at the end.

        Raises:
            ValidationError: what was given, or is in the environment, is no address.
        """
        host, port, _, url = self.address
        if url is None and host is None and port is None:
            url = settings.server_url()
        if url is not None:
            return self._checked(url)
        host = host if host is not None else settings.server_host()
        port = port if port is not None else settings.server_port()
        return self._checked(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    def _checked(self, url: str) -> str:
        if url != self._checked_url:
            _check_url(url)
            self._checked_url = url
        return url.rstrip("/")

    @property
    def timeout(self) -> float:
        """Seconds that a call may take."""
        return self.address.timeout if self.address.timeout is not None else settings.server_timeout()

    def call(self, operation: Any, *path: str, **arguments: Any) -> Any:
        """The parsed answer of an operation (a module of `registry_client.api`); None for 304.

        Raises:
            ValidationError: what the server answered, as a local registry would raise it, or `RemoteError`.
        """
        return self._understood(
            lambda client: operation.sync_detailed(*path, client=client, **arguments),
            not_modified=bool(arguments.get("if_none_match")),
        )

    def raw(self, operation: Any, *path: str, **arguments: Any) -> dict[str, Any]:
        """The answer of an operation as JSON has it, with `Body` as its ``body``.

        For many entries at once: to make an object of each, as `call` does, costs more than all the rest.

        Raises:
            ValidationError: as `call`.
        """
        requested = operation._get_kwargs(*path, **arguments)
        found: list[dict[str, Any]] = []

        def ask(client: Client) -> Response[Any]:
            response = client.get_httpx_client().request(**requested)
            if response.status_code != HTTPStatus.OK:
                return cast("Response[Any]", operation._build_response(client=client, response=response))
            found.append(json.loads(response.content))
            return Response(HTTPStatus.OK, response.content, response.headers, found)

        self._understood(ask)
        if not found or type(found[0]) is not dict:
            raise outside_contract(self.url, "an answer that is not as specified")
        return found[0]

    def _understood(self, ask: Callable[[Client], Response[Any]], *, not_modified: bool = False) -> Any:
        server = self.url
        try:
            response = ask(self._client(server))
        except UnexpectedStatus as error:
            raise outside_contract(server, f"status {error.status_code}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, ValidationError):
                raise  # ours; some of them are also builtins
            reason = f"an answer that is not as specified ({type(error).__name__})"
            raise outside_contract(server, reason) from error
        answer = response.parsed
        if not is_as_specified(answer):
            raise outside_contract(server, "an answer that is not as specified")
        if isinstance(answer, Problem):
            raise_problem(answer, server, repeated=REPEATED in response.headers)
        not_modified = not_modified and response.status_code == HTTPStatus.NOT_MODIFIED
        if answer is None and not not_modified:
            raise outside_contract(server, f"status {response.status_code:d} without its body")
        return answer

    def pages(self, operation: Any, *path: str, prefix: str = "") -> Iterator[Any]:
        """The pages of a listing, each asked for when its turn comes."""
        page: Any = UNSET
        while True:
            listing = self.call(operation, *path, prefix=prefix or UNSET, limit=PAGE_ENTRIES, page=page)
            yield listing
            if not listing.next_:
                return
            if listing.next_ == page:
                raise outside_contract(self.url, "a page that is followed by itself")
            page = listing.next_

    def _client(self, server: str) -> Client:
        known = self._client_of_url
        if known is not None and known[0] == server:
            return known[1]
        client = Client(base_url=server, raise_on_unexpected_status=True)
        client.set_httpx_client(cast(httpx.Client, self.http_client(server)))
        self._client_of_url = (server, client)
        return client

    def http_client(self, server: str) -> RegistryHttpClient:
        """What calls of this server are sent through."""
        return RegistryHttpClient(server, timeout=lambda: self.timeout, token=self._current_token)

    def _current_token(self) -> str | None:
        return self._token if self._token is not None else settings.server_token()


def _check_url(url: str) -> None:
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.host:
        raise ValidationError(
            f"Not a server's address: {url!r}",
            suggestions=["http://localhost:8001"],
            context={"url": url},
        )
