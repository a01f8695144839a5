from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.watch_many_answer import WatchManyAnswer
from ...models.watch_request import WatchRequest
from ...types import Response


def _get_kwargs(
    *,
    body: WatchRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/watch",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | WatchManyAnswer | None:
    if response.status_code == 200:
        response_200 = WatchManyAnswer.from_dict(response.json())

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

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Problem | WatchManyAnswer]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: WatchRequest,
) -> Response[Problem | WatchManyAnswer]:
    """The changes of many namespaces, as they come

     - **REG-WCH-06** As `/registry/{namespace}/watch` for up to 1,000 namespaces in one request. It
    answers as soon
      as one of them has moved past its cursor, and lists those only; a namespace whose cursor cannot be
    gone on
      from is listed with `gone`, the code of REG-WCH-03, and its current cursor, and does not hide the
    others.
      Once it holds 1,000 changes, what else has moved comes with the next request, at once.

    Args:
        body (WatchRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WatchManyAnswer]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: WatchRequest,
) -> Problem | WatchManyAnswer | None:
    """The changes of many namespaces, as they come

     - **REG-WCH-06** As `/registry/{namespace}/watch` for up to 1,000 namespaces in one request. It
    answers as soon
      as one of them has moved past its cursor, and lists those only; a namespace whose cursor cannot be
    gone on
      from is listed with `gone`, the code of REG-WCH-03, and its current cursor, and does not hide the
    others.
      Once it holds 1,000 changes, what else has moved comes with the next request, at once.

    Args:
        body (WatchRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WatchManyAnswer
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: WatchRequest,
) -> Response[Problem | WatchManyAnswer]:
    """The changes of many namespaces, as they come

     - **REG-WCH-06** As `/registry/{namespace}/watch` for up to 1,000 namespaces in one request. It
    answers as soon
      as one of them has moved past its cursor, and lists those only; a namespace whose cursor cannot be
    gone on
      from is listed with `gone`, the code of REG-WCH-03, and its current cursor, and does not hide the
    others.
      Once it holds 1,000 changes, what else has moved comes with the next request, at once.

    Args:
        body (WatchRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WatchManyAnswer]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: WatchRequest,
) -> Problem | WatchManyAnswer | None:
    """The changes of many namespaces, as they come

     - **REG-WCH-06** As `/registry/{namespace}/watch` for up to 1,000 namespaces in one request. It
    answers as soon
      as one of them has moved past its cursor, and lists those only; a namespace whose cursor cannot be
    gone on
      from is listed with `gone`, the code of REG-WCH-03, and its current cursor, and does not hide the
    others.
      Once it holds 1,000 changes, what else has moved comes with the next request, at once.

    Args:
        body (WatchRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WatchManyAnswer
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
