from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.delete_entry_result import DeleteEntryResult
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    *,
    key: str,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    params: dict[str, Any] = {}

    params["key"] = key

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/registry/{namespace}/delete".format(
            namespace=quote(str(namespace), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> DeleteEntryResult | Problem | None:
    if response.status_code == 200:
        response_200 = DeleteEntryResult.from_dict(response.json())

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

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 412:
        response_412 = Problem.from_dict(response.json())

        return response_412

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

    if response.status_code == 507:
        response_507 = Problem.from_dict(response.json())

        return response_507

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[DeleteEntryResult | Problem]:
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
    key: str,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[DeleteEntryResult | Problem]:
    """Remove the artifact under a key

     - **REG-DEL-01** Removes the entry in one change. A missing key is 404, or 412 if `If-Match` was
    sent.

    Args:
        namespace (str):
        key (str):
        if_match (str | Unset):
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DeleteEntryResult | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        key=key,
        if_match=if_match,
        if_none_match=if_none_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    key: str,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> DeleteEntryResult | Problem | None:
    """Remove the artifact under a key

     - **REG-DEL-01** Removes the entry in one change. A missing key is 404, or 412 if `If-Match` was
    sent.

    Args:
        namespace (str):
        key (str):
        if_match (str | Unset):
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DeleteEntryResult | Problem
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        key=key,
        if_match=if_match,
        if_none_match=if_none_match,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    key: str,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[DeleteEntryResult | Problem]:
    """Remove the artifact under a key

     - **REG-DEL-01** Removes the entry in one change. A missing key is 404, or 412 if `If-Match` was
    sent.

    Args:
        namespace (str):
        key (str):
        if_match (str | Unset):
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DeleteEntryResult | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        key=key,
        if_match=if_match,
        if_none_match=if_none_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    key: str,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> DeleteEntryResult | Problem | None:
    """Remove the artifact under a key

     - **REG-DEL-01** Removes the entry in one change. A missing key is 404, or 412 if `If-Match` was
    sent.

    Args:
        namespace (str):
        key (str):
        if_match (str | Unset):
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DeleteEntryResult | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            key=key,
            if_match=if_match,
            if_none_match=if_none_match,
        )
    ).parsed
