from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.watch_answer import WatchAnswer
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    *,
    since: str | Unset = UNSET,
    wait: int | Unset = 25,
    limit: int | Unset = 1000,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["since"] = since

    params["wait"] = wait

    params["limit"] = limit

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/registry/{namespace}/watch".format(
            namespace=quote(str(namespace), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | WatchAnswer | None:
    if response.status_code == 200:
        response_200 = WatchAnswer.from_dict(response.json())

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
) -> Response[Problem | WatchAnswer]:
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
    since: str | Unset = UNSET,
    wait: int | Unset = 25,
    limit: int | Unset = 1000,
) -> Response[Problem | WatchAnswer]:
    """The changes after a cursor, as they come

     - **REG-WCH-01** Answers the changes after `since`, in order, at once where there are any; else as
    soon as
      there is one; else, after `wait` seconds, none. Without `since` it answers at once, with no
    changes.
    - **REG-WCH-02** `cursor` is the `since` of the next request. No change is skipped and none comes
    twice, from
      whichever server over one storage, across restarts too; any cursor or ETag of the namespace may be
    a `since`.
    - **REG-WCH-03** A `since` that cannot be gone on from is answered 410 with `compacted`,
    `epoch_changed` or
      `future_cursor`, and the namespace's cursor: list again, and watch from the listing's first
    cursor.
    - **REG-WCH-04** An answer holds `limit` changes at most, and the rest of a batch that it began.
    `head` is
      where the namespace is; where `cursor` is not there yet, more changes follow at once.
    - **REG-WCH-05** A server that stops answers every waiting request at once.

    Args:
        namespace (str):
        since (str | Unset):
        wait (int | Unset):  Default: 25.
        limit (int | Unset):  Default: 1000.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WatchAnswer]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        since=since,
        wait=wait,
        limit=limit,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    since: str | Unset = UNSET,
    wait: int | Unset = 25,
    limit: int | Unset = 1000,
) -> Problem | WatchAnswer | None:
    """The changes after a cursor, as they come

     - **REG-WCH-01** Answers the changes after `since`, in order, at once where there are any; else as
    soon as
      there is one; else, after `wait` seconds, none. Without `since` it answers at once, with no
    changes.
    - **REG-WCH-02** `cursor` is the `since` of the next request. No change is skipped and none comes
    twice, from
      whichever server over one storage, across restarts too; any cursor or ETag of the namespace may be
    a `since`.
    - **REG-WCH-03** A `since` that cannot be gone on from is answered 410 with `compacted`,
    `epoch_changed` or
      `future_cursor`, and the namespace's cursor: list again, and watch from the listing's first
    cursor.
    - **REG-WCH-04** An answer holds `limit` changes at most, and the rest of a batch that it began.
    `head` is
      where the namespace is; where `cursor` is not there yet, more changes follow at once.
    - **REG-WCH-05** A server that stops answers every waiting request at once.

    Args:
        namespace (str):
        since (str | Unset):
        wait (int | Unset):  Default: 25.
        limit (int | Unset):  Default: 1000.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WatchAnswer
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        since=since,
        wait=wait,
        limit=limit,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    since: str | Unset = UNSET,
    wait: int | Unset = 25,
    limit: int | Unset = 1000,
) -> Response[Problem | WatchAnswer]:
    """The changes after a cursor, as they come

     - **REG-WCH-01** Answers the changes after `since`, in order, at once where there are any; else as
    soon as
      there is one; else, after `wait` seconds, none. Without `since` it answers at once, with no
    changes.
    - **REG-WCH-02** `cursor` is the `since` of the next request. No change is skipped and none comes
    twice, from
      whichever server over one storage, across restarts too; any cursor or ETag of the namespace may be
    a `since`.
    - **REG-WCH-03** A `since` that cannot be gone on from is answered 410 with `compacted`,
    `epoch_changed` or
      `future_cursor`, and the namespace's cursor: list again, and watch from the listing's first
    cursor.
    - **REG-WCH-04** An answer holds `limit` changes at most, and the rest of a batch that it began.
    `head` is
      where the namespace is; where `cursor` is not there yet, more changes follow at once.
    - **REG-WCH-05** A server that stops answers every waiting request at once.

    Args:
        namespace (str):
        since (str | Unset):
        wait (int | Unset):  Default: 25.
        limit (int | Unset):  Default: 1000.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | WatchAnswer]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        since=since,
        wait=wait,
        limit=limit,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    since: str | Unset = UNSET,
    wait: int | Unset = 25,
    limit: int | Unset = 1000,
) -> Problem | WatchAnswer | None:
    """The changes after a cursor, as they come

     - **REG-WCH-01** Answers the changes after `since`, in order, at once where there are any; else as
    soon as
      there is one; else, after `wait` seconds, none. Without `since` it answers at once, with no
    changes.
    - **REG-WCH-02** `cursor` is the `since` of the next request. No change is skipped and none comes
    twice, from
      whichever server over one storage, across restarts too; any cursor or ETag of the namespace may be
    a `since`.
    - **REG-WCH-03** A `since` that cannot be gone on from is answered 410 with `compacted`,
    `epoch_changed` or
      `future_cursor`, and the namespace's cursor: list again, and watch from the listing's first
    cursor.
    - **REG-WCH-04** An answer holds `limit` changes at most, and the rest of a batch that it began.
    `head` is
      where the namespace is; where `cursor` is not there yet, more changes follow at once.
    - **REG-WCH-05** A server that stops answers every waiting request at once.

    Args:
        namespace (str):
        since (str | Unset):
        wait (int | Unset):  Default: 25.
        limit (int | Unset):  Default: 1000.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | WatchAnswer
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            since=since,
            wait=wait,
            limit=limit,
        )
    ).parsed
