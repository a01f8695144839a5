from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.capabilities import Capabilities
from ...models.problem import Problem
from ...types import Response


def _get_kwargs() -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/capabilities",
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Capabilities | Problem | None:
    if response.status_code == 200:
        response_200 = Capabilities.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 421:
        response_421 = Problem.from_dict(response.json())

        return response_421

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    if response.status_code == 431:
        response_431 = Problem.from_dict(response.json())

        return response_431

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Capabilities | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
) -> Response[Capabilities | Problem]:
    """What this server offers

     - **REG-SRV-04** Names the protocol's version, the profiles this server keeps the promises of, and
    the limits
      it enforces. A profile that is not named is not promised. `batch` and `watch` are the operations
    of those
      tags, answered 404 `not_found` where they are not offered; `conditional` is REG-COND but for REG-
    COND-08; `core` is the rest.
      `value_bytes` counts an envelope's data, in bytes of UTF-8.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Capabilities | Problem]
    """

    kwargs = _get_kwargs()

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
) -> Capabilities | Problem | None:
    """What this server offers

     - **REG-SRV-04** Names the protocol's version, the profiles this server keeps the promises of, and
    the limits
      it enforces. A profile that is not named is not promised. `batch` and `watch` are the operations
    of those
      tags, answered 404 `not_found` where they are not offered; `conditional` is REG-COND but for REG-
    COND-08; `core` is the rest.
      `value_bytes` counts an envelope's data, in bytes of UTF-8.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Capabilities | Problem
    """

    return sync_detailed(
        client=client,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
) -> Response[Capabilities | Problem]:
    """What this server offers

     - **REG-SRV-04** Names the protocol's version, the profiles this server keeps the promises of, and
    the limits
      it enforces. A profile that is not named is not promised. `batch` and `watch` are the operations
    of those
      tags, answered 404 `not_found` where they are not offered; `conditional` is REG-COND but for REG-
    COND-08; `core` is the rest.
      `value_bytes` counts an envelope's data, in bytes of UTF-8.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Capabilities | Problem]
    """

    kwargs = _get_kwargs()

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
) -> Capabilities | Problem | None:
    """What this server offers

     - **REG-SRV-04** Names the protocol's version, the profiles this server keeps the promises of, and
    the limits
      it enforces. A profile that is not named is not promised. `batch` and `watch` are the operations
    of those
      tags, answered 404 `not_found` where they are not offered; `conditional` is REG-COND but for REG-
    COND-08; `core` is the rest.
      `value_bytes` counts an envelope's data, in bytes of UTF-8.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Capabilities | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
        )
    ).parsed
