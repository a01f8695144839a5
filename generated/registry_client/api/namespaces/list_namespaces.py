from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.namespace_page import NamespacePage
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 100,
    page: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["prefix"] = prefix

    params["limit"] = limit

    params["page"] = page

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/namespaces",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> NamespacePage | Problem | None:
    if response.status_code == 200:
        response_200 = NamespacePage.from_dict(response.json())

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

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[NamespacePage | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 100,
    page: str | Unset = UNSET,
) -> Response[NamespacePage | Problem]:
    """The namespaces that hold entries

     - **REG-NSP-01** Lists the namespaces that hold at least one entry, by name in code point order,
    paged: `next`
      is there exactly if more follow, and is given back as `page` with the same `prefix`; anywhere else
    it is
      answered 400 `invalid_page`.

    Args:
        prefix (str | Unset):
        limit (int | Unset):  Default: 100.
        page (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[NamespacePage | Problem]
    """

    kwargs = _get_kwargs(
        prefix=prefix,
        limit=limit,
        page=page,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 100,
    page: str | Unset = UNSET,
) -> NamespacePage | Problem | None:
    """The namespaces that hold entries

     - **REG-NSP-01** Lists the namespaces that hold at least one entry, by name in code point order,
    paged: `next`
      is there exactly if more follow, and is given back as `page` with the same `prefix`; anywhere else
    it is
      answered 400 `invalid_page`.

    Args:
        prefix (str | Unset):
        limit (int | Unset):  Default: 100.
        page (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        NamespacePage | Problem
    """

    return sync_detailed(
        client=client,
        prefix=prefix,
        limit=limit,
        page=page,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 100,
    page: str | Unset = UNSET,
) -> Response[NamespacePage | Problem]:
    """The namespaces that hold entries

     - **REG-NSP-01** Lists the namespaces that hold at least one entry, by name in code point order,
    paged: `next`
      is there exactly if more follow, and is given back as `page` with the same `prefix`; anywhere else
    it is
      answered 400 `invalid_page`.

    Args:
        prefix (str | Unset):
        limit (int | Unset):  Default: 100.
        page (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[NamespacePage | Problem]
    """

    kwargs = _get_kwargs(
        prefix=prefix,
        limit=limit,
        page=page,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 100,
    page: str | Unset = UNSET,
) -> NamespacePage | Problem | None:
    """The namespaces that hold entries

     - **REG-NSP-01** Lists the namespaces that hold at least one entry, by name in code point order,
    paged: `next`
      is there exactly if more follow, and is given back as `page` with the same `prefix`; anywhere else
    it is
      answered 400 `invalid_page`.

    Args:
        prefix (str | Unset):
        limit (int | Unset):  Default: 100.
        page (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        NamespacePage | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            prefix=prefix,
            limit=limit,
            page=page,
        )
    ).parsed
