"""What no HTTP client sends: requests byte by byte, to a server in a process of its own."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.server.processes import LiveServer
from tests.server.wire import PROBLEM, setting

MIB = 1024 * 1024
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
BODY = json.dumps(setting("k")).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[LiveServer]:
    """One server for the module, which none of this may make fail; each test has its own namespace."""
    server = LiveServer(tmp_path_factory.mktemp("sockets"), "memory:").start()
    for path in ("/", "/nowhere", "/registry/a/length"):  # what is made at the first request takes memory too
        httpx.get(server.url + path)
    yield server
    code = server.stop()
    assert code == 0
    assert "Traceback" not in server.log


@pytest.fixture
def space(request) -> str:
    """A namespace of the test's own."""
    return re.sub("[^A-Za-z0-9]", "", request.node.name)[:200]


def connect(server: LiveServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=20)


def exchange(server: LiveServer, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, header fields and body of the first answer on a connection that sent ``parts``."""
    with connect(server) as connection:
        for part in parts:
            connection.sendall(part)
        return answer_on(connection)


def answer_on(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    received = connection.makefile("rb")
    with received:
        status = int(received.readline().split()[1])
        fields = {}
        while line := received.readline().strip():
            name, _, value = line.decode().partition(": ")
            fields[name.lower()] = value
        return status, fields, received.read(int(fields["content-length"]))


def post(space: str, *fields: bytes) -> bytes:
    return f"POST /registry/{space}/set HTTP/1.1\r\n".encode() + HOST + JSON + b"".join(fields) + b"\r\n"


def length(server: LiveServer, space: str) -> int:
    answer = httpx.get(f"{server.url}/registry/{space}/length")
    return int(answer.json()["length"])


def most_memory(server: LiveServer) -> int:
    """The most bytes that the server's process has ever held."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


class TestWhatIsNoRequest:
    @pytest.mark.parametrize(
        "head",
        [
            b"GET /registry/a/get?key=\xc3\xa4 HTTP/1.1\r\n" + HOST,
            b"GET /registry/\xff/length HTTP/1.1\r\n" + HOST,
            b"FETCH /health HTTP/1.1\r\n" + HOST,
            b"GET /health HTTP/9.9\r\n" + HOST,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
            b"GET /health HTTP/1.1\r\n" + HOST + b"No colon\r\n",
            b"GET /health HTTP/1.1\r\n" + HOST + b"Bad name: 1\r\n",
            post("a", b"Content-Length: 3\r\n", b"Content-Length: 4\r\n"),
            post("a", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"),
            post("a", b"Content-Length: -3\r\n"),
            post("a", b"Content-Length: 0x3\r\n"),
            post("a", b"Content-Length: 99999999999999999999999999\r\n"),
            post("a", b"Transfer-Encoding: chunked\r\n") + b"zz\r\n",
        ],
        ids=lambda head: ascii(head[-40:]),
    )
    def test_is_a_problem_document_and_the_connection_is_closed(self, head, server):
        """The code `invalid_request` of the specification's table."""
        with connect(server) as connection:
            connection.sendall(head + b"\r\n")
            status, fields, body = answer_on(connection)
            assert connection.recv(1) == b""

        assert (status, fields["content-type"], fields["connection"]) == (400, PROBLEM, "close")
        assert json.loads(body)["code"] == "invalid_request"

    @pytest.mark.parametrize(
        ("version", "refusal"),
        [(b"1.1", (400, "invalid_request")), (b"1.0", (421, "misdirected_request"))],
    )
    def test_a_host_may_be_missing_in_http_1_0_only(self, version, refusal, server):
        """RFC 9112 section 3.2. The server answers for loopback names, and no name is none of them."""
        for _ in range(2):
            status, _, body = exchange(server, b"GET /health HTTP/%b\r\n\r\n" % version)

            assert (status, json.loads(body)["code"]) == refusal

    @pytest.mark.parametrize(
        "path", ["/registry/../length", "/registry/a/../../length", "/./registry/a/length"]
    )
    def test_dots_in_a_path_lead_nowhere(self, path, server):
        status, _, body = exchange(server, f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")

        assert (status, json.loads(body)["code"]) in [(422, "invalid_namespace"), (404, "not_found")]


@pytest.mark.parametrize(
    "line",
    [
        "GET /",
        "GET /static/registry.css",
        "GET /docs/",
        "GET /docs/swagger-ui.css",
        "GET /health",
        "GET *",
        "GET /%",
    ],
)
def test_an_answer_has_one_date(line, server):
    """RFC 9110 section 6.6.1."""
    with connect(server) as connection:
        connection.sendall(line.encode() + b" HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
        head = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")[0]

    assert head.lower().count(b"\r\ndate: ") == 1


class TestBodies:
    def test_one_that_breaks_off_writes_nothing(self, server, space):
        with connect(server) as connection:
            connection.sendall(post(space, b"Content-Length: %d\r\n" % (len(BODY) + 1)) + BODY)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""

        assert length(server, space) == 0

    def test_one_whose_last_chunk_never_comes_writes_nothing(self, server, space):
        with connect(server) as connection:
            connection.sendall(
                post(space, b"Transfer-Encoding: chunked\r\n") + b"%x\r\n%b\r\n" % (len(BODY), BODY)
            )
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""

        assert length(server, space) == 0

    def test_one_in_single_bytes_is_read(self, server, space):
        head = post(space, b"Content-Length: %d\r\n" % len(BODY))
        single = [bytes([byte]) for byte in head + BODY]

        status, _, _ = exchange(server, *single)

        assert (status, length(server, space)) == (200, 1)

    def test_one_in_chunks_is_read(self, server, space):
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"

        status, _, _ = exchange(server, post(space, b"Transfer-Encoding: chunked\r\n"), chunks)

        assert (status, length(server, space)) == (200, 1)

    def test_what_follows_a_body_is_the_next_request(self, server, space):
        both = (post(space, b"Content-Length: %d\r\n" % len(BODY)) + BODY) * 2
        with connect(server) as connection:
            connection.sendall(both)
            answers = [b""]
            while answers[-1].count(b"cursor") < 2:
                answers.append(answers[-1] + connection.recv(4_096))

        assert b'"created"' in answers[-1]
        assert b'"unchanged"' in answers[-1]

    def test_a_declared_length_over_the_limit_is_answered_without_a_byte_of_it(self, server):
        status, fields, body = exchange(server, post("a", b"Content-Length: 100000000000\r\n"))

        assert (status, fields["connection"]) == (413, "close")
        assert json.loads(body)["code"] == "limit_exceeded"

    def test_an_expectation_over_the_limit_is_not_encouraged(self, server):
        fields = (b"Expect: 100-continue\r\n", b"Content-Length: 100000000000\r\n")

        status, _, _ = exchange(server, post("a", *fields))

        assert status == 413

    @pytest.mark.parametrize("path", ["/registry/a/set", "/registry%2Fa/set", "/nowhere", "/"])
    def test_an_endless_one_takes_no_memory(self, path, server):
        before = most_memory(server)
        head = f"POST {path} HTTP/1.1\r\n".encode() + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"

        send_until_closed(server, head, b"%x\r\n%b\r\n" % (MIB, b" " * MIB), times=150)

        assert most_memory(server) - before < 64 * MIB
        assert httpx.get(f"{server.url}/health").status_code == 200


class TestHeads:
    @pytest.mark.parametrize(
        "part",
        [b"X: " + b"a" * MIB + b"\r\n", b"X: a\r\n" * 200_000, b"a" * MIB],
        ids=["long fields", "many fields", "one field"],
    )
    def test_an_endless_one_takes_no_memory(self, part, server):
        before = most_memory(server)

        sent = send_until_closed(server, b"GET /health HTTP/1.1\r\n" + HOST + b"Y: ", part, times=150)

        assert sent < 20
        assert most_memory(server) - before < 32 * MIB
        assert httpx.get(f"{server.url}/health").status_code == 200

    def test_an_endless_address_takes_no_memory(self, server):
        before = most_memory(server)

        sent = send_until_closed(server, b"GET /registry/", b"a" * MIB, times=150)

        assert sent < 20
        assert most_memory(server) - before < 32 * MIB

    def test_long_addresses_are_not_remembered(self, server):
        with connect(server) as connection:

            def ask(number: int) -> int:
                path = f"/registry/{number:060000}x/length"
                connection.sendall(f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
                return answer_on(connection)[0]

            ask(0)
            before = most_memory(server)
            assert {ask(number) for number in range(1_000)} == {422}

        assert most_memory(server) - before < 16 * MIB

    def test_one_that_comes_in_single_bytes_is_read(self, server):
        head = b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 1_000 + b"\r\n\r\n"

        assert exchange(server, *[bytes([byte]) for byte in head])[0] == 200

    def test_one_of_33_kib_is_431(self, server):
        status, _, body = exchange(
            server, b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 33_000 + b"\r\n\r\n"
        )

        assert (status, json.loads(body)["code"]) == (431, "headers_too_large")

    def test_one_of_a_mib_is_431(self, server):
        with connect(server) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 600_000)
            status, fields, body = answer_on(connection)

        assert (status, fields["content-type"], fields["connection"]) == (431, PROBLEM, "close")
        assert json.loads(body)["code"] == "headers_too_large"

    def test_a_large_body_is_not_taken_for_a_head(self, server, space):
        """Nor are many requests on one connection, each with its own."""
        large = json.dumps(setting("k", "x" * 2 * MIB)).encode()
        with closing(httpx.Client(base_url=server.url)) as client:
            for _ in range(5):
                answer = client.post(
                    f"/registry/{space}/set", content=large, headers={"Content-Type": "application/json"}
                )
                assert answer.status_code == 200


def send_until_closed(server: LiveServer, head: bytes, part: bytes, *, times: int) -> int:
    """How many parts went out before the server closed the connection; ``times`` if it never did."""
    with connect(server) as connection:
        connection.sendall(head)
        for sent in range(times):
            try:
                connection.sendall(part)
            except OSError:
                return sent
    return times


def test_a_client_that_does_not_wait_for_its_answer_harms_nobody(server, space):
    for _ in range(50):
        with connect(server) as connection:
            connection.sendall(post(space, b"Content-Length: %d\r\n" % len(BODY)) + BODY)

    assert httpx.get(f"{server.url}/health").status_code == 200
    assert length(server, space) <= 1
