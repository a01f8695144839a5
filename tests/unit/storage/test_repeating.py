"""What each operation of the contract does when a server fails: it goes on, or says what it does not know."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

import pytest

from registry.errors import OutcomeUnknownError, ServerTimeoutError, ValidationError
from registry.spec import load_spec
from registry.storage.call import is_read
from registry.storage.http import RegistryHttpClient
from registry.storage.remote import RemoteStorageProxy
from registry.storage.servers import Servers
from tests.unit.storage.bad_server import (
    ETAG,
    BadServer,
    Exchange,
    answers,
    entry,
    json_envelope,
    resets,
    stays_silent,
)

METHODS = ("get", "head", "post", "put", "patch", "delete")
READ_SCOPES = (None, "any", "read")
"""Without a scope an operation needs no token, so it writes nothing."""

CONDITIONS = {"If-Match": f'"{ETAG}"', "If-None-Match": "*"}
SECONDS = 3.0


class Asked(NamedTuple):
    """An operation, as it is sent."""

    name: str
    method: str
    path: str
    kind: str
    headers: dict[str, str]


def operations() -> Iterator[tuple[str, str, str, bool]]:
    for path, item in load_spec()["paths"].items():
        for method in METHODS:
            if method in item:
                reads = item[method].get("x-scope") in READ_SCOPES
                yield (
                    item[method]["operationId"],
                    method.upper(),
                    path.replace("{namespace}", "a.watch"),
                    reads,
                )


def asked() -> Iterator[Asked]:
    for name, method, path, reads in operations():
        yield Asked(name, method, path, "read" if reads else "write", {})
        if not reads:
            for field, condition in CONDITIONS.items():
                yield Asked(f"{name} {field}", method, path, "conditional", {field: condition})


ASKED = list(asked())


class SlamsTheDoor(BadServer):
    """Resets each connection before it reads anything."""

    def _serve(self, connection: socket.socket) -> None:
        self.requests.append(None)  # type: ignore[arg-type]
        Exchange(connection, None, self._closing).reset()  # type: ignore[arg-type]


def refusing() -> socket.socket:
    """A socket whose port refuses connections and cannot be given to another."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


FAULTS = {
    "reset before it reads": lambda: SlamsTheDoor(()),
    "reset after it has read": lambda: BadServer([resets]),
    "502": lambda: BadServer([answers(502, b"<html>", content="text/html")]),
    "504": lambda: BadServer([answers(504, b"<html>", content="text/html")]),
    "503 of a proxy": lambda: BadServer([answers(503, b"<html>", content="text/html")]),
    "hang": lambda: BadServer([stays_silent]),
    "refused": refusing,
}

GOES_ON, UNKNOWN, TIMEOUT = "goes on", "OutcomeUnknownError", "ServerTimeoutError"
LOST = {"read": GOES_ON, "conditional": GOES_ON, "write": UNKNOWN}
EXPECTED = {
    "reset before it reads": LOST,
    "reset after it has read": LOST,
    "502": LOST,
    "504": LOST,
    "503 of a proxy": {"read": GOES_ON, "conditional": GOES_ON, "write": "503"},
    "hang": {"read": GOES_ON, "conditional": TIMEOUT, "write": UNKNOWN},
    "refused": {"read": GOES_ON, "conditional": GOES_ON, "write": GOES_ON},
}


def client_of(faulty, good: BadServer) -> RegistryHttpClient:
    url = f"http://127.0.0.1:{faulty.getsockname()[1]}" if isinstance(faulty, socket.socket) else faulty.url
    return RegistryHttpClient(Servers([url, good.url]), timeout=lambda: SECONDS, token=lambda: None)


def outcome_of(answer: object, good: BadServer) -> str:
    """What became of a call, given its response or its error."""
    if isinstance(answer, (OutcomeUnknownError, ServerTimeoutError)):
        assert good.requests == [], "sent again although the first may still be done"
        return type(answer).__name__
    if isinstance(answer, BaseException):
        return repr(answer)
    status = answer.status_code  # type: ignore[attr-defined]
    return GOES_ON if status == 200 and len(good.requests) == 1 else str(status)


def test_what_only_reads_is_told_by_the_operation():
    said = {name: is_read(method, path) for name, method, path, _ in operations()}

    assert said == {name: reads for name, _, _, reads in operations()}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
def test_every_operation_at_every_fault(fault, awaited):
    def blocking(one: Asked) -> str:
        with closing(FAULTS[fault]()) as faulty, closing(BadServer([answers(200, {})])) as good:
            try:
                answer = client_of(faulty, good).request(one.method, one.path, headers=one.headers)
            except ValidationError as error:
                answer = error
            return outcome_of(answer, good)

    async def all_awaited() -> list[str]:
        pairs = [(FAULTS[fault](), BadServer([answers(200, {})])) for _ in ASKED]
        try:
            calls = [
                client_of(faulty, good).awaited_request(one.method, one.path, headers=one.headers)
                for one, (faulty, good) in zip(ASKED, pairs, strict=True)
            ]
            found = await asyncio.gather(*calls, return_exceptions=True)
            return [outcome_of(answer, good) for answer, (_, good) in zip(found, pairs, strict=True)]
        finally:
            for faulty, good in pairs:
                faulty.close()
                good.close()

    if awaited:
        outcomes = asyncio.run(all_awaited())
    else:
        with ThreadPoolExecutor(len(ASKED)) as pool:
            outcomes = list(pool.map(blocking, ASKED))

    told = {one.name: outcome for one, outcome in zip(ASKED, outcomes, strict=True)}
    expected = {one.name: EXPECTED[fault][one.kind] for one in ASKED}
    if fault == "reset before it reads":  # a reset that comes before the first byte is a refused connection
        expected |= {name: GOES_ON for name, outcome in told.items() if outcome == GOES_ON}
    assert told == expected


def test_many_artifacts_are_read_from_the_next_server(server_that):
    outcome = {"outcome": "found", **entry(json_envelope(42))}
    first = server_that(resets)
    second = server_that(answers(200, {"outcomes": [outcome], "cursor": ETAG}))
    storage = RemoteStorageProxy("research.losses", url=[first.url, second.url])

    assert storage.get_many(["mse"]) == {"mse": 42}
