from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.batch_set_request import BatchSetRequest
from ...models.batch_set_result import BatchSetResult
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    namespace: str,
    *,
    body: BatchSetRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/registry/{namespace}/batch/set".format(
            namespace=quote(str(namespace), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> BatchSetResult | Problem | None:
    if response.status_code == 200:
        response_200 = BatchSetResult.from_dict(response.json())

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
) -> Response[BatchSetResult | Problem]:
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
    body: BatchSetRequest,
) -> Response[BatchSetResult | Problem]:
    """Store many artifacts in one request

     - **REG-BAT-01** Stores the entries in their order, in one transaction, with adjacent revisions; the
    outcomes
      come by index.
    - **REG-BAT-02** An entry whose `expect` fails is answered `refused` with the current entry; the
    others are
      stored. With `atomic`, one that fails refuses them all: 412, with the failures in
      `context.failures`, each with `index`, `key` and the outcome that it would have had. `expect` is
    compared as
      text: a `*`, or an ETag in double quotes, is the version of no entry.
    - **REG-BAT-03** A batch, of reads too, with a malformed entry, a key twice, or more entries than
    published,
      is answered with an error, `invalid_body` for the latter two, and nothing of it is stored.

    Args:
        namespace (str):
        body (BatchSetRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchSetResult | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    body: BatchSetRequest,
) -> BatchSetResult | Problem | None:
    """Store many artifacts in one request

     - **REG-BAT-01** Stores the entries in their order, in one transaction, with adjacent revisions; the
    outcomes
      come by index.
    - **REG-BAT-02** An entry whose `expect` fails is answered `refused` with the current entry; the
    others are
      stored. With `atomic`, one that fails refuses them all: 412, with the failures in
      `context.failures`, each with `index`, `key` and the outcome that it would have had. `expect` is
    compared as
      text: a `*`, or an ETag in double quotes, is the version of no entry.
    - **REG-BAT-03** A batch, of reads too, with a malformed entry, a key twice, or more entries than
    published,
      is answered with an error, `invalid_body` for the latter two, and nothing of it is stored.

    Args:
        namespace (str):
        body (BatchSetRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchSetResult | Problem
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    body: BatchSetRequest,
) -> Response[BatchSetResult | Problem]:
    """Store many artifacts in one request

     - **REG-BAT-01** Stores the entries in their order, in one transaction, with adjacent revisions; the
    outcomes
      come by index.
    - **REG-BAT-02** An entry whose `expect` fails is answered `refused` with the current entry; the
    others are
      stored. With `atomic`, one that fails refuses them all: 412, with the failures in
      `context.failures`, each with `index`, `key` and the outcome that it would have had. `expect` is
    compared as
      text: a `*`, or an ETag in double quotes, is the version of no entry.
    - **REG-BAT-03** A batch, of reads too, with a malformed entry, a key twice, or more entries than
    published,
      is answered with an error, `invalid_body` for the latter two, and nothing of it is stored.

    Args:
        namespace (str):
        body (BatchSetRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchSetResult | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    body: BatchSetRequest,
) -> BatchSetResult | Problem | None:
    """Store many artifacts in one request

     - **REG-BAT-01** Stores the entries in their order, in one transaction, with adjacent revisions; the
    outcomes
      come by index.
    - **REG-BAT-02** An entry whose `expect` fails is answered `refused` with the current entry; the
    others are
      stored. With `atomic`, one that fails refuses them all: 412, with the failures in
      `context.failures`, each with `index`, `key` and the outcome that it would have had. `expect` is
    compared as
      text: a `*`, or an ETag in double quotes, is the version of no entry.
    - **REG-BAT-03** A batch, of reads too, with a malformed entry, a key twice, or more entries than
    published,
      is answered with an error, `invalid_body` for the latter two, and nothing of it is stored.

    Args:
        namespace (str):
        body (BatchSetRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchSetResult | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            body=body,
        )
    ).parsed
