from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.clear_result import ClearResult
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    *,
    if_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/registry/{namespace}/clear".format(
            namespace=quote(str(namespace), safe=""),
        ),
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ClearResult | Problem | None:
    if response.status_code == 200:
        response_200 = ClearResult.from_dict(response.json())

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
) -> Response[ClearResult | Problem]:
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
    if_match: str | Unset = UNSET,
) -> Response[ClearResult | Problem]:
    """Remove all entries of a namespace

     - **REG-CLR-01** Removes all entries in one change and answers how many they were. Of an empty
    namespace
      nothing changes. Revisions go on from where they were.
    - **REG-CLR-02** With `If-Match`, it clears only a namespace whose cursor is among those named; else
    it is
      answered 412 with the namespace's cursor, and nothing changes.

    Args:
        namespace (str):
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ClearResult | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        if_match=if_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    if_match: str | Unset = UNSET,
) -> ClearResult | Problem | None:
    """Remove all entries of a namespace

     - **REG-CLR-01** Removes all entries in one change and answers how many they were. Of an empty
    namespace
      nothing changes. Revisions go on from where they were.
    - **REG-CLR-02** With `If-Match`, it clears only a namespace whose cursor is among those named; else
    it is
      answered 412 with the namespace's cursor, and nothing changes.

    Args:
        namespace (str):
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ClearResult | Problem
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        if_match=if_match,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    if_match: str | Unset = UNSET,
) -> Response[ClearResult | Problem]:
    """Remove all entries of a namespace

     - **REG-CLR-01** Removes all entries in one change and answers how many they were. Of an empty
    namespace
      nothing changes. Revisions go on from where they were.
    - **REG-CLR-02** With `If-Match`, it clears only a namespace whose cursor is among those named; else
    it is
      answered 412 with the namespace's cursor, and nothing changes.

    Args:
        namespace (str):
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ClearResult | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        if_match=if_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    if_match: str | Unset = UNSET,
) -> ClearResult | Problem | None:
    """Remove all entries of a namespace

     - **REG-CLR-01** Removes all entries in one change and answers how many they were. Of an empty
    namespace
      nothing changes. Revisions go on from where they were.
    - **REG-CLR-02** With `If-Match`, it clears only a namespace whose cursor is among those named; else
    it is
      answered 412 with the namespace's cursor, and nothing changes.

    Args:
        namespace (str):
        if_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ClearResult | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            if_match=if_match,
        )
    ).parsed
