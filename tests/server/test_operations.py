"""The compiled operation stage by itself: dispatch, methods, and what becomes of a handler's exception."""

import asyncio
from typing import Any

import httpx
import pytest

from registry_server.access.guard import Guard
from registry_server.access.needs import PUBLIC
from registry_server.answers import Answer
from registry_server.dispatch import DispatchTable
from registry_server.operations import OperationStage
from registry_server.problems import Problem
from registry_server.requests import Gate, path_of
from registry_server.tallies import Tally
from tests.server.wire import problem


class FakeOperation:
    """Stands where a compiled operation does: answers, or raises, what it was made with."""

    def __init__(self, outcome):
        self.operation_id = "fake"
        self.needs = PUBLIC
        self.tally = Tally()
        self._outcome = outcome

    async def answer(self, *_arguments):
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


@pytest.fixture
def stage():
    async def behind(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"behind"})

    gate = Gate(header_bytes=1_000, allowed_hosts=None)
    return OperationStage(behind, gate=gate, guard=Guard(None), body_limit=1_000)


@pytest.fixture
async def client(stage):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(stage), base_url="http://any") as client:
        yield client


class TestDispatch:
    @pytest.fixture
    def table(self):
        table: Any = DispatchTable()
        for path in ("/{a}/{b}", "/{a}/y", "/x/{b}", "/x/y", "/", "/x"):
            table.add("GET", path, path)
        return table

    @pytest.mark.parametrize(
        ("path", "found"),
        [
            (b"/x/y", "/x/y"),
            (b"/x/z", "/x/{b}"),
            (b"/z/y", "/{a}/y"),
            (b"/z/z", "/{a}/{b}"),
            (b"/", "/"),
            (b"/x", "/x"),
            (b"/%78/y", "/x/y"),
            (b"//", "/{a}/{b}"),
        ],
    )
    def test_the_path_with_most_literal_segments_is_found(self, path, found, table):
        for _ in range(2):  # looked up, then remembered
            assert table.find(path).methods == {"GET": found}

    @pytest.mark.parametrize("path", [b"/y", b"", b"/x/y/z", b"/x%2Fy", b"*"])
    def test_what_the_spec_has_not_is_not_found(self, path, table):
        for _ in range(2):
            assert table.find(path) is None

    def test_segments_are_decoded_after_they_were_parted(self, table):
        assert table.find(b"/a%2Fb/%C3%A4").segments == ["", "a/b", "ä"]

    def test_remembering_is_bounded(self, table):
        for number in range(10_000):
            table.find(b"/x/%d" % number)

        assert len(table._known) <= 4_096

    def test_a_server_that_hands_over_no_raw_path_is_understood(self):
        assert path_of({"path": "/registry/ä b/get"}) == b"/registry/%C3%A4%20b/get"
        assert path_of({"path": "/x", "raw_path": b"/%78?key=a"}) == b"/%78"


class TestMethods:
    async def test_head_is_get_without_the_body(self, stage, client):
        stage.table.add("GET", "/x", FakeOperation(Answer({"a": 1})))

        head, whole = await client.head("/x"), await client.get("/x")

        assert (head.status_code, head.content, whole.content) == (200, b"", b'{"a":1}')
        assert head.headers == whole.headers

    async def test_head_of_a_problem_has_no_body_either(self, stage, client):
        stage.table.add("GET", "/x", FakeOperation(Problem(404, "key_not_found", "No such key")))

        head = await client.head("/x")

        assert (head.status_code, head.content) == (404, b"")

    async def test_head_is_offered_where_get_is(self, stage, client):
        stage.table.add("POST", "/x", FakeOperation(Answer({})))
        stage.table.add("DELETE", "/x", FakeOperation(Answer({})))
        stage.table.add("GET", "/y", FakeOperation(Answer({})))

        assert (await client.head("/x")).headers["allow"] == "POST, DELETE"
        assert (await client.put("/y")).headers["allow"] == "GET, HEAD"

    async def test_an_answer_without_a_body_has_no_content_type(self, stage, client):
        stage.table.add("GET", "/x", FakeOperation(Answer(None, 304, ((b"etag", b'"a.1"'),))))

        answer = await client.get("/x")

        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"a.1"')
        assert "content-type" not in answer.headers

    async def test_what_is_no_operation_goes_to_what_stands_behind(self, stage, client):
        assert (await client.get("/page")).text == "behind"

    async def test_requests_are_counted_whatever_their_answer(self, stage, client):
        stage.table.add("GET", "/x", FakeOperation(Problem(404, "key_not_found", "No such key")))
        for path in ("/x", "/x", "/page"):
            await client.get(path)
        await client.put("/x")

        assert stage.tallies()["fake"].count == 2


class TestFailures:
    async def test_an_unforeseen_exception_is_500_logged_and_not_shown(self, stage, client, caplog):
        stage.table.add("GET", "/x", FakeOperation(KeyError("hunter2")))

        answer = await client.get("/x")

        problem(answer, 500, "server_fault")
        assert "hunter2" not in answer.text
        assert "KeyError: 'hunter2'" in caplog.text

    async def test_an_answer_that_cannot_be_written_is_500(self, stage, client, caplog):
        stage.table.add("GET", "/x", FakeOperation(Answer({"value": object()})))

        problem(await client.get("/x"), 500, "server_fault")
        assert "not JSON serializable" in caplog.text

    async def test_a_problem_is_sent_with_its_header_fields(self, stage, client, caplog):
        busy = Problem(503, "storage_unavailable", "Busy", headers=((b"retry-after", b"1"),))
        stage.table.add("GET", "/x", FakeOperation(busy))

        answer = await client.get("/x")

        problem(answer, 503, "storage_unavailable")
        assert answer.headers["retry-after"] == "1"
        assert caplog.text == ""

    async def test_a_cancelled_request_is_not_answered(self, stage, client):
        stage.table.add("GET", "/x", FakeOperation(asyncio.CancelledError()))

        with pytest.raises(asyncio.CancelledError):
            await client.get("/x")
