from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.batch_delete_request import BatchDeleteRequest
from ...models.batch_delete_result import BatchDeleteResult
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    namespace: str,
    *,
    body: BatchDeleteRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/registry/{namespace}/batch/delete".format(
            namespace=quote(str(namespace), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> BatchDeleteResult | Problem | None:
    if response.status_code == 200:
        response_200 = BatchDeleteResult.from_dict(response.json())

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
) -> Response[BatchDeleteResult | Problem]:
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
    body: BatchDeleteRequest,
) -> Response[BatchDeleteResult | Problem]:
    """Remove many artifacts in one request

     - **REG-BAT-06** Removes the entries in their order, in one transaction, one change each; the
    outcomes come by
      index. A key that is not there is `missing`, and no change; it refuses no `atomic` batch.
    - **REG-BAT-07** An entry that is not at the version that its `expect` names is `refused` with the
    current
      entry; the others are removed. With `atomic`, one that is refused refuses them all, as in REG-
    BAT-02.

    Args:
        namespace (str):
        body (BatchDeleteRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchDeleteResult | Problem]
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
    body: BatchDeleteRequest,
) -> BatchDeleteResult | Problem | None:
    """Remove many artifacts in one request

     - **REG-BAT-06** Removes the entries in their order, in one transaction, one change each; the
    outcomes come by
      index. A key that is not there is `missing`, and no change; it refuses no `atomic` batch.
    - **REG-BAT-07** An entry that is not at the version that its `expect` names is `refused` with the
    current
      entry; the others are removed. With `atomic`, one that is refused refuses them all, as in REG-
    BAT-02.

    Args:
        namespace (str):
        body (BatchDeleteRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchDeleteResult | Problem
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
    body: BatchDeleteRequest,
) -> Response[BatchDeleteResult | Problem]:
    """Remove many artifacts in one request

     - **REG-BAT-06** Removes the entries in their order, in one transaction, one change each; the
    outcomes come by
      index. A key that is not there is `missing`, and no change; it refuses no `atomic` batch.
    - **REG-BAT-07** An entry that is not at the version that its `expect` names is `refused` with the
    current
      entry; the others are removed. With `atomic`, one that is refused refuses them all, as in REG-
    BAT-02.

    Args:
        namespace (str):
        body (BatchDeleteRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchDeleteResult | Problem]
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
    body: BatchDeleteRequest,
) -> BatchDeleteResult | Problem | None:
    """Remove many artifacts in one request

     - **REG-BAT-06** Removes the entries in their order, in one transaction, one change each; the
    outcomes come by
      index. A key that is not there is `missing`, and no change; it refuses no `atomic` batch.
    - **REG-BAT-07** An entry that is not at the version that its `expect` names is `refused` with the
    current
      entry; the others are removed. With `atomic`, one that is refused refuses them all, as in REG-
    BAT-02.

    Args:
        namespace (str):
        body (BatchDeleteRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchDeleteResult | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            body=body,
        )
    ).parsed
