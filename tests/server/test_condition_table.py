"""Every operation x every condition of HTTP: evaluated, refused, or without effect (RFC 9110, section 13)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.test_access_matrix import OPERATIONS, example_request
from tests.server.wire import get, put, setting

SPACE = "conditions"
FIELDS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"

MALFORMED = ("x.1", '"x', 'x"', '"a" "b"', '*, "a"', "W/x", ",", ",,", '"a"b"', '"a",*')

HONOURED = {
    ("set_entry", "If-Match"),
    ("set_entry", "If-None-Match"),
    ("delete_entry", "If-Match"),
    ("delete_entry", "If-None-Match"),
    ("get_entry", "If-Match"),
    ("get_entry", "If-None-Match"),
}
"""Operation and condition; each is tried out below, one by one."""


def is_without_effect(method: str, field: str) -> bool:
    return method.upper() == "GET" and field in ("If-None-Match", "If-Modified-Since")


async def asked(client: Any, operation: str, **fields: str) -> Any:
    method, path, definition = OPERATIONS[operation]
    return await client.request(method, headers=fields, **example_request(path, definition, SPACE))


async def everything(client: Any) -> tuple[Any, Any]:
    return (
        (await client.get(f"/registry/{SPACE}/items")).json(),
        (await client.get("/namespaces")).json(),
    )


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_no_condition_is_left_out(operation: str, field: str, client: Any) -> None:
    """REG-COND-02."""
    method, _, _ = OPERATIONS[operation]
    await put(client, "k", space=SPACE)
    before = await everything(client)
    plain = await asked(client, operation) if method.upper() == "GET" else None

    answers = [await asked(client, operation, **{field: text}) for text in ("*", '"a.1"', DATE, *MALFORMED)]

    if (operation, field) in HONOURED:
        return
    if is_without_effect(method, field):
        assert {answer.status_code for answer in answers} == {plain.status_code}
    else:
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
            (400, "invalid_request")
        }
        assert await everything(client) == before


ROWS = [
    ("set_entry", "If-Match", "current", 200),
    ("set_entry", "If-Match", "other", 412),
    ("set_entry", "If-Match", "*", 200),
    ("set_entry", "If-Match", "amid commas", 200),
    ("set_entry", "If-Match", "weak", 400),
    ("set_entry", "If-Match", "list", 400),
    ("set_entry", "If-None-Match", "*", 412),
    ("set_entry", "If-None-Match", "current", 400),
    ("delete_entry", "If-Match", "current", 200),
    ("delete_entry", "If-Match", "other", 412),
    ("delete_entry", "If-Match", "*", 200),
    ("delete_entry", "If-Match", "amid commas", 200),
    ("delete_entry", "If-Match", "weak", 400),
    ("delete_entry", "If-Match", "list", 400),
    ("delete_entry", "If-None-Match", "*", 412),
    ("delete_entry", "If-None-Match", "current", 400),
    ("get_entry", "If-Match", "current", 200),
    ("get_entry", "If-Match", "other", 412),
    ("get_entry", "If-Match", "*", 200),
    ("get_entry", "If-Match", "amid commas", 200),
    ("get_entry", "If-Match", "weak", 412),
    ("get_entry", "If-Match", "list", 200),
    ("get_entry", "If-None-Match", "*", 304),
    ("get_entry", "If-None-Match", "current", 304),
    ("get_entry", "If-None-Match", "other", 200),
    ("get_entry", "If-None-Match", "amid commas", 304),
    ("get_entry", "If-None-Match", "weak", 304),
    ("get_entry", "If-None-Match", "list", 304),
    *(
        (operation, field, text, 400)
        for operation, field in sorted(HONOURED)
        for text in MALFORMED
        if (operation, field) != ("get_entry", "If-None-Match")
    ),
    *(("get_entry", "If-None-Match", text, 400) for text in MALFORMED),
]


def spelled(text: str, etag: str) -> str:
    return {
        "current": f'"{etag}"',
        "other": '"another.1"',
        "amid commas": f', ,"{etag}",,',
        "weak": f'W/"{etag}"',
        "list": f'"another.1", "{etag}"',
    }.get(text, text)


@pytest.mark.parametrize(("operation", "field", "text", "status"), ROWS)
async def test_a_condition_is_evaluated(
    operation: str, field: str, text: str, status: int, client: Any
) -> None:
    """REG-COND-01, REG-COND-02, REG-COND-03, REG-COND-04."""
    stored = await put(client, "k", space=SPACE)
    before = await everything(client)
    method = OPERATIONS[operation][0]
    request: dict[str, Any] = (
        {"params": {"key": "k"}} if operation != "set_entry" else {"json": setting("k", 2)}
    )
    path = OPERATIONS[operation][1].replace("{namespace}", SPACE)

    answer = await client.request(method, path, headers={field: spelled(text, stored["etag"])}, **request)

    assert answer.status_code == status, answer.text
    if status >= 400 or operation == "get_entry":
        assert await everything(client) == before
    if status == 412:
        assert answer.json()["current"]["etag"] == stored["etag"]


@pytest.mark.parametrize("operation", ["set_entry", "delete_entry"])
async def test_both_conditions_on_a_write_are_refused(operation: str, client: Any) -> None:
    """REG-COND-02."""
    await put(client, "k", space=SPACE)
    method, path, _ = OPERATIONS[operation]
    request: dict[str, Any] = (
        {"params": {"key": "k"}} if operation != "set_entry" else {"json": setting("k", 2)}
    )

    answer = await client.request(
        method, path.replace("{namespace}", SPACE), headers={"If-Match": "*", "If-None-Match": "*"}, **request
    )

    assert answer.status_code == 400
    assert (await get(client, "k", space=SPACE)).json()["revision"] == 1


async def test_if_match_of_a_read_comes_first(client: Any) -> None:
    """REG-COND-04, RFC 9110, section 13.2.2."""
    stored = await put(client, "k", space=SPACE)
    current = f'"{stored["etag"]}"'

    both = await get(client, "k", space=SPACE, **{"If-Match": current, "If-None-Match": current})
    false = await get(client, "k", space=SPACE, **{"If-Match": '"x.1"', "If-None-Match": current})

    assert (both.status_code, false.status_code) == (304, 412)
