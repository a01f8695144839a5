from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.entry_answer import EntryAnswer
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    *,
    key: str,
    suggest: int | Unset = 0,
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

    params["suggest"] = suggest

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/registry/{namespace}/get".format(
            namespace=quote(str(namespace), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | EntryAnswer | Problem | None:
    if response.status_code == 200:
        response_200 = EntryAnswer.from_dict(response.json())

        return response_200

    if response.status_code == 304:
        response_304 = cast(Any, None)
        return response_304

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

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | EntryAnswer | Problem]:
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
    suggest: int | Unset = 0,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[Any | EntryAnswer | Problem]:
    """The artifact under a key

     - **REG-GET-01** Answers the envelope as it was stored, with its revision, ETag and digest.
    - **REG-GET-02** A missing key is answered 404 with the namespace's cursor. With `suggest` the
    problem's
      `suggestions` are near names, of at most 2,000 candidates; without it none are looked for. Its
      `context` names `key` and `namespace`.

    Args:
        namespace (str):
        key (str):
        suggest (int | Unset):  Default: 0.
        if_match (str | Unset):
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | EntryAnswer | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        key=key,
        suggest=suggest,
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
    suggest: int | Unset = 0,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Any | EntryAnswer | Problem | None:
    """The artifact under a key

     - **REG-GET-01** Answers the envelope as it was stored, with its revision, ETag and digest.
    - **REG-GET-02** A missing key is answered 404 with the namespace's cursor. With `suggest` the
    problem's
      `suggestions` are near names, of at most 2,000 candidates; without it none are looked for. Its
      `context` names `key` and `namespace`.

    Args:
        namespace (str):
        key (str):
        suggest (int | Unset):  Default: 0.
        if_match (str | Unset):
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | EntryAnswer | Problem
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        key=key,
        suggest=suggest,
        if_match=if_match,
        if_none_match=if_none_match,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    key: str,
    suggest: int | Unset = 0,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[Any | EntryAnswer | Problem]:
    """The artifact under a key

     - **REG-GET-01** Answers the envelope as it was stored, with its revision, ETag and digest.
    - **REG-GET-02** A missing key is answered 404 with the namespace's cursor. With `suggest` the
    problem's
      `suggestions` are near names, of at most 2,000 candidates; without it none are looked for. Its
      `context` names `key` and `namespace`.

    Args:
        namespace (str):
        key (str):
        suggest (int | Unset):  Default: 0.
        if_match (str | Unset):
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | EntryAnswer | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        key=key,
        suggest=suggest,
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
    suggest: int | Unset = 0,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Any | EntryAnswer | Problem | None:
    """The artifact under a key

     - **REG-GET-01** Answers the envelope as it was stored, with its revision, ETag and digest.
    - **REG-GET-02** A missing key is answered 404 with the namespace's cursor. With `suggest` the
    problem's
      `suggestions` are near names, of at most 2,000 candidates; without it none are looked for. Its
      `context` names `key` and `namespace`.

    Args:
        namespace (str):
        key (str):
        suggest (int | Unset):  Default: 0.
        if_match (str | Unset):
        if_none_match (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | EntryAnswer | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            key=key,
            suggest=suggest,
            if_match=if_match,
            if_none_match=if_none_match,
        )
    ).parsed
