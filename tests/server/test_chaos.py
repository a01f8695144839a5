"""A server that fails on purpose: what its options spell, and what a client of any language then meets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry_server.chaos.options import Chaos, ChaosError, parse_chaos
from tests.server.processes import LiveServer

ALWAYS = {"errors": 1.0, "drop_watch": 1.0, "compact": 1.0, "truncate": 1.0}
VALUE = {"type": "json", "data": "1", "encoding": "json"}


def key(text: str) -> dict[str, str]:
    return {"type": "json", "data": json.dumps(text), "encoding": "json"}


class TestOptions:
    def test_all_of_them(self) -> None:
        text = "latency=0.2, errors=0.1,drop-watch=0.25,compact=1,truncate=0.05,seed=7"

        assert parse_chaos(text) == Chaos(0.2, 0.1, 0.25, 1.0, 0.05, 7)
        assert parse_chaos(str(parse_chaos(text))) == parse_chaos(text)

    def test_what_is_left_out_never_happens(self) -> None:
        chaos = parse_chaos("seed=3")

        fates = [chaos.fate(number, watch=True) for number in range(1_000)]

        assert not any(fate[:-2] != (0.0, False, False, False, False, False) for fate in fates)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "knows no ''"),
            ("errors=0.1,", "knows no ''"),
            ("error=0.1", "knows no 'error'"),
            ("errors", "a probability"),
            ("errors=often", "a probability"),
            ("errors=1.1", "a probability"),
            ("errors=-0.1", "a probability"),
            ("errors=nan", "a probability"),
            ("latency=inf", "seconds"),
            ("latency=61", "seconds"),
            ("seed=1.5", "whole number"),
            ("seed=-1", "whole number"),
            ("seed=²", "whole number"),
            ("errors=0,errors=1", "twice"),
        ],
    )
    def test_what_is_not_understood_is_named(self, text: str, says: str) -> None:
        with pytest.raises(ChaosError, match=says) as refused:
            parse_chaos(text)

        assert refused.value.suggestions

    def test_a_near_name_is_suggested(self) -> None:
        with pytest.raises(ChaosError) as refused:
            parse_chaos("drop-watches=1")

        assert refused.value.suggestions[0] == "drop-watch=..."


class TestFate:
    def test_is_decided_by_seed_and_number(self) -> None:
        chaos = Chaos(0.5, 0.2, 0.2, 0.2, 0.2, seed=7)

        once = [chaos.fate(number, watch=number % 3 == 0) for number in range(500)]

        assert once == [chaos.fate(number, watch=number % 3 == 0) for number in range(500)]
        assert once != [chaos._replace(seed=8).fate(n, watch=n % 3 == 0) for n in range(500)]

    def test_is_the_same_on_every_machine(self) -> None:
        """Known answers: a seed in a bug report means the same faults to everybody."""
        chaos = Chaos(errors=0.3, drop_watch=0.3, compact=0.3, truncate=0.3, seed=7)
        fates = [chaos.fate(number, watch=True) for number in range(1, 31)]

        claims = [next((name for name in NAMES if getattr(fate, name)), "-") for fate in fates]

        assert claims == KNOWN

    @pytest.mark.parametrize("option", ALWAYS)
    def test_comes_as_often_as_asked_for(self, option: str) -> None:
        chaos = Chaos(seed=1)._replace(**{option: 0.2})

        hit = sum(any(chaos.fate(number, watch=True)[1:6]) for number in range(5_000))

        assert 850 < hit < 1_150  # five standard deviations

    def test_at_most_one_thing_happens_to_a_request(self) -> None:
        chaos = Chaos(0.0, 0.6, 0.6, 0.6, 0.6, seed=2)

        assert all(sum(chaos.fate(number, watch=True)[1:6]) <= 1 for number in range(2_000))

    def test_what_is_no_watch_is_not_treated_as_one(self) -> None:
        chaos = Chaos(drop_watch=1.0, compact=1.0)

        assert not any(any(chaos.fate(number, watch=False)[1:6]) for number in range(100))

    def test_another_option_leaves_the_victims_of_the_first(self) -> None:
        some, more = Chaos(errors=0.2, seed=5), Chaos(errors=0.2, truncate=0.5, latency=1.0, seed=5)

        for number in range(500):
            assert some.fate(number, watch=False).refused == more.fate(number, watch=False).refused


NAMES = ("refused", "lost", "dropped", "compacted", "cut")
KNOWN = """
refused - - dropped dropped - - - - - - - - cut dropped
cut refused lost - lost compacted lost dropped - - compacted cut dropped compacted dropped
""".split()  # noqa: SIM905


class Faulty:
    """A server with one kind of fault, and a client that tries nothing twice."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.client = httpx.Client(base_url=server.url, timeout=20, trust_env=False)

    def put(self, name: str, namespace: str = "chaos.test") -> httpx.Response:
        body = {"key": key(name), "value": VALUE}
        return self.client.post(f"/registry/{namespace}/set", json=body)


@pytest.fixture
def faulty(start_server: Callable[..., LiveServer]) -> Iterator[Callable[[str], Faulty]]:
    made: list[Faulty] = []

    def start(chaos: str) -> Faulty:
        made.append(Faulty(start_server(None, "--chaos", chaos)))
        return made[-1]

    yield start
    for one in made:
        one.client.close()


def _seed(**wanted: bool) -> int:
    """A seed whose first request of no watch, with errors=1, is as wanted."""
    return next(
        seed
        for seed in range(1_000)
        if wanted.items() <= Chaos(errors=1.0, seed=seed).fate(1, watch=False)._asdict().items()
    )


class TestServer:
    def test_says_so_loudly_when_it_starts(self, faulty: Callable[[str], Faulty]) -> None:
        server = faulty("errors=0.5,seed=3").server

        assert httpx.get(server.url + "/health", trust_env=False).status_code == 200
        server.stop()
        assert any(line.startswith("CHAOS") and "errors=0.5" in line for line in server.said), server.said

    def test_what_is_refused_was_not_done(self, faulty: Callable[[str], Faulty]) -> None:
        here = faulty(f"errors=1,seed={_seed(refused=True)}")

        answer = here.put("mse")

        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "storage_unavailable"
        assert _stored(here) == 0

    def test_what_is_lost_was_done_and_never_answered(self, faulty: Callable[[str], Faulty]) -> None:
        here = faulty(f"errors=1,seed={_seed(lost=True)}")

        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            here.put("mse")

        assert _stored(here) == 1

    def test_an_answer_ends_within_its_body(self, faulty: Callable[[str], Faulty]) -> None:
        here = faulty("truncate=1,seed=1")

        with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|closed"):
            here.client.get("/stats")

        head, body = _raw(here.server, b"GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n").split(
            b"\r\n\r\n", 1
        )
        announced = int(next(line for line in head.split(b"\r\n") if b"content-length" in line).split()[1])
        assert head.startswith(b"HTTP/1.1 200")
        assert len(body) < announced

    def test_a_watch_is_dropped_and_what_it_is_for_goes_on(self, faulty: Callable[[str], Faulty]) -> None:
        here = faulty("drop-watch=1,seed=1")
        cursor = here.put("mse").json()["cursor"]

        with pytest.raises(httpx.RemoteProtocolError):
            here.client.get("/registry/chaos.test/watch", params={"since": cursor, "wait": 10})
        with pytest.raises(httpx.RemoteProtocolError):
            here.client.post("/watch", json={"cursors": {"chaos.test": cursor}, "wait": 10})

        assert here.put("mae").json()["outcome"] == "created"

    def test_a_watch_is_told_to_list_again_with_the_true_cursor(
        self, faulty: Callable[[str], Faulty]
    ) -> None:
        here = faulty("compact=1,seed=1")
        first, second = (here.put(name).json()["cursor"] for name in ("mse", "mae"))

        told = here.client.get("/registry/chaos.test/watch", params={"since": first})

        assert (told.status_code, told.json()["code"], told.json()["cursor"]) == (410, "compacted", second)
        assert told.json()["context"] == {"namespace": "chaos.test"}
        many = here.client.post("/watch", json={"cursors": {"chaos.test": first}, "wait": 10}).json()
        assert [(one["namespace"], one["gone"], one["cursor"]) for one in many["namespaces"]] == [
            ("chaos.test", "compacted", second)
        ]
        # The first watch of anybody has no cursor, and is answered.
        assert here.client.get("/registry/chaos.test/watch").json()["cursor"] == second

    def test_what_is_no_request_of_the_contract_is_refused_as_ever(
        self, faulty: Callable[[str], Faulty]
    ) -> None:
        here = faulty("compact=1,seed=1")

        answers = [
            here.client.get("/registry/no_space/watch", params={"since": "e.1"}),
            here.client.post("/watch", json={"cursors": {"no_space": "e.1"}}),
            here.client.post("/watch", content=b"{", headers={"content-type": "application/json"}),
        ]

        assert [answer.status_code for answer in answers] == [422, 422, 400]

    def test_the_same_seed_gives_the_same_faults(self, faulty: Callable[[str], Faulty]) -> None:
        chaos = "errors=0.3,truncate=0.2,seed=7"

        once, again = (_outcomes(faulty(chaos), 60) for _ in range(2))

        assert once == again
        assert once == [_expected(parse_chaos(chaos), number) for number in range(1, 61)]
        assert {"refused", "lost", "cut", "-"} == set(once)

    def test_latency_is_waited_for_beside_other_requests(self, faulty: Callable[[str], Faulty]) -> None:
        """Sixty requests that each wait up to 0.2 s are over in less than they wait in all."""
        here = faulty("latency=0.2,seed=1")
        waits = [Chaos(latency=0.2, seed=1).fate(number, watch=False).delay for number in range(1, 61)]

        async def all_at_once() -> float:
            loop = asyncio.get_running_loop()
            async with httpx.AsyncClient(base_url=here.server.url, timeout=30, trust_env=False) as client:
                began = loop.time()
                answers = await asyncio.gather(*(client.get("/namespaces") for _ in waits))
                assert {answer.status_code for answer in answers} == {200}
                return loop.time() - began

        took = asyncio.run(all_at_once())

        assert took >= max(waits)

    def test_health_readiness_and_pages_are_left_alone(self, faulty: Callable[[str], Faulty]) -> None:
        here = faulty("errors=1,truncate=1")

        statuses = [here.client.get(path).status_code for path in ("/health", "/ready", "/", "/openapi.json")]

        assert statuses == [200, 200, 200, 200]

    def test_each_fault_is_in_the_log(self, faulty: Callable[[str], Faulty]) -> None:
        here = faulty(f"errors=1,seed={_seed(refused=True)}")
        here.put("mse")

        here.server.stop()

        assert "chaos: request 1, POST /registry/chaos.test/set: refused" in here.server.log
        assert "Traceback" not in here.server.log


def _stored(here: Faulty) -> int:
    """How many entries there are, asked of the same storage without chaos."""
    here.server.stop()
    calm = LiveServer(_folder(here.server), here.server.storage)
    calm.start()
    try:
        answer = httpx.get(f"{calm.url}/registry/chaos.test/length", trust_env=False)
        return int(answer.json()["length"])
    finally:
        calm.kill()


def _folder(server: LiveServer) -> Path:
    return Path(server.storage.removeprefix("sqlite:///")).parent


def _raw(server: LiveServer, request: bytes) -> bytes:
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def _outcomes(here: Faulty, requests: int) -> list[str]:
    found = []
    for number in range(requests):
        try:
            answer = here.put(f"key{number}")
        except httpx.RemoteProtocolError as error:
            found.append("lost" if "without sending a response" in str(error) else "cut")
        else:
            found.append("refused" if answer.status_code == 503 else "-")
    return found


def _expected(chaos: Chaos, number: int) -> Any:
    fate = chaos.fate(number, watch=False)
    return next((name for name in NAMES if getattr(fate, name)), "-")
