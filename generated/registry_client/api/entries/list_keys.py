from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.key_page import KeyPage
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
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
        "url": "/registry/{namespace}/keys".format(
            namespace=quote(str(namespace), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> KeyPage | Problem | None:
    if response.status_code == 200:
        response_200 = KeyPage.from_dict(response.json())

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

    if response.status_code == 410:
        response_410 = Problem.from_dict(response.json())

        return response_410

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
) -> Response[KeyPage | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 100,
    page: str | Unset = UNSET,
) -> Response[KeyPage | Problem]:
    """The keys, in creation order

     - **REG-LST-01** Lists in creation order. `next` is there exactly if more follow, and is given back
    as `page`
      with the same `prefix`. A token that is used for another listing, of another operation, namespace
    or `prefix`,
      is answered 400 `invalid_page`.
    - **REG-LST-02** Pages are stable under writes: an entry that was there when the first page was read
    and is
      there when the last one is, comes exactly once.
    - **REG-LST-03** A page token of an earlier epoch is answered 410.

    Args:
        namespace (str):
        prefix (str | Unset):
        limit (int | Unset):  Default: 100.
        page (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[KeyPage | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        prefix=prefix,
        limit=limit,
        page=page,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 100,
    page: str | Unset = UNSET,
) -> KeyPage | Problem | None:
    """The keys, in creation order

     - **REG-LST-01** Lists in creation order. `next` is there exactly if more follow, and is given back
    as `page`
      with the same `prefix`. A token that is used for another listing, of another operation, namespace
    or `prefix`,
      is answered 400 `invalid_page`.
    - **REG-LST-02** Pages are stable under writes: an entry that was there when the first page was read
    and is
      there when the last one is, comes exactly once.
    - **REG-LST-03** A page token of an earlier epoch is answered 410.

    Args:
        namespace (str):
        prefix (str | Unset):
        limit (int | Unset):  Default: 100.
        page (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        KeyPage | Problem
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        prefix=prefix,
        limit=limit,
        page=page,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 100,
    page: str | Unset = UNSET,
) -> Response[KeyPage | Problem]:
    """The keys, in creation order

     - **REG-LST-01** Lists in creation order. `next` is there exactly if more follow, and is given back
    as `page`
      with the same `prefix`. A token that is used for another listing, of another operation, namespace
    or `prefix`,
      is answered 400 `invalid_page`.
    - **REG-LST-02** Pages are stable under writes: an entry that was there when the first page was read
    and is
      there when the last one is, comes exactly once.
    - **REG-LST-03** A page token of an earlier epoch is answered 410.

    Args:
        namespace (str):
        prefix (str | Unset):
        limit (int | Unset):  Default: 100.
        page (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[KeyPage | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        prefix=prefix,
        limit=limit,
        page=page,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    prefix: str | Unset = UNSET,
    limit: int | Unset = 100,
    page: str | Unset = UNSET,
) -> KeyPage | Problem | None:
    """The keys, in creation order

     - **REG-LST-01** Lists in creation order. `next` is there exactly if more follow, and is given back
    as `page`
      with the same `prefix`. A token that is used for another listing, of another operation, namespace
    or `prefix`,
      is answered 400 `invalid_page`.
    - **REG-LST-02** Pages are stable under writes: an entry that was there when the first page was read
    and is
      there when the last one is, comes exactly once.
    - **REG-LST-03** A page token of an earlier epoch is answered 410.

    Args:
        namespace (str):
        prefix (str | Unset):
        limit (int | Unset):  Default: 100.
        page (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        KeyPage | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            prefix=prefix,
            limit=limit,
            page=page,
        )
    ).parsed
