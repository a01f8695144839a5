from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.set_entry_request import SetEntryRequest
from ...models.set_entry_result import SetEntryResult
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    *,
    body: SetEntryRequest,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/registry/{namespace}/set".format(
            namespace=quote(str(namespace), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | SetEntryResult | None:
    if response.status_code == 200:
        response_200 = SetEntryResult.from_dict(response.json())

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

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

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
) -> Response[Problem | SetEntryResult]:
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
    body: SetEntryRequest,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[Problem | SetEntryResult]:
    """Store an artifact under a key

     - **REG-SET-01** Stores the value under the key and answers `created` or `replaced` with the new
    revision.
    - **REG-SET-02** A value equal in every field to the stored one is answered `unchanged` with the
    entry's
      revision as it was; nothing changes and no revision is used.
    - **REG-SET-03** Registration is one request: `If-None-Match: *`, and a 412 tells whose the key is
    in
      `current.meta`.
    - **REG-SET-04** A replaced entry keeps its place in listings.

    Args:
        namespace (str):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (SetEntryRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SetEntryResult]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        body=body,
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
    body: SetEntryRequest,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Problem | SetEntryResult | None:
    """Store an artifact under a key

     - **REG-SET-01** Stores the value under the key and answers `created` or `replaced` with the new
    revision.
    - **REG-SET-02** A value equal in every field to the stored one is answered `unchanged` with the
    entry's
      revision as it was; nothing changes and no revision is used.
    - **REG-SET-03** Registration is one request: `If-None-Match: *`, and a 412 tells whose the key is
    in
      `current.meta`.
    - **REG-SET-04** A replaced entry keeps its place in listings.

    Args:
        namespace (str):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (SetEntryRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SetEntryResult
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        body=body,
        if_match=if_match,
        if_none_match=if_none_match,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    body: SetEntryRequest,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[Problem | SetEntryResult]:
    """Store an artifact under a key

     - **REG-SET-01** Stores the value under the key and answers `created` or `replaced` with the new
    revision.
    - **REG-SET-02** A value equal in every field to the stored one is answered `unchanged` with the
    entry's
      revision as it was; nothing changes and no revision is used.
    - **REG-SET-03** Registration is one request: `If-None-Match: *`, and a 412 tells whose the key is
    in
      `current.meta`.
    - **REG-SET-04** A replaced entry keeps its place in listings.

    Args:
        namespace (str):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (SetEntryRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | SetEntryResult]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        body=body,
        if_match=if_match,
        if_none_match=if_none_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    body: SetEntryRequest,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Problem | SetEntryResult | None:
    """Store an artifact under a key

     - **REG-SET-01** Stores the value under the key and answers `created` or `replaced` with the new
    revision.
    - **REG-SET-02** A value equal in every field to the stored one is answered `unchanged` with the
    entry's
      revision as it was; nothing changes and no revision is used.
    - **REG-SET-03** Registration is one request: `If-None-Match: *`, and a 412 tells whose the key is
    in
      `current.meta`.
    - **REG-SET-04** A replaced entry keeps its place in listings.

    Args:
        namespace (str):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (SetEntryRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | SetEntryResult
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            body=body,
            if_match=if_match,
            if_none_match=if_none_match,
        )
    ).parsed
